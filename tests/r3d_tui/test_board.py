"""What happens on the board when a run goes on and keys are pressed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from backends.core.client import Preview, RunRequest
from backends.core.events import StageNote
from backends.core.log_lines import log_line
from backends.core.messages import BusyError, line
from backends.core.settings import InferSettings, Settings
from backends.core.values import DeviceSample
from r3d_tui.app import ConsoleApp
from r3d_tui.screens.board import Board
from r3d_tui.screens.dialog import Dialog
from r3d_tui.screens.palette import Palette
from r3d_tui.state.feed import DevicesRead, LogPiece, SnapshotCame
from r3d_tui.widgets.sheet import Sheet
from tests.r3d_tui.waiting import until
from tests.replay import ReplayClient

OpenStory = Callable[..., ReplayClient]
Console = Callable[..., ConsoleApp]


def _screen_text(app: ConsoleApp) -> str:
    """What is on the screen, line by line."""
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in lines)


async def _ready(pilot: Pilot[Any]) -> Board:
    board = pilot.app.screen_stack[0]
    assert isinstance(board, Board)
    await until(pilot, lambda: board.state.snapshot is not None)
    await pilot.pause()
    return board


def _notice(app: ConsoleApp) -> str:
    return app.board.state.status.text


async def test_the_run_goes_on_before_the_eyes(story: OpenStory, console: Console) -> None:
    """What the client learns appears on the screen without a key."""
    client = story("finished", 60.0)
    app = console(client)
    async with app.run_test(size=(120, 40)) as pilot:
        await _ready(pilot)
        assert "✓export" in _screen_text(app)
        assert "0.6226" not in _screen_text(app)
        client.seek(1e6)
        await until(pilot, lambda: "0.6226" in _screen_text(app))
        assert "✓ done 1:47" in _screen_text(app)


async def test_clocks_go_by_themselves_while_no_snapshot_brings_the_time(
    inferring: ReplayClient, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that says nothing for a while is drawn all the same."""
    monkeypatch.setattr("r3d_tui.screens.board.LATE_S", 0.05)
    monkeypatch.setattr("r3d_tui.screens.board.TICK_S", 0.05)
    now = [0.0]
    app = console(inferring)
    app.clock = lambda: inferring.now + now[0]
    async with app.run_test(size=(80, 24)) as pilot:
        await _ready(pilot)
        assert "infer 1:4" in _screen_text(app)
        now[0] = 60.0
        await until(pilot, lambda: "infer 2:4" in _screen_text(app))
        assert "infer 1:4" not in _screen_text(app)


async def test_a_second_console_shows_the_same_run(inferring: ReplayClient, console: Console) -> None:
    """Two consoles over one run draw the same lines."""
    texts = []
    for _ in range(2):
        app = console(inferring)
        async with app.run_test(size=(80, 24)) as pilot:
            await _ready(pilot)
            await pilot.pause(1.0)  # what is asked in threads after the first picture
            texts.append(_screen_text(app))
    assert texts[0] == texts[1]


NAMES = ("CHIP", "CHIP", "Data", "Model", "Accuracy", "Stages", "Log")


@pytest.mark.parametrize(("key", "title"), list(zip("1234567", NAMES, strict=True)))
async def test_a_number_goes_to_its_panel(key: str, title: str, inferring: ReplayClient, console: Console) -> None:
    """At 80x24 the panel of the number has the body; main and chips share it."""
    app = console(inferring)
    async with app.run_test(size=(80, 24)) as pilot:
        await _ready(pilot)
        await pilot.press(key)
        await pilot.pause()
        assert (f" {title}" if title == "CHIP" else f"─ {title} ─") in _screen_text(app)
        assert "✓onnx" in _screen_text(app)


async def test_tab_goes_round_the_panels(inferring: ReplayClient, console: Console) -> None:
    """Tab visits all panels and comes back; Shift+Tab goes the other way."""
    app = console(inferring)
    async with app.run_test(size=(80, 24)) as pilot:
        board = await _ready(pilot)
        seen = []
        for _ in range(7):
            seen.append(board.state.current)
            await pilot.press("tab")
        assert ["main", "chips", "data", "model", "accuracy", "stages", "log"] == seen
        assert "main" == board.state.current
        await pilot.press("shift+tab")
        assert "log" == board.state.current


