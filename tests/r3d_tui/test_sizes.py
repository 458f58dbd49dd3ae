"""Every screen at the sizes that the console is made for, in both languages: nothing is clipped without an ellipsis."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from backends import api
from backends.core.catalog_pages import ClipFrames, VideoEntry
from backends.core.events import ItemSetAside
from backends.core.messages import line
from backends.data.catalog import memory_catalog
from r3d_tui.app import ConsoleApp
from r3d_tui.screens.setup import Setup
from r3d_tui.text.rows import Row, text_of, width_of
from r3d_tui.widgets.sheet import Sheet
from tests.replay import ReplayClient

OpenStory = Callable[..., ReplayClient]
Console = Callable[..., ConsoleApp]
SIZES = ((60, 20), (80, 24), (120, 40), (200, 60), (250, 80))
LONG = "Faith_Rewarded_swing_baseball_f_cm_np1_ri_med_17_ein_sehr_langer_Name_eines_Videos_摆动_棒球"
VIDEOS = tuple(
    VideoEntry(f"{LONG}_{n}", f"class {n % 3}", 30, 2, 3, 1, 31, reason=line("{path}: no frames", path=LONG * 2))
    for n in range(120)
)
SCREENS: tuple[tuple[str, ...], ...] = (
    *((str(number),) for number in range(1, 8)),
    ("z",),
    ("r",),
    ("d",),
    ("question_mark",),
    ("h",),
    ("a",),
    ("a", "enter"),
    ("p",),
    ("p", "G"),
    ("b",),
    ("b", "s", "enter"),
    ("b", "enter", "enter"),
    ("o",),
    ("o", "2", "s"),
    ("o", "3"),
    ("o", "4"),
    ("o", "x"),
    ("colon",),
)
"""Keys from the board to each screen."""
RUNNING: tuple[tuple[str, ...], ...] = (("1",), ("4", "S"), ("5",), ("5", "S", "S"), ("s",), ("p",))


@pytest.fixture
def store(catalogs: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A data set with long names."""
    frames = ClipFrames("v", 0, 2, 8, 8, bytes(range(192)) * 2)
    reason = line("{path}: no frames", path=LONG * 2)
    skipped = [ItemSetAside("preprocess", video.video, reason) for video in VIDEOS]
    catalogs.append(lambda _: memory_catalog(VIDEOS, skipped))
    monkeypatch.setattr(api, "clip_frames", lambda *_: frames)
    monkeypatch.setattr(api, "find_workspace", lambda _: Path("/"))


def _lines(sheet: Sheet) -> Iterator[tuple[str, Row]]:
    for index in range(sheet.top, min(sheet.row_count, sheet.top + sheet.page)):
        yield "row", sheet.row_at(index)
    yield "title", sheet._title or ()
    yield "foot", sheet._foot or ()


def _clipped(app: ConsoleApp) -> list[str]:
    """What is wider than its place on the screen that is shown."""
    found = []
    for sheet in app.screen.query(Sheet):
        width = sheet.size.width
        if not sheet.display or not width or not sheet.size.height:
            continue
        found += [f"{sheet.id} {kind}: {text_of(one)}" for kind, one in _lines(sheet) if width_of(one) > width]
    return found


async def _settled(pilot: Pilot[Any], depth: int) -> None:
    ends = asyncio.get_running_loop().time() + 10
    while len(pilot.app.screen_stack) < depth and asyncio.get_running_loop().time() < ends:
        await pilot.pause(0.01)
    await pilot.pause()


async def _walk(app: ConsoleApp, screens: tuple[tuple[str, ...], ...], sizes: tuple[tuple[int, int], ...]) -> list[str]:
    wrong: list[str] = []
    async with app.run_test(size=sizes[0]) as pilot:
        ends = asyncio.get_running_loop().time() + 10
        while app.board.state.snapshot is None:
            assert asyncio.get_running_loop().time() < ends
            await pilot.pause(0.02)
        for keys in screens:
            opens = keys[0] not in "1234567z"
            for number, key in enumerate(keys):
                inside = (keys[:2] == ("b", "enter") and number == 1) or keys[:2] == ("b", "s")
                deeper = (number == 0 and opens) or (key in ("enter", "x") and not inside)
                depth = len(app.screen_stack)
                await pilot.press(key)
                await _settled(pilot, depth + deeper)
            for size in sizes:
                await pilot.resize_terminal(*size)
                await pilot.pause()
                wrong += [f"{size} {keys}: {text}" for text in _clipped(app)]
            while len(app.screen_stack) > 1:
                await app.pop_screen()
            if keys == ("z",):
                await pilot.press("z")
    return wrong


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.usefixtures("store")
async def test_every_screen_fits(language: str, story: OpenStory, console: Console) -> None:
    """No row, title or line of keys is wider than its place: what does not fit ends in an ellipsis."""
    sizes = (SIZES[0],) if language == "en" else (SIZES[1],)
    assert [] == await _walk(console(story("finished"), language), SCREENS, sizes)


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.usefixtures("store")
async def test_a_run_fits(language: str, inferring: ReplayClient, console: Console) -> None:
    """So do the panels while devices are at work."""
    sizes = (SIZES[0], SIZES[2], SIZES[4]) if language == "en" else (SIZES[1], SIZES[3])
    assert [] == await _walk(console(inferring, language), RUNNING, sizes)


@pytest.mark.usefixtures("store")
async def test_hostile_names_fit(story: OpenStory, console: Console) -> None:
    """Names with escapes, markup and wide characters are measured as they are drawn."""
    screens = (("1",), ("2",), ("3",), ("7",), ("a",), ("o", "3"))
    assert [] == await _walk(console(story("hostile")), screens, SIZES[:1])


@pytest.mark.parametrize("size", SIZES[:2])
async def test_the_setup_form_fits(size: tuple[int, int], story: OpenStory, console: Console) -> None:
    """The form that makes a workspace, with its line of keys."""
    app = console(story("new"))
    async with app.run_test(size=size) as pilot:
        await app.push_screen(Setup(Path("/tmp/a_long_name" * 20), app.words, lambda: None))
        await pilot.pause()
        assert [] == _clipped(app)
