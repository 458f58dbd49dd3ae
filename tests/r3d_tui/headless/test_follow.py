"""A followed run in lines and as a live display, drawn on a terminal of characters."""

from __future__ import annotations

import io
from collections.abc import Callable

import pyte
import pytest
from msgspec.structs import replace
from rich.console import Console

from backends.core.client import Snapshot
from backends.core.events import Outcome
from backends.core.messages import line
from backends.core.run_state import DeviceRun, Run, StageRun
from backends.core.values import DeviceSample
from r3d_tui.headless import follow
from r3d_tui.headless.follow import LiveDisplay, PlainLines, ended_rows, live_rows
from r3d_tui.lang.words import Words
from r3d_tui.terminal import tty
from r3d_tui.text.rows import text_of, width_of
from tests.replay import ReplayClient

OpenStory = Callable[..., ReplayClient]
EN, ZH = Words("en"), Words("zh")


class Screen:
    """A terminal of `columns` by `lines` characters behind a display, its colours asked for."""

    def __init__(self, columns: int, lines: int, words: Words = EN, **options: object) -> None:
        self.out = io.StringIO()
        self.console = Console(
            file=self.out,
            force_terminal=True,
            color_system="truecolor",
            width=columns,
            height=lines,
            highlight=False,
            soft_wrap=True,
            legacy_windows=False,
            **options,  # type: ignore[arg-type]
        )
        self.display = LiveDisplay(words, self.console)
        self._screen = pyte.HistoryScreen(columns, lines)
        self._stream = pyte.Stream(self._screen)
        self._read = 0

    def lines(self) -> list[str]:
        """What stands on the screen, without the blank lines at its end."""
        text = self.out.getvalue()
        self._stream.feed(text[self._read :].replace("\n", "\r\n"))
        self._read = len(text)
        shown = [row.rstrip() for row in self._screen.display]
        while shown and not shown[-1]:
            shown.pop()
        return shown

    def resize(self, columns: int, lines: int) -> None:
        """As a terminal that cuts its lines does."""
        self.lines()
        self._screen.resize(lines, columns)
        self.console.size = (columns, lines)  # type: ignore[assignment]


def _running(**changes: object) -> Snapshot:
    devices = (
        DeviceRun("npu:0", "310P3", "working", clips=2240, clips_per_s=197.3, latency_ms=24.9, utilisation=0.97),
    )
    stage = StageRun("infer", "running", started=100.0, done=4470, total=8486, unit="clips", rate=392.2)
    check = StageRun("check", "done", seconds=0.8, outcome=Outcome({"met": 14}))
    run = Run("1", "running", stages=(check, stage), devices=devices)
    return replace(Snapshot(1, __file__, run), **changes)  # type: ignore[arg-type]


def test_a_pipe_gets_a_line_for_each_change(story: OpenStory) -> None:
    """State, reason and figures of each stage once; a device that is lost once."""
    out = io.StringIO()
    lines = PlainLines(EN, out)
    client = story("cpu", 0.0)
    times = [at for at, *_ in client.story.beats]
    for at in sorted({*times[::50], *times[-40:]}):
        client.seek(at)
        lines(client.snapshot())
    said = out.getvalue().splitlines()
    assert 1 == sum(text.startswith("compile     skipped · the target is cpu") for text in said)
    assert "cpu:1       dropped · no answer for 60 s" in said
    assert "evaluate    done 0.3 s · top-1 0.6226 · top-5 0.8182 · videos 1,529 · skipped 1" in said
    assert len(said) == len(set(said))


def test_a_pipe_hears_how_far_a_stage_is_every_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at every change, and not at once."""
    clock = [0.0]
    monkeypatch.setattr(follow.time, "monotonic", lambda: clock[0])
    out = io.StringIO()
    lines = PlainLines(ZH, out)
    for second in range(8):
        clock[0] = float(second)
        lines(_running())
    assert [
        "环境检查 (check)     完成 0.8 s · 满足 14",
        "推理 (infer)         运行中",
        "推理 (infer)         4,470/8,486 个片段 · 392.2/s · 剩余 0:10",
    ] == out.getvalue().splitlines()


def test_a_live_display_shows_what_runs_under_what_ended() -> None:
    """A bar with time left, the rate of all, and the console's table of chips."""
    screen = Screen(80, 24)
    with screen.display as display:
        display(_running())
        assert [
            "✓ check       done 0.8 s · met 14",
            "▸ infer       ━━━━━━━━━━━━━━━━━╸───────────────   53 %  4,470/8,486  0:10 left",
            "  197.3 clips/s",
            " CHIP      DONE          CLIPS  CLIPS/S  TREND     P95 ms  UTIL     MEM GB",
            " [x] 0 ▸   ━━╸───────   2,240    197.3                –     –          –",
        ] == screen.lines()