async def test_the_selected_stage_is_the_one_at_work_until_another_is_chosen(
    story: OpenStory, console: Console
) -> None:
    """The board follows what runs; j and k choose a stage and stay with it; the full stop follows again."""
    client = story("finished", 60.0)
    app = console(client)
    async with app.run_test(size=(80, 24)) as pilot:
        board = await _ready(pilot)
        assert "compile" == board.state.selected
        await pilot.press("6", "j")
        assert "infer" == board.state.selected
        await pilot.press("k", "k")
        assert "simplify" == board.state.selected
        client.seek(98.0)
        await until(pilot, lambda: board.state.snapshot and board.state.snapshot.run.stage("infer").state == "running")
        assert "simplify" == board.state.selected
        await pilot.press("full_stop")
        assert "infer" == board.state.selected


async def test_a_run_starts_after_its_preview(story: OpenStory, console: Console) -> None:
    """r shows what would run and why; nothing starts before Enter, and q closes without starting."""
    client = story("new")
    app = console(client)
    async with app.run_test(size=(80, 24)) as pilot:
        await _ready(pilot)
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, Dialog))
        await pilot.pause()
        assert "10 to run, 0 up to date" in _screen_text(app)
        await pilot.press("q")
        await pilot.pause()
        assert [] == client.asked
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, Dialog))
        await pilot.press("enter")
        await until(pilot, lambda: client.asked)
        assert [RunRequest()] == client.asked


@pytest.mark.parametrize(("key", "expected"), [("r", RunRequest()), ("R", RunRequest("rerun", stages=("export",)))])
async def test_failed_work_is_run_again(key: str, expected: RunRequest, story: OpenStory, console: Console) -> None:
    """r asks for what is not up to date, R for the selected stage, each after a preview."""
    client = story("failed")
    app = console(client)
    async with app.run_test(size=(80, 24)) as pilot:
        await _ready(pilot)
        await pilot.press(key)
        await until(pilot, lambda: isinstance(app.screen, Dialog))
        await pilot.press("y")
        await until(pilot, lambda: client.asked)
        assert [expected] == client.asked


async def test_what_only_parameters_changed_may_be_accepted(
    story: OpenStory, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """a in the preview keeps what was made before, and shows the preview after it."""
    client = story("finished")
    told = client.preview

    def changed(request: RunRequest) -> tuple[Preview, ...]:
        why = line("{name} changed from {before} to {after}", name="opset", before=11, after=13)
        return tuple(
            Preview("export", "run", why, acceptable=True) if p.stage == "export" else p for p in told(request)
        )

    monkeypatch.setattr(client, "preview", changed)
    app = console(client)
    async with app.run_test(size=(80, 24)) as pilot:
        await _ready(pilot)
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, Dialog) and "accept as it is" in _screen_text(app))
        assert "Only code or parameters changed for: export" in _screen_text(app)
        await pilot.press("a")
        await until(pilot, lambda: client.asked)
        assert [{"accept": "export"}] == client.asked
        await until(pilot, lambda: isinstance(app.screen, Dialog) and "accepted as it is" in _screen_text(app))
        assert "Only code" not in _screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: len(client.asked) == 2)
        assert RunRequest() == client.asked[1]


async def test_stop_asks_once(inferring: ReplayClient, console: Console) -> None:
    """s asks; Esc goes on with the run, y stops it."""
    app = console(inferring)
    async with app.run_test(size=(80, 24)) as pilot:
        await _ready(pilot)
        await pilot.press("s")
        await pilot.pause()
        assert "Stop the run?" in _screen_text(app)
        await pilot.press("escape")
        await pilot.pause()
        assert [] == inferring.asked
        await pilot.press("s")
        await pilot.press("y")
        await until(pilot, lambda: inferring.asked)
        assert ["stop"] == inferring.asked


