"""What happens on the board when a run goes on and keys are pressed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from backends.core.client import Preview, RunRequest
from backends.core.errors import BusyError
from backends.core.messages import line
from backends.engine.replay import ReplayClient
from r3d_tui.app import ConsoleApp
from r3d_tui.screens.board import Board
from r3d_tui.screens.dialog import Dialog
from r3d_tui.screens.palette import Palette
from r3d_tui.widgets.sheet import Sheet
from tests.r3d_tui.waiting import until

OpenStory = Callable[..., ReplayClient]
Console = Callable[..., ConsoleApp]


def _screen_text(app: ConsoleApp) -> str:
    """What is on the screen, line by line."""
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in lines)


async def _ready(pilot: Pilot[Any]) -> Board:
    board = pilot.app.screen_stack[0]
    assert isinstance(board, Board)
    await until(pilot, lambda: board.snapshot is not None)
    await pilot.pause()
    return board


def _toasts(app: ConsoleApp) -> list[str]:
    return [note.message for note in app._notifications]


async def test_the_run_goes_on_before_the_eyes(story: OpenStory, console: Console) -> None:
    """What the client learns appears on the screen without a key."""
    client = story("finished", 100.0)
    app = console(client)
    async with app.run_test(size=(120, 40)) as pilot:
        await _ready(pilot)
        assert "✓ export" in _screen_text(app).replace("  ", " ")
        assert "0.6226" not in _screen_text(app)
        client.seek(1e6)
        await until(pilot, lambda: "0.6226" in _screen_text(app))
        assert "run 3 ✓ done" in _screen_text(app)


async def test_clocks_go_by_themselves_only_where_no_snapshot_brings_the_time(
    inferring: ReplayClient, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that ticks each second is not drawn twice each second; one that says nothing is drawn all the same."""
    app = console(inferring)
    drawn: list[int] = []
    async with app.run_test(size=(80, 24)) as pilot:
        board = await _ready(pilot)
        monkeypatch.setattr(board, "draw_news", lambda: drawn.append(1))
        board._came, board._drawn = time.monotonic() + 60, 0.0
        board._tick()
        assert not drawn
        board._came, board._drawn = 0.0, time.monotonic() + 60
        board._tick()
        assert not drawn
        board._came, board._drawn = 0.0, 0.0
        board._tick()
        assert drawn


async def test_a_second_console_shows_the_same_run(inferring: ReplayClient, console: Console) -> None:
    """Two consoles over one run draw the same lines."""
    texts = []
    for _ in range(2):
        app = console(inferring)
        async with app.run_test(size=(80, 24)) as pilot:
            await _ready(pilot)
            texts.append(_screen_text(app))
    assert texts[0] == texts[1]


NAMES = ("Stages", "Dataset", "Conversion", "Devices", "Inference", "Log", "Result")


@pytest.mark.parametrize(("key", "title"), list(zip("1234567", NAMES, strict=True)))
async def test_a_number_goes_to_its_panel(key: str, title: str, inferring: ReplayClient, console: Console) -> None:
    """At 80x24 the panel of the number stands beside the rail."""
    app = console(inferring)
    async with app.run_test(size=(80, 24)) as pilot:
        await _ready(pilot)
        await pilot.press(key)
        await pilot.pause()
        assert f"▸ {key} {title} ─" in _screen_text(app)
        assert "✓ verify" in _screen_text(app)


async def test_tab_goes_round_the_panels(inferring: ReplayClient, console: Console) -> None:
    """Tab visits all panels and comes back; Shift+Tab goes the other way."""
    app = console(inferring)
    async with app.run_test(size=(80, 24)) as pilot:
        board = await _ready(pilot)
        seen = []
        for _ in range(7):
            seen.append(board.current)
            await pilot.press("tab")
        assert ["stages", "dataset", "model", "devices", "infer", "log", "result"] == seen
        assert "stages" == board.current
        await pilot.press("shift+tab")
        assert "result" == board.current


async def test_the_selected_stage_is_the_one_at_work_until_another_is_chosen(
    story: OpenStory, console: Console
) -> None:
    """The board follows what runs; j and k choose a stage and stay with it; the full stop follows again."""
    client = story("finished", 100.0)
    app = console(client)
    async with app.run_test(size=(80, 24)) as pilot:
        board = await _ready(pilot)
        assert "frames" == board.selected
        await pilot.press("j")
        assert "annotate" == board.selected
        await pilot.press("k", "k")
        assert "check" == board.selected
        client.seek(200.0)
        await until(pilot, lambda: board.snapshot and board.snapshot.run.stage("preprocess").state == "running")
        assert "check" == board.selected
        await pilot.press("full_stop")
        assert "preprocess" == board.selected


async def test_a_run_starts_after_its_preview(story: OpenStory, console: Console) -> None:
    """r shows what would run and why; nothing starts before Enter, and q closes without starting."""
    client = story("new")
    app = console(client)
    async with app.run_test(size=(80, 24)) as pilot:
        await _ready(pilot)
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, Dialog))
        await pilot.pause()
        assert "10 to run, 0 perhaps, 0 kept" in _screen_text(app)
        await pilot.press("q")
        await pilot.pause()
        assert [] == client.asked
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, Dialog))
        await pilot.press("enter")
        await until(pilot, lambda: client.asked)
        assert [RunRequest()] == client.asked