def test_nothing_is_written_where_nothing_changed() -> None:
    """Not even a cursor move: what stands still does not flicker."""
    screen = Screen(80, 24)
    with screen.display as display:
        display(_running())
        before = len(screen.out.getvalue())
        display(_running())
        assert before == len(screen.out.getvalue())


def test_the_end_leaves_only_lines_that_stay() -> None:
    """What moved is gone, what ended stands, the cursor is on."""
    screen = Screen(80, 24)
    with screen.display as display:
        display(_running())
        run = _running().run
        done = replace(run.stages[1], state="done", seconds=11.0, outcome=Outcome({"clips": 8486}))
        display(_running(run=replace(run, state="done", stages=(run.stages[0], done))))
    assert ["✓ check       done 0.8 s · met 14", "✓ infer       done 11.0 s · clips 8,486"] == screen.lines()
    assert screen.out.getvalue().rstrip().endswith("\x1b[?25h")


def test_ctrl_c_is_answered_above_what_runs() -> None:
    """The sentence stays; the bar goes on below it."""
    screen = Screen(80, 24, ZH)
    with screen.display as display:
        display(_running())
        display.say("plain.stopping_again")
        assert "! 正在停止：先完成手头的一项；再按一次 Ctrl+C 则不再等待" == screen.lines()[1]
        assert screen.lines()[2].startswith("▸ 推理        ━━━")


@pytest.mark.parametrize("words", [EN, ZH], ids=["en", "zh"])
@pytest.mark.parametrize("width", [20, 59, 79, 118])
def test_live_rows_fit(words: Words, width: int) -> None:
    """Sixty-four chips with readings in a window of any size: no row is wider or more than it holds."""
    devices = tuple(
        DeviceRun(f"npu:{n}", "310P3 simulated", "working", clips=n * 1000, clips_per_s=12_345.6, latency_ms=1234.5)
        for n in range(64)
    )
    samples = tuple(DeviceSample(f"npu:{n}", 0.0, power_w=66.6, temp_c=71.0) for n in range(64))
    snapshot = _running(run=replace(_running().run, devices=devices), samples=samples, stalled_s=40.0)
    for height in (4, 22, 80):
        rows = live_rows(words, snapshot, width, height, 200.0)
        assert len(rows) <= height
        assert max(map(width_of, rows)) <= width
    text = "\n".join(map(text_of, live_rows(words, snapshot, 79, 22, 200.0)))
    assert words("sim.speed") in text
    assert words("plain.more_devices", n=64 - 16) in text


def test_a_stage_that_counts_nothing_shows_its_time_and_what_it_does() -> None:
    """No bar without a whole."""
    stage = StageRun("simplify", "running", started=100.0, note=line("checking the graph"))
    rows = live_rows(EN, Snapshot(1, __file__, Run("1", "running", stages=(stage,))), 79, 22, 142.9)  # type: ignore[arg-type]
    assert ["▸ simplify    0:42  checking the graph"] == list(map(text_of, rows))


def test_figures_stay_whole_where_a_line_is_broken() -> None:
    """A label and its figure stand on one line."""
    outcome = Outcome({"arch": "resnet-50", "classes": 51, "parameters": 46_258_163, "opset": 11, "bytes": 185_170_944})
    rows = ended_rows(EN, StageRun("export", "done", seconds=6.1, outcome=outcome), 60)
    assert [
        "✓ export      done 6.1 s · network resnet-50 · classes 51",
        "              parameters 46,258,163 · opset 11 · size 185 MB",
    ] == list(map(text_of, rows))


def test_without_colour_nothing_is_coloured(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR leaves signs and words."""
    screen = Screen(80, 24, no_color=True)
    with screen.display as display:
        display(_running())
    assert "\x1b[32m" not in screen.out.getvalue()
    assert "\x1b[36m" not in screen.out.getvalue()
    coloured = Screen(80, 24)
    with coloured.display as display:
        display(_running())
    assert "\x1b[32m" in coloured.out.getvalue()


def test_ascii_where_the_locale_has_no_more() -> None:
    """Our signs become ASCII, as wide as they were."""
    tty.set_charset(ascii_only=True, encoding="ascii")
    screen = Screen(80, 24)
    with screen.display as display:
        display(_running())
    assert screen.out.getvalue().isascii()


def test_foreign_names_reach_no_terminal(story: OpenStory) -> None:
    """The worst that a run can be called by writes no escape of its own."""
    hostile = story("hostile").snapshot()
    out = io.StringIO()
    PlainLines(ZH, out)(hostile)
    assert "\x1b" not in out.getvalue()
    assert "\x9b" not in out.getvalue()
    screen = Screen(80, 24)
    with screen.display as display:
        display(hostile)
    assert "]52;" not in screen.out.getvalue()
    assert "\x1b[2J" not in screen.out.getvalue()
