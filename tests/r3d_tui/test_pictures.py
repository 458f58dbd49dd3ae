"""Pictures of every screen at 80x24, 120x40 and 200x60, in both languages, the English in a dark and a light theme.

One application for each story, size and language goes from screen to screen; the clock and the data stand still.
`R3D_PICTURES=new python -m pytest tests/r3d_tui/test_pictures.py` keeps what is drawn now; then look at all of it:
`python -m tests.r3d_tui.pictures FOLDER` draws what is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from rich.segment import Segment
from rich.style import Style
from textual.pilot import Pilot
from textual.widgets import Input

from backends import api
from backends.core.catalog_pages import ClipFrames, VideoEntry
from backends.core.client import Candidates, RunResult
from backends.core.messages import line
from backends.core.run_state import Run
from backends.core.values import Report
from backends.data.catalog import SqlCatalog, memory_catalog
from backends.engine.folders import Folders
from backends.engine.replay import ReplayClient, Story, read_story
from backends.engine.skipped_items import each_skipped
from r3d_tui.app import ConsoleApp
from r3d_tui.screens import player, seeking, setup
from r3d_tui.screens.board import Board
from tests.r3d_tui.pictures import KEPT, drawn, svg, written

Console = Callable[..., ConsoleApp]
STORIES = Path(__file__).resolve().parents[1] / "stories"
SIZES = ((80, 24), (120, 40), (200, 60))
LANGUAGES = ("en", "zh")
SMALL = SIZES[:1]
EDGES = ((60, 20), (250, 80))
"""The least that is promised, and a large screen: only the board while it infers."""
THEMES = ("r3d-dark", "r3d-light")


@dataclass(frozen=True)
class Scene:
    """A screen and the keys that lead to it from the board."""

    name: str
    keys: tuple[str, ...] = ()
    sizes: tuple[tuple[int, int], ...] = SIZES


SCENES: dict[str, tuple[Scene, ...]] = {
    "new": (Scene("board"),),
    "empty": (Scene("setup"),),
    "inferring": (
        Scene("board", sizes=(*SIZES, *EDGES)),
        Scene("dataset", ("2",), SMALL),
        Scene("model", ("3",), SMALL),
        Scene("devices", ("4",), SMALL),
        Scene("infer", ("5",), SMALL),
        Scene("infer-zoomed", ("5", "z"), SIZES[1:]),
        Scene("log", ("6",), SMALL),
        Scene("chip", ("4", "p")),
        Scene("stop", ("s",), SMALL),
    ),
    "failed": (
        Scene("board"),
        Scene("log", ("l",), SMALL),
        Scene("model", ("3",), SMALL),
        Scene("rerun", ("f",)),
    ),
    "finished": (
        Scene("board"),
        Scene("result", ("7",), SMALL),
        Scene("result-zoomed", ("7", "z"), SIZES[1:]),
        Scene("details", ("d",)),
        Scene("rerun-from", ("R",)),
        Scene("results-matrix", ("o",)),
        Scene("results-classes", ("o", "2")),
        Scene("results-worst", ("o", "3")),
        Scene("results-compare", ("o", "4")),
        Scene("videos-classes", ("b",)),
        Scene("videos", ("b", "j", "enter")),
        Scene("clip", ("b", "j", "enter", "enter")),
        Scene("asides", ("a",)),
        Scene("runs", ("h",)),
        Scene("help", ("question_mark",)),
        Scene("palette", ("colon",)),
    ),
}


TAKEN = [
    (story, size)
    for story, scenes in SCENES.items()
    for size in (*SIZES, *EDGES)
    if any(size in s.sizes for s in scenes)
]


class Told(ReplayClient):
    """A recorded run beside an earlier one, all of whose videos are known."""

    def result(self, run_id: str) -> RunResult:
        """The report; the earlier run was a little worse."""
        found, report = super().result(run_id), self.snapshot().report
        if report is None or run_id == self.snapshot().run.id:
            return found
        return replace(found, report=replace(report, top1=report.top1 - 0.0033, topk=report.topk + 0.0013))


def entries(report: Report) -> list[VideoEntry]:
    """As many of each class are right as the report says, the others are taken for the next class; one is skipped."""
    right = {group.label: group.top1 for group in report.classes}
    labels = [group.label for group in report.classes]
    found = []
    for group in report.classes:
        for number in range(group.videos):
            frames = 40 + (number * 37) % 160
            clips = min(10, -(-frames // 16))
            name = f"Film{number:02d}_{group.label}_u_cm_np1_fr_med_{number % 4}"
            hit = number < right[group.label]
            best = group.label if hit else labels[(labels.index(group.label) + 1) % len(labels)]
            score = 0.91 if hit else 0.47
            found.append(VideoEntry(name, group.label, frames, clips, clips, (1, frames + 1), best, score))
    gone = found[-1].video
    reason = line("no frames in {folder}", folder=f"/data/hmdb51/frames/wave/{gone}")
    return [*found[:-1], VideoEntry(gone, "wave", stage="preprocess", reason=reason)]


def catalog(report: Report, run: Run, run_id: str = "") -> SqlCatalog:
    """Of the recorded run, or of the earlier one, which took some videos for others."""
    videos = entries(report)
    if run_id not in ("", run.id):
        for place in range(7, len(videos) - 1, 149):
            videos[place] = msgspec.structs.replace(videos[place], predicted="walk", score=0.38)
    skipped = each_skipped(Folders(Path("none")), run)
    return memory_catalog(videos, skipped, lambda other: catalog(report, run, other))


def frames(_workspace: Path, video: str, clip: int, side: int) -> ClipFrames:
    """Sixteen frames of few colours: a ball crosses a field under the sky."""
    sky, ball, field = b"\x7f\xb0\xd8", b"\xe0\x73\x3b", b"\x4f\x7f\x4a"
    data = bytearray()
    for number in range(16):
        x, y, r = side * (number + 2) / 20, side * 0.45, side * 0.14
        for row in range(side):
            ground = sky if row < side * 0.6 else field
            half = max(0.0, r * r - (row - y) ** 2) ** 0.5
            first, last = (round(min(side, max(0.0, edge))) for edge in (x - half, x + half))
            data += ground * first + ball * (last - first) + ground * (side - last)
    return ClipFrames(video, clip, 16, side, side, bytes(data))


@cache
def _read(name: str) -> Story:
    return read_story(STORIES / f"{name}.jsonl")


def client(name: str) -> ReplayClient:
    """The story at the place that its name says."""
    if name == "empty":
        problem = line("{path}: no r3d.toml here", path="/home/li/hmdb51")
        return ReplayClient(Story("", Path("/home/li/hmdb51"), 0.0, None, None, problem, (), ()))
    made = Told(_read("finished" if name == "inferring" else name))
    if name == "inferring":
        made.seek_until(lambda run: any(device.clips > 2000 for device in run.devices))
    else:
        made.seek(made.story.beats[-1][0] if made.story.beats else 0.0)
    return made


def remembered(app: ConsoleApp, told: ReplayClient) -> None:
    """What a console that was open all the time knows of the rates."""
    past = Told(told.story)
    while past.now < told.now and past.step():
        if past.snapshot().run.devices:
            app.board.state.rates.add(past.snapshot().run, past.now)


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No clock, no disk, no waiting; clips rest."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    report = _told_report()
    monkeypatch.setattr(seeking, "LATER_S", 0.01)
    monkeypatch.setattr(player, "ROUNDS", 0)
    monkeypatch.setattr(api, "open_catalog", lambda _, run_id="", **__: catalog(report, _told_run(), run_id))
    monkeypatch.setattr(api, "clip_frames", frames)
    here = Path("/home/li/hmdb51")
    found = Candidates(videos=(here / "videos",), splits=(here / "splits",), checkpoints=(here / "save_700.pth",))
    monkeypatch.setattr(api, "find_candidates", lambda _: found)
    (tmp_path / "videos").mkdir()
    (tmp_path / "splits").mkdir()
    (tmp_path / "save_700.pth").touch()
    judge = setup.judge
    monkeypatch.setattr(setup, "judge", lambda field, text, _: judge(field, text, tmp_path))
    yield
    monkeypatch.undo()
    time.tzset()


@cache
def _told_report() -> Report:
    report = client("finished").snapshot().report
    assert report is not None
    return report


def _told_run() -> Run:
    return client("finished").snapshot().run


async def settled(pilot: Pilot[Any], quiet: float) -> None:
    """Until no thread is asked, no cursor blinks and nothing has moved for `quiet` seconds."""
    ends = time.monotonic() + 20
    before: list[str] = []
    since = time.monotonic()
    while time.monotonic() < ends:
        await pilot.pause()
        for entry in pilot.app.screen.query(Input):
            entry.cursor_blink = False
        if not any(thread.name in ("ask", "arrange", "setup") for thread in threading.enumerate()):
            now = ["".join(segment.text for segment in strip) for strip in _strips(pilot.app)]
            if now == before and time.monotonic() - since >= quiet:
                return
            if now != before:
                before, since = now, time.monotonic()
        await asyncio.sleep(max(0.02, quiet / 3))
    raise AssertionError("the screen does not come to rest")


def _strips(app: Any) -> list[Any]:
    return list(app.screen._compositor.render_strips())


async def taken(pilot: Pilot[Any], size: tuple[int, int], language: str) -> str:
    """The picture as it is kept: English in both themes (the largest in the dark one), Chinese in the light one."""
    app = pilot.app
    app.clear_notifications()
    await pilot.pause()
    now = [list(strip) for strip in _strips(app)]
    if language != "en" or size in (SIZES[-1], *EDGES):
        return written(size, now)
    begun, other = app.theme, THEMES[app.theme == THEMES[0]]
    app.theme = other
    await pilot.pause()
    then = [list(strip) for strip in _strips(app)]
    return written(size, *(now, then) if begun == THEMES[0] else (then, now))


async def back(pilot: Pilot[Any]) -> None:
    """To the board as it was at first."""
    app = pilot.app
    with contextlib.suppress(IndexError):
        while app.screen is not app.screen_stack[0]:
            app.pop_screen()
            await pilot.pause()
    first = app.screen
    assert isinstance(first, Board)
    first.current, first.zoomed = "stages", False
    first.relayout()
    await pilot.pause()


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("story", "size"), TAKEN, ids=lambda one: one if isinstance(one, str) else "x".join(map(str, one))
)
async def test_pictures(story: str, size: tuple[int, int], language: str, console: Console, still: None) -> None:
    """Every screen looks as it did when somebody looked at it."""
    told = client(story)
    app = console(told, language, theme=THEMES[language != "en"])
    if story == "inferring":
        remembered(app, told)
    wrong = []
    async with app.run_test(size=size) as pilot:
        await settled(pilot, 0.3)
        for scene in SCENES[story]:
            if size in scene.sizes:
                await pilot.press(*scene.keys[:1])
                for key in scene.keys[1:]:
                    await settled(pilot, 0)
                    await pilot.press(key)
                await settled(pilot, 0.3 if "log" in scene.name else 0.03)
                found = await taken(pilot, size, language)
                path = KEPT / f"{story}-{scene.name}-{size[0]}x{size[1]}-{language}.txt"
                if not same(path, found):
                    wrong.append(path.name)
                if len(SCENES[story]) > 1:
                    await back(pilot)
    assert [] == wrong


def same(path: Path, found: str) -> bool:
    """Whether the picture is as it is kept; the new one is left beside it, or kept if that was asked."""
    kept = path.read_text(encoding="utf-8") if path.exists() else ""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    if found == kept:
        return True
    asked = os.environ.get("R3D_PICTURES") == "new"
    path.parent.mkdir(exist_ok=True)
    (path if asked else new).write_text(found, encoding="utf-8")
    return asked


def test_every_kept_picture_is_of_a_screen() -> None:
    """None is left over from a screen that is gone."""
    wanted = {
        f"{story}-{scene.name}-{size[0]}x{size[1]}-{language}"
        for story, scenes in SCENES.items()
        for scene in scenes
        for size in scene.sizes
        for language in LANGUAGES
    }
    assert wanted == {path.stem for path in KEPT.glob("*.txt")}


def test_a_kept_picture_can_be_drawn_again() -> None:
    """Text, colours and themes come back from what is kept, wide characters in their two cells."""
    night = [[Segment("环境 ", Style(color="red")), Segment("ok", Style(bold=True, bgcolor="#102030"))], [Segment("")]]
    day = [[Segment("环境 ", Style(color="blue")), Segment("ok", Style(bold=True, bgcolor="#f0f0f0"))], [Segment("")]]
    text = written((8, 2), night, day)
    assert "8x2\n|环境 ok\n|\ncolours\n1x a5 b2\n1x \na = red - / blue -\nb = - #102030 bold / - #f0f0f0 bold\n" == text
    for theme, colour in enumerate(("red", "blue")):
        width, rows = drawn(text, theme)
        assert (8, ["环境 ok", ""]) == (width, [row.plain for row in rows])
        assert Style(color=colour) == rows[0].spans[0].style
    assert "环境" in svg(text, 1, "a title")