async def test_a_watcher_changes_nothing(inferring: ReplayClient, console: Console) -> None:
    """In read-only mode no key starts, stops or takes out anything, and each says why."""
    app = console(inferring, read_only=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await _ready(pilot)
        await pilot.press("r", "f", "R", "s", "space")
        await pilot.pause()
        assert [] == inferring.asked
        assert "Read only: this console watches and changes nothing." == _notice(app)
        assert "Read only: this console watches" in _screen_text(app)
        assert 1 == len(app.screen_stack)


async def test_an_error_is_shown_with_its_fix(
    story: OpenStory, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the client refuses is told in a dialog, and the console goes on."""
    client = story("new")

    def busy(_: RunRequest) -> str:
        raise BusyError("process {pid} holds the workspace", hint="wait for it, or stop it", pid=7)

    monkeypatch.setattr(client, "start", busy)
    app = console(client)
    async with app.run_test(size=(80, 24)) as pilot:
        await _ready(pilot)
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, Dialog))
        await pilot.press("enter")
        await until(pilot, lambda: "process 7 holds the workspace" in _screen_text(app))
        assert "wait for it, or stop it" in _screen_text(app)
        await pilot.press("q")
        await pilot.pause()
        assert app.screen is app.board


async def test_a_client_that_fails_is_told_in_the_header(
    story: OpenStory, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A workspace that cannot be read is said so, and read again until it can."""
    client = story("failed")
    good = client.snapshot

    def broken() -> Any:
        raise OSError("[disk] is\x1b[2J gone")

    monkeypatch.setattr(client, "snapshot", broken)
    monkeypatch.setattr("r3d_tui.state.feed.AGAIN_S", 0.05)
    app = console(client)
    async with app.run_test(size=(100, 24)) as pilot:
        await until(pilot, lambda: "OSError: [disk] is gone" in _screen_text(app))
        monkeypatch.setattr(client, "snapshot", good)
        await until(pilot, lambda: "✗ failed in export" in _screen_text(app))
        assert "OSError" not in _screen_text(app)


async def test_the_log_of_the_selected_stage_is_searched(story: OpenStory, console: Console) -> None:
    """l shows the log; / marks matches while typing, n goes on, Esc forgets."""
    client = story("failed")
    app = console(client)
    async with app.run_test(size=(80, 24)) as pilot:
        board = await _ready(pilot)
        await pilot.press("l")
        await until(pilot, lambda: "Traceback" in _screen_text(app))
        await pilot.press("slash", *"export")
        await pilot.pause()
        assert [2] == board.state.book.found
        await pilot.press("enter", "n")
        assert "/export  1/1" in _screen_text(app)
        await pilot.press("slash", "escape")
        await pilot.pause()
        assert "" == board.state.book.pattern
        assert board is app.screen


async def test_a_log_that_begins_again_is_still_drawn_as_it_was(story: OpenStory, console: Console) -> None:
    """Between a stage's first words of a new attempt and the next picture, the panel draws the lines that it has."""
    client = story("cpu", 500.0)
    app = console(client)
    async with app.run_test(size=(80, 24)) as pilot:
        board = await _ready(pilot)
        await pilot.press("7")
        await until(pilot, lambda: board.log_panel.row_count > 10)
        before = board.log_panel.row_at(9)
        board.state.book.take(LogPiece(board.state.book.stage, ("again",), fresh=True, partial=False))
        assert before == board.log_panel.row_at(9)


async def test_a_log_that_grows_is_followed_until_one_scrolls_back(story: OpenStory, console: Console) -> None:
    """The end of the log stays in sight; after scrolling back the place holds still; the title says which."""
    client = story("cpu", 300.0)
    app = console(client)
    async with app.run_test(size=(80, 24)) as pilot:
        board = await _ready(pilot)
        await pilot.press("7")
        client.seek(500.0)
        await until(pilot, lambda: board.log_panel.row_count > 40)
        assert board.log_panel.at_end
        await until(pilot, lambda: "following" in _screen_text(app))
        await pilot.press("k")
        top = board.log_panel.top
        count = board.log_panel.row_count
        client.seek(600.0)
        await until(pilot, lambda: board.log_panel.row_count > count)
        assert top == board.log_panel.top
        await until(pilot, lambda: "paused, G follows" in _screen_text(app))
        await pilot.press("G")
        assert board.log_panel.at_end
        assert "following" in _screen_text(app), "the title waits for no other news"
        await until(pilot, lambda: "following" in _screen_text(app))


async def test_the_palette_does_what_is_typed(story: OpenStory, console: Console) -> None:
    """The second palette key opens all commands; typing narrows them; Enter does the marked one."""
    app = console(story("finished"))
    async with app.run_test(size=(80, 24)) as pilot:
        board = await _ready(pilot)
        await pilot.press("colon")
        await until(pilot, lambda: isinstance(app.screen, Palette))
        await pilot.press(*"large")
        await pilot.press("enter")
        await until(pilot, lambda: board.state.zoomed)
        assert app.screen is board


async def test_details_help_and_runs_open_and_close_with_their_own_key(story: OpenStory, console: Console) -> None:
    """d, ? and h open a dialog; the same key, q and Esc close it."""
    app = console(story("finished"))
    async with app.run_test(size=(80, 24)) as pilot:
        await _ready(pilot)
        for key, text in (("d", "depends on"), ("question_mark", "The console shows a run"), ("h", "0.6219")):
            for close in (key, "q", "escape"):
                await pilot.press(key)
                await until(pilot, lambda text=text: text in _screen_text(app))
                assert isinstance(app.screen, Dialog)
                await pilot.press(close)
                await until(pilot, lambda: app.screen is app.board)
                assert text not in _screen_text(app)


async def test_a_device_is_taken_out_and_said_so(inferring: ReplayClient, console: Console) -> None:
    """Space hands the command for the device under the cursor to the stage that runs."""
    app = console(inferring)
    async with app.run_test(size=(80, 24)) as pilot:
        await _ready(pilot)
        await pilot.press("j", "space")
        await until(pilot, lambda: inferring.asked)
        assert [{"stage": "infer", "command": "device", "id": "1", "take": "out"}] == inferring.asked


async def test_the_language_and_the_theme_turn(inferring: ReplayClient, console: Console) -> None:
    """L turns the words, T the colours, at once and everywhere."""
    app = console(inferring)
    async with app.run_test(size=(120, 40)) as pilot:
        await _ready(pilot)
        await pilot.press("L")
        await pilot.pause()
        assert "推理" in _screen_text(app)
        await pilot.press("T")
        await pilot.pause()
        assert "r3d-light" == app.theme
        strips = app.screen._compositor.render_strips()
        backgrounds = {segment.style.bgcolor.name for strip in strips for segment in strip if segment.style}
        assert "#fbfaf7" in backgrounds
        assert "#12161b" not in backgrounds


async def test_leaving_says_that_the_run_goes_on(inferring: ReplayClient, console: Console) -> None:
    """q leaves and starts or stops nothing; what goes on is said afterwards."""
    app = console(inferring)
    async with app.run_test(size=(80, 24)) as pilot:
        await _ready(pilot)
        await pilot.press("q")
    assert [] == inferring.asked
    assert app.farewell().startswith("Run 3 goes on without the console (process 4100 on atlas01)")


async def test_leaving_a_finished_run_says_nothing(story: OpenStory, console: Console) -> None:
    """Nothing goes on, nothing is said."""
    app = console(story("finished"))
    async with app.run_test(size=(80, 24)) as pilot:
        await _ready(pilot)
    assert "" == app.farewell()


async def test_no_size_breaks_the_console(inferring: ReplayClient, console: Console) -> None:
    """From 1x1 to 500x200 and back, with a dialog open or not, and right again afterwards."""
    app = console(inferring)
    async with app.run_test(size=(80, 24)) as pilot:
        await _ready(pilot)
        await until(pilot, lambda: "runtime acl" in _screen_text(app))
        before = _screen_text(app)
        for size in ((1, 1), (500, 200), (60, 20), (3, 60), (200, 3), (119, 40), (120, 40)):
            await pilot.resize_terminal(*size)
            await pilot.press("question_mark")
            await pilot.pause()
            await pilot.press("q")
        await pilot.resize_terminal(40, 10)
        await pilot.pause()
        assert "Make the window larger: 60x20" in _screen_text(app)
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        await pilot.pause()
        assert before == _screen_text(app)


async def test_a_click_chooses_a_stage_a_chip_and_a_key(inferring: ReplayClient, console: Console) -> None:
    """Strip, table and bottom line answer to the mouse."""
    app = console(inferring)
    async with app.run_test(size=(80, 24)) as pilot:
        board = await _ready(pilot)
        await pilot.click("#strip", offset=(4, 0))
        assert "check" == board.state.selected
        await pilot.click("#chips", offset=(5, 2))
        assert "1" == board.state.device
        await pilot.click("#footer", offset=(38, 0))
        await until(pilot, lambda: app.screen is not board)


async def test_the_panels_text_is_copied_and_written(
    inferring: ReplayClient, console: Console, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """y puts the panel's words on the clipboard, w into a file of the workspace."""
    monkeypatch.setattr(type(inferring), "workspace", tmp_path)
    app = console(inferring)
    async with app.run_test(size=(80, 24)) as pilot:
        await _ready(pilot)
        await pilot.press("4", "y")
        assert "resnet-50" in app.clipboard
        await pilot.press("w")
        await until(pilot, lambda: list(tmp_path.rglob("model-*.txt")))
        await until(pilot, lambda: "Written to" in _notice(app))
        assert "resnet-50" in next(tmp_path.rglob("model-*.txt")).read_text(encoding="utf-8")


async def test_a_finished_run_draws_nothing_anew(
    story: OpenStory, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once a run has ended no widget asks to be drawn, however long one looks."""
    app = console(story("finished"))
    async with app.run_test(size=(120, 40)) as pilot:
        await _ready(pilot)
        await pilot.pause(0.5)
        drawn: list[Sheet] = []
        monkeypatch.setattr(Sheet, "render_line", lambda self, y: drawn.append(self))
        await pilot.pause(1.5)
        assert [] == drawn


async def test_f_writes_the_fix_and_reruns_in_one_press(
    story: OpenStory, console: Console, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The setting that the card names is changed in r3d.toml, every other line stays, and the rerun starts."""
    (tmp_path / "r3d.toml").write_text("[model]\n# mine\ndepth = 34  # as it was\n", encoding="utf-8")
    client = story("failed")
    monkeypatch.setattr(type(client), "workspace", tmp_path)
    app = console(client)
    async with app.run_test(size=(80, 24)) as pilot:
        await _ready(pilot)
        await until(pilot, lambda: "+ depth = 50" in _screen_text(app))
        assert "- depth = 34   (r3d.toml line 3)" in _screen_text(app)
        await pilot.press("f")
        await until(pilot, lambda: client.asked)
        assert [RunRequest("rerun")] == client.asked
    text = (tmp_path / "r3d.toml").read_text(encoding="utf-8")
    assert ["[model]", "# mine", "depth = 50"] == [one.partition("  #")[0].rstrip() for one in text.splitlines()]


async def test_a_failure_that_would_repeat_itself_is_announced(story: OpenStory, console: Console) -> None:
    """r after a failure says that nothing is known to have changed before it runs the same again."""
    client = story("failed")
    app = console(client)
    async with app.run_test(size=(100, 30)) as pilot:
        await _ready(pilot)
        await pilot.press("r")
        await until(pilot, lambda: "Run the same again?" in _screen_text(app))
        assert [] == client.asked


async def test_space_chooses_chips_before_a_run(
    story: OpenStory, console: Console, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The choice is written to infer.devices; a choice of all takes the setting out again."""
    (tmp_path / "r3d.toml").write_text('[infer]\ntarget = "ascend"\n# devices = [0, 1]\n', encoding="utf-8")
    client = story("new")
    monkeypatch.setattr(type(client), "workspace", tmp_path)
    app = console(client)
    async with app.run_test(size=(80, 24)) as pilot:
        board = await _ready(pilot)
        assert board.state.snapshot is not None
        free = replace(board.state.snapshot, settings=Settings(infer=InferSettings(target="ascend")))
        monkeypatch.setattr(client, "snapshot", lambda: free)
        board.take(SnapshotCame(free))
        readings = tuple(DeviceSample(f"npu:{n}", client.now, "310P3", "OK") for n in range(4))
        board.take_devices(DevicesRead(readings))
        await until(pilot, lambda: 4 == _screen_text(app).count("[x]"))
        await pilot.press("j", "space")
        await until(pilot, lambda: "devices = [0, 2, 3]" in (tmp_path / "r3d.toml").read_text(encoding="utf-8"))


async def test_a_chip_is_excluded_before_inference_begins(story: OpenStory, console: Console) -> None:
    """During an earlier stage Space is remembered, and the command is sent as soon as inference runs."""
    client = story("finished", 60.0)
    app = console(client)
    async with app.run_test(size=(80, 24)) as pilot:
        board = await _ready(pilot)
        board.take_devices(DevicesRead((DeviceSample("0", client.now), DeviceSample("1", client.now))))
        board.state.polled = (DeviceSample("0", client.now), DeviceSample("1", client.now))
        board.state.keep_cursor()
        await pilot.press("space")
        assert "will be excluded when inference begins" in _notice(app)
        client.seek_until(lambda run: any(stage.name == "infer" and stage.state == "running" for stage in run.stages))
        await until(pilot, lambda: client.asked)
        assert [{"stage": "infer", "command": "device", "id": "0", "take": "out"}] == client.asked


async def test_the_logs_own_lines_are_in_the_language_of_the_console(story: OpenStory, console: Console) -> None:
    """In Chinese our lines are Chinese, a tool's stay; another language shows the log again in that one."""
    client = story("finished")
    said = client.story.beats
    note = StageNote("infer", line("the same clips were made before: their store is used again"))
    text = f"12:30:01 {log_line(note)}\nE40021: of a tool\n"
    end = said[-1][0] + 1.0
    client.story = replace(client.story, beats=(*said, (end, "event", note), (end, "log", ("infer", text))))
    client.step(2)
    app = console(client, "zh")
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.board.state.snapshot is not None)
        app.board.action_choose("infer")
        await pilot.press("l")
        await until(pilot, lambda: "信息：" in _screen_text(app) and "E40021: of a tool" in _screen_text(app))
        assert "info: the same" not in _screen_text(app)
        await pilot.press("L")
        await until(pilot, lambda: "info: the same clips" in _screen_text(app))
