"""The data set looked into: classes, videos, and clips that are played as the model sees them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from backends import api
from backends.core.catalog_pages import ClipFrames, Query, VideoEntry
from backends.core.messages import InputError, line
from backends.data.catalog import SqlCatalog, memory_catalog
from r3d_tui.app import ConsoleApp
from r3d_tui.lang.words import Words
from r3d_tui.screens.dialog import Dialog
from r3d_tui.screens.run_browser import RunBrowser
from r3d_tui.screens.video_detail import VideoDetail
from r3d_tui.text.rows import table, text_of, width_of
from r3d_tui.views.browser_tables import CLASSES, VIDEOS, clip_facts
from r3d_tui.views.look import Look
from r3d_tui.views.picture import pictures
from tests.r3d_tui.waiting import until
from tests.replay import ReplayClient

OpenStory = Callable[..., ReplayClient]
Console = Callable[..., ConsoleApp]

ENTRIES = (
    VideoEntry("w1", "wave", 41, 2, 2, 1, 42, "clap", 0.5),
    VideoEntry("c1", "clap", 17, 1, 1, 1, 18),
    VideoEntry("w\x1b[2J2", "wave", reason=line("no frames"), stage="frames"),
)


def _frames(side: int, video: str = "w1", clip: int = 0) -> ClipFrames:
    """Sixteen frames: the upper half of frame n is red n * 16, the rest blue."""
    data = bytearray()
    for number in range(16):
        data += bytes([number * 16, 0, 0]) * (side * (side // 2)) + bytes([0, 0, 255]) * (side * (side - side // 2))
    return ClipFrames(video, clip, 16, side, side, bytes(data))


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    """A data set without a disk; holds what was asked for."""
    asked: list[tuple[str, int, int]] = []

    def frames(_: Path, video: str, clip: int, side: int, _run: str = "") -> ClipFrames:
        asked.append((video, clip, side))
        return _frames(side, video, clip)

    monkeypatch.setattr(api, "clip_frames", frames)
    return asked


@pytest.fixture
def browsed(story: OpenStory, catalogs: list[Any]) -> ReplayClient:
    """A finished run whose catalog holds `ENTRIES`."""
    catalogs.append(lambda _: memory_catalog(ENTRIES, ()))
    return story("finished")


def _text(app: ConsoleApp) -> str:
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in lines)


def test_a_frame_is_drawn_two_pixels_a_cell() -> None:
    """The upper pixel colours the block, the lower one what is behind it; equal neighbours are one piece."""
    drawn = pictures(_frames(4), colours=True)
    assert 16 == len(drawn)
    assert ["▀▀▀▀", "▀▀▀▀"] == [text_of(row) for row in drawn[1]]
    assert [["#100000/#100000"], ["#0000ff/#0000ff"]] == [[span.role for span in row] for row in drawn[1]]


def test_without_colours_a_frame_is_drawn_in_shades() -> None:
    """Characters of plain ASCII, darker to lighter, without any role."""
    white = ClipFrames("w", 0, 1, 2, 2, b"\x00" * 3 + b"\xff" * 3 + b"\x00" * 3 + b"\xff" * 3)
    ((row,),) = pictures(white, colours=False)
    assert " @" == text_of(row)
    assert {""} == {span.role for span in row}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [30, 56, 76, 126])
def test_tables_stay_inside_and_say_why(width: int, language: str) -> None:
    """A skipped video shows its reason, one with a result what it was predicted as."""
    look, catalog = Look(Words(language), width), memory_catalog(ENTRIES, ())
    classes, videos = catalog.page(Query("classes"), 0, 9), catalog.page(Query("videos", label="wave"), 0, 9)
    assert [("clap", 1, 0), ("wave", 2, 1)] == [(group.label, group.videos, group.skipped) for group in classes]
    rows, whole = (
        table(
            [field.column(look) for field in fields],
            ([field.cell(one, look) for field in fields] for one in found),
            width,
        )
        for fields, found in ((VIDEOS, videos), (CLASSES, classes))
    )
    assert max(map(width_of, [*rows, *whole])) <= width
    if width >= 76:
        assert "✗ clap" in text_of(rows[1])
        assert "no frames" in text_of(rows[2])
    assert "\x1b" not in "".join(map(text_of, rows))
    facts = clip_facts(ENTRIES[0], 0, 3, 16, look)
    assert max(map(width_of, facts)) <= width


async def _open_wave(pilot: Pilot[Any], app: ConsoleApp) -> None:
    """The videos of the class wave, from the board."""
    await until(pilot, lambda: app.board.state.snapshot)
    await pilot.press("b")
    await until(pilot, lambda: isinstance(app.screen, RunBrowser) and app.screen.state.listing)
    await pilot.press("enter")
    await until(pilot, lambda: "wave  " in _text(app) and "predicted as" in _text(app))


async def test_one_goes_from_class_to_video_to_clip(
    browsed: ReplayClient, console: Console, store: list[tuple[str, int, int]]
) -> None:
    """b lists classes, Enter goes deeper until a clip plays, q comes back level by level."""
    app = console(browsed)
    async with app.run_test(size=(80, 24)) as pilot:
        await _open_wave(pilot, app)
        await pilot.press("j", "enter")
        await until(pilot, lambda: isinstance(app.screen, VideoDetail) and "▀▀▀" in _text(app))
        assert [("w1", 0, 40)] == store
        await pilot.press("n")
        await until(pilot, lambda: "2/2" in _text(app))
        assert ("w1", 1, 40) == store[-1]
        for expected in (RunBrowser, RunBrowser):
            await pilot.press("q")
            await pilot.pause()
            assert isinstance(app.screen, expected)
        await pilot.press("q")
        await pilot.pause()
        assert app.screen is app.board


async def test_a_clip_rests_after_its_rounds(
    browsed: ReplayClient, console: Console, store: list[tuple[str, int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It plays by itself, stops by itself, and a key shows frame by frame."""
    monkeypatch.setattr("r3d_tui.screens.clip_player.ROUNDS", 1)
    monkeypatch.setattr("r3d_tui.screens.clip_player.FRAMES_A_SECOND", 100)
    app = console(browsed)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.board.state.snapshot)
        await pilot.press("3", "enter")
        await until(pilot, lambda: isinstance(app.screen, RunBrowser) and app.screen.state.listing)
        await pilot.press("G", "enter")
        await until(pilot, lambda: "clap  " in _text(app) and "predicted as" in _text(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, VideoDetail) and "/16" in _text(app))
        player = app.screen
        assert isinstance(player, VideoDetail)
        await until(pilot, lambda: not player.playing)
        await pilot.pause()
        assert "1/16" in _text(app)
        await pilot.press("full_stop")
        await pilot.pause()
        assert "2/16" in _text(app)
        assert [("c1", 0, 40)] == store