@pytest.mark.parametrize(
    ("key", "expected"), [("f", RunRequest("rerun")), ("R", RunRequest("rerun", stages=("export",)))]
)
async def test_failed_work_is_run_again(key: str, expected: RunRequest, story: OpenStory, console: Console) -> None:
    """f asks for what failed, R for the selected stage, each after a preview."""
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
        assert ["Read only: this console watches and changes nothing."] * 5 == _toasts(app)
        assert 1 == len(app.screen_stack)


async def test_an_error_is_shown_with_its_mend(
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
        await until(pilot, lambda: "✗ failed" in _screen_text(app))


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
        assert [2] == board.book.found
        await pilot.press("enter", "n")
        assert "/export  1/1" in _screen_text(app)
        await pilot.press("slash", "escape")
        await pilot.pause()
        assert "" == board.book.pattern
        assert not board.searching


async def test_a_log_that_grows_is_followed_until_one_scrolls_back(story: OpenStory, console: Console) -> None:
    """The end of the log stays in sight; after scrolling back the place holds still."""
    client = story("cpu", 300.0)
    app = console(client)
    async with app.run_test(size=(80, 24)) as pilot:
        board = await _ready(pilot)
        await pilot.press("6")
        client.seek(500.0)
        await until(pilot, lambda: board.log_panel.row_count > 40)
        assert board.log_panel.at_end
        await pilot.press("k")
        top = board.log_panel.top
        count = board.log_panel.row_count
        client.seek(600.0)
        await until(pilot, lambda: board.log_panel.row_count > count)
        assert top == board.log_panel.top
        await pilot.press("G")
        assert board.log_panel.at_end


async def test_the_palette_does_what_is_typed(story: OpenStory, console: Console) -> None:
    """The second palette key opens all commands; typing narrows them; Enter does the marked one."""
    app = console(story("finished"))
    async with app.run_test(size=(80, 24)) as pilot:
        board = await _ready(pilot)
        await pilot.press("colon")
        await until(pilot, lambda: isinstance(app.screen, Palette))
        await pilot.press(*"large")
        await pilot.press("enter")
        await until(pilot, lambda: board.zoomed)
        assert app.screen is board


async def test_details_help_and_runs_open_and_close_with_their_own_key(story: OpenStory, console: Console) -> None:
    """d, ? and h open a dialog; the same key, q and Esc close it."""
    app = console(story("finished"))
    async with app.run_test(size=(80, 24)) as pilot:
        await _ready(pilot)
        for key, text in (("d", "hangs on"), ("question_mark", "The console shows a run"), ("h", "0.6219")):
            for close in (key, "q", "escape"):
                await pilot.press(key)
                await until(pilot, lambda text=text: text in _screen_text(app))
                await pilot.press(close)
                await until(pilot, lambda: app.screen is app.board)


async def test_a_device_is_taken_out_and_said_so(inferring: ReplayClient, console: Console) -> None:
    """Space hands the command for the device under the cursor to the stage that runs."""
    app = console(inferring)
    async with app.run_test(size=(80, 24)) as pilot:
        await _ready(pilot)
        await pilot.press("4", "j", "space")
        await until(pilot, lambda: inferring.asked)
        assert [{"stage": "infer", "command": "device", "id": "1", "take": "out"}] == inferring.asked


async def test_the_language_and_the_theme_turn(inferring: ReplayClient, console: Console) -> None:
    """L turns the words, T the colours, at once and everywhere."""
    app = console(inferring)
    async with app.run_test(size=(120, 40)) as pilot:
        await _ready(pilot)
        await pilot.press("L")
        await pilot.pause()
        assert "模型转换" in _screen_text(app)
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


async def test_a_click_chooses_panel_and_stage(inferring: ReplayClient, console: Console) -> None:
    """Tabs, rail and footer answer to the mouse."""
    app = console(inferring)
    async with app.run_test(size=(80, 24)) as pilot:
        board = await _ready(pilot)
        await pilot.click("#tabs", offset=(12, 0))
        assert "dataset" == board.current
        await pilot.click("#rail", offset=(4, 1))
        assert "check" == board.selected


async def test_the_panels_text_is_copied_and_written(
    inferring: ReplayClient, console: Console, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """y puts the panel's words on the clipboard, w into a file of the workspace."""
    monkeypatch.setattr(type(inferring), "workspace", tmp_path)
    app = console(inferring)
    async with app.run_test(size=(80, 24)) as pilot:
        await _ready(pilot)
        await pilot.press("3", "y")
        assert "resnet-50" in app.clipboard
        await pilot.press("w")
        await until(pilot, lambda: list(tmp_path.rglob("model-*.txt")))
        await until(pilot, lambda: "Written to" in " ".join(_toasts(app)))
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


@pytest.mark.parametrize("theme", ["ansi-dark", "ansi-light"])
async def test_a_notice_is_written_on_the_terminals_own_ground(
    theme: str, inferring: ReplayClient, console: Console
) -> None:
    """In sixteen colours its words have the terminal's own colour, so what is behind them has to be its own too."""
    app = console(inferring)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await _ready(pilot)
        app.theme = theme
        app.notify("to be read", markup=False)
        await until(pilot, lambda: "to be read" in _screen_text(app))
        (words,) = (
            segment
            for strip in app.screen._compositor.render_strips()
            for segment in strip
            if "to be read" in segment.text
        )
        assert words.style is not None
        assert words.style.bgcolor is None or words.style.bgcolor.is_default