async def test_a_video_without_clips_is_not_played(
    browsed: ReplayClient, console: Console, store: list[tuple[str, int, int]]
) -> None:
    """A word says so instead."""
    app = console(browsed)
    async with app.run_test(size=(80, 24)) as pilot:
        await _open_wave(pilot, app)
        await pilot.press("g", "enter")
        await until(pilot, lambda: "This video has no clips." in _text(app))
        assert [] == store


async def test_a_wrong_video_is_played_from_the_results(
    story: OpenStory, console: Console, store: list[tuple[str, int, int]]
) -> None:
    """Enter on the page of the worst videos shows the clips of the one under the cursor."""
    client = story("finished")
    report = client.snapshot().report
    assert report is not None
    wrong = report.worst[1]
    app = console(client)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.board.state.snapshot)
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, RunBrowser))
        await pilot.press("5")
        await until(pilot, lambda: wrong.video in _text(app))
        await pilot.press("j", "enter")
        await until(pilot, lambda: isinstance(app.screen, VideoDetail) and "▀▀▀" in _text(app))
        assert wrong.predicted in _text(app)
        assert [(wrong.video, 0, 68)] == store


async def test_no_clips_yet_is_reported_with_the_fix(story: OpenStory, console: Console, catalogs: list[Any]) -> None:
    """b before the preprocess stage has run shows what to do."""

    def none(*_: object) -> SqlCatalog:
        raise InputError("no run here has made clips yet", hint="run the preprocess stage")

    catalogs.append(none)
    app = console(story("new"))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.board.state.snapshot)
        await pilot.press("b")
        await until(pilot, lambda: isinstance(app.screen, Dialog))
        await until(pilot, lambda: "no run here has made clips yet" in _text(app))
        assert "run the preprocess stage" in _text(app)
