"""The results large: the matrix in each of its forms, two runs beside each other, and the screen that shows them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from backends.core.catalog_pages import Catalog, Query, VideoEntry
from backends.core.client import RunResult, RunSummary
from backends.core.messages import line
from backends.core.settings import InferSettings, Settings
from backends.core.values import ClassScore, Confusion, Report
from backends.data.catalog import memory_catalog
from r3d_tui.app import ConsoleApp
from r3d_tui.lang.words import Words
from r3d_tui.screens.run_browser import RunBrowser
from r3d_tui.text.rows import Row, table, text_of, width_of
from r3d_tui.views.browser_tables import CHANGES
from r3d_tui.views.compare import Comparison, above
from r3d_tui.views.look import Look
from r3d_tui.views.matrix import Heat, counted, matrix
from tests.r3d_tui.waiting import until
from tests.replay import ReplayClient

OpenStory = Callable[..., ReplayClient]
Console = Callable[..., ConsoleApp]
HEAT = Heat((0, 0, 0), (0, 0, 255), (255, 0, 0), (255, 255, 255))


def _report(classes: int, videos: int = 4) -> Report:
    """Each class has one video that is predicted as the next one, of the last class as one that is not listed."""
    names = [f"class{n:02d}" for n in range(classes)]
    confusions = [Confusion(a, b, 1) for a, b in zip(names, [*names[1:], "zzz"], strict=True)]
    total = classes * videos
    return Report(
        subset="validation",
        videos=total,
        videos_listed=total,
        videos_set_aside=0,
        clips=total,
        k=5,
        top1=0.75,
        topk=1.0,
        top1_low=0.7,
        top1_high=0.8,
        top1_all=0.75,
        classes=tuple(ClassScore(name, videos, videos - 1, videos) for name in names),
        confusions=tuple(confusions),
    )


def test_the_matrix_counts_every_video_once() -> None:
    """Rows are classes, columns may hold labels that no class of the subset has; each row adds up to its videos."""
    whole = counted(_report(3))
    assert ("class00", "class01", "class02", "zzz") == whole.columns
    assert ((3, 1, 0, 0), (0, 3, 1, 0), (0, 0, 3, 1)) == whole.counts
    assert 0.25 == whole.share(2, 3)


def test_a_small_matrix_shows_its_counts(words: Words) -> None:
    """Where there is room each cell holds its figure, in colour or without."""
    for heat in (HEAT, None):
        rows = matrix(_report(3), Look(words, 76), 20, heat).rows
        assert "class00 1  3  1  ·  · " == text_of(rows[1])
        assert "class02 3  ·  ·  3  1 " == text_of(rows[3])


def test_a_matrix_of_a_large_window_keeps_its_counts(words: Words) -> None:
    """Where three cells a count are too many two will do, with every second number above them."""
    rows = matrix(_report(51), Look(words, 130), 54, HEAT).rows
    assert 53 == len(rows)
    assert text_of(rows[0]).startswith("            1   3   5   7   9  11")
    assert text_of(rows[1]).startswith("class00  1  3 1 · ·")
    assert "class00" != text_of(matrix(_report(51), Look(words, 130), 54, None).rows[1])[:7]


def test_a_large_matrix_is_drawn_with_half_blocks(words: Words) -> None:
    """Two classes a line; the colours of a half block are those of its two cells."""
    rows = matrix(_report(51), Look(words, 92), 34, HEAT).rows
    assert 26 <= len(rows) <= 34
    assert "▀" * 52 == text_of(rows[0])[-52:]
    assert "#0000cb/#000000" == rows[0][2].role
    assert "#620000/#0000cb" == rows[0][3].role


@pytest.mark.parametrize(("width", "room", "heat"), [(76, 20, HEAT), (92, 34, None)])
def test_what_does_not_fit_is_told_by_its_top_pairs(width: int, room: int, heat: Heat | None, words: Words) -> None:
    """At 80x24, and where the terminal has no colours for it, the most frequent confusions stand instead."""
    rows = matrix(_report(51), Look(words, width), room, heat).rows
    assert len(rows) <= room
    assert "51 classes do not fit" in text_of(rows[0])
    assert "1/4    class00            → class01" == text_of(rows[3]).strip()


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("classes", [1, 10, 51, 400])
@pytest.mark.parametrize(("width", "room"), [(56, 16), (76, 20), (116, 34), (186, 54), (246, 74)])
def test_the_matrix_stays_inside(width: int, room: int, classes: int, language: str) -> None:
    """Whatever the number of classes and the window, no row is too wide and no line too many."""
    rows = matrix(_report(classes), Look(Words(language), width), room, HEAT, (3, 900)).rows
    assert len(rows) <= room
    assert max(map(width_of, rows)) <= width


@pytest.mark.parametrize(("width", "room", "heat"), [(76, 20, None), (92, 34, HEAT), (76, 20, HEAT)])
def test_the_cursor_names_its_cell(width: int, room: int, heat: Heat | None, words: Words) -> None:
    """In each form it stands on one pair of classes, stays inside, and is drawn in another role than the rest."""
    report = _report(3 if heat is None else 51)
    drawing = matrix(report, Look(words, width), room, heat)
    place = drawing.place(report.confusions[1])
    assert report.confusions[1] == drawing.at(place)
    assert drawing.kept((999, 999)) == drawing.kept(drawing.kept((999, 999)))
    drawn = matrix(report, Look(words, width), room, heat, place).rows
    assert ["match"] == [span.role for line in drawn for span in line if span.role == "match"]
    if drawing.whole is not None:
        assert "1/4  class01 → class02" == text_of(drawn[-1])


def test_settings_that_differ_stand_below_the_figures(words: Words) -> None:
    """By the names of r3d.toml, with both values; none where both are the same."""
    now = RunResult(RunSummary("new", "done", 2.0, 20.0, 0.75), _report(3), settings=Settings())
    changed = Settings(infer=InferSettings(batch=4, devices=(0, 1)))
    before = RunResult(RunSummary("old", "done", 1.0, 10.0, 0.5), _report(3), settings=changed)
    text = "\n".join(map(text_of, above(Comparison(now, before, None), Look(words, 92))))
    assert ["4", "10"] == text.split("infer.batch")[1].split()[:2]
    assert "0, 1" in text.split("infer.devices")[1]
    assert "infer.target" not in text
    same = "\n".join(map(text_of, above(Comparison(now, now, None), Look(words, 92))))
    assert "The settings of both runs are the same." in same


BEFORE = (
    VideoEntry("a", "wave", predicted="wave", score=0.9),
    VideoEntry("b", "wave", predicted="clap", score=0.6),
    VideoEntry("c", "wave", predicted="clap", score=0.6),
    VideoEntry("d", "wave", predicted="wave", score=0.6),
    VideoEntry("e", "wave", reason=line("no frames")),
    VideoEntry("f", "wave", predicted="wave", score=0.6),
)
AFTER = (
    VideoEntry("a", "wave", predicted="clap", score=0.9),
    VideoEntry("b", "wave", predicted="wave", score=0.6),
    VideoEntry("c", "wave", predicted="run", score=0.6),
    VideoEntry("d", "wave", predicted="wave", score=0.7),
    VideoEntry("e", "wave", predicted="wave", score=0.7),
)


def _catalog() -> Catalog:
    return memory_catalog(AFTER, (), lambda _: memory_catalog(BEFORE, ()))


def _compared(now: RunResult, before: RunResult, catalog: Catalog) -> Comparison:
    return Comparison(now, before, catalog.compare(before.run.id))


def _page(found: Comparison, catalog: Catalog, look: Look) -> list[Row]:
    """The whole page of a comparison, as its list would draw it."""
    body = ([field.cell(change, look) for field in CHANGES] for change in catalog.page(Query("changes"), 0, 99))
    return [*above(found, look), *table([field.column(look) for field in CHANGES], body, look.width)]


def test_two_runs_stand_side_by_side(words: Words) -> None:
    """Figures with their difference, then the changed videos."""
    now = RunResult(RunSummary("new", "done", 2.0, 20.0, 0.75, 30.0), _report(3))
    before = RunResult(RunSummary("old", "done", 1.0, 10.0, 0.5, 40.0))
    text = "\n".join(map(text_of, _page(_compared(now, before, catalog := _catalog()), catalog, Look(words, 92))))
    assert "0.5000" in text
    assert "+0.2500" in text
    assert "-10.0" in text
    assert "5 videos changed" in text
    assert "1 right before, wrong now · 1 wrong before, right now" in text


@pytest.mark.parametrize("width", [56, 72, 92, 186])
def test_the_comparison_stays_inside(width: int, words: Words) -> None:
    """Columns go before a row is cut."""
    found = RunResult(RunSummary("20261123-070123-0000", "done", 2.0, 20.0, 0.75, 30.0), _report(3))
    rows = _page(_compared(found, found, catalog := _catalog()), catalog, Look(words, width))
    assert max(map(width_of, rows)) <= width
    assert [] == [text_of(row) for row in rows if text_of(row).endswith("…")]


def test_a_run_whose_files_are_gone_is_said_so(words: Words) -> None:
    """Its figures stay, and no video is said to have changed."""
    now = RunResult(RunSummary("new", "done", 2.0, 20.0, 0.75), _report(3))
    before = RunResult(RunSummary("old", "done", 1.0, 10.0, 0.5))
    text = "\n".join(map(text_of, above(Comparison(now, before, None), Look(words, 92))))
    assert "no longer there" in text
    assert "changed" not in text


async def _opened(pilot: Pilot[Any], *keys: str) -> None:
    ends = asyncio.get_running_loop().time() + 10
    board = pilot.app.screen_stack[0]
    while board.state.snapshot is None:  # type: ignore[attr-defined]
        assert asyncio.get_running_loop().time() < ends
        await pilot.pause(0.02)
    await pilot.press(*keys)
    while not isinstance(pilot.app.screen, RunBrowser) or not pilot.app.screen._body.row_count:
        assert asyncio.get_running_loop().time() < ends
        await pilot.pause(0.02)


def _text(app: ConsoleApp) -> str:
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in lines)


async def test_the_pages_are_turned(story: OpenStory, console: Console) -> None:
    """o opens the matrix; Tab and numbers turn the pages, the keys of the board too; q closes."""
    app = console(story("finished"))
    async with app.run_test(size=(120, 40)) as pilot:
        await _opened(pilot, "o")
        assert "▀" * 20 in _text(app)
        await pilot.press("tab")
        await until(pilot, lambda: "%" in _text(app))
        await pilot.press("5")
        await until(pilot, lambda: "predicted as" in _text(app))
        await pilot.press("7")
        await until(pilot, lambda: "before" in _text(app))
        await pilot.press("a")
        await until(pilot, lambda: "50_FIRST_DATES" in _text(app))
        await pilot.press("h")
        await until(pilot, lambda: "clips/s" in _text(app))
        await pilot.press("q")
        await pilot.pause()
        assert app.screen is app.board


async def test_a_cell_of_the_matrix_leads_to_its_videos(story: OpenStory, console: Console) -> None:
    """The cursor begins on the most frequent mistake; Enter lists exactly its videos, Esc goes back to the matrix."""
    client = story("finished")
    report = client.snapshot().report
    assert report is not None
    pair = report.confusions[0]
    app = console(client)
    async with app.run_test(size=(120, 40)) as pilot:
        await _opened(pilot, "o")
        screen = app.screen
        assert isinstance(screen, RunBrowser)
        await pilot.press("right", "left", "j", "k", "enter")
        ends = asyncio.get_running_loop().time() + 10
        while screen.state.page != "videos" or screen.state.listing is None:
            assert asyncio.get_running_loop().time() < ends
            await pilot.pause(0.02)
        listing = screen.state.listing
        listed = [one for one in report.worst if (one.label, one.predicted) == (pair.label, pair.predicted)]
        assert 0 < len(listed) == len(listing)  # the story's catalog holds the report's wrong videos
        assert {(pair.label, pair.predicted)} == {
            (listing.at(n).label, listing.at(n).predicted) for n in range(len(listing))
        }
        await pilot.pause()
        assert f"{pair.label} → {pair.predicted}" in _text(app)
        await pilot.press("escape")
        await pilot.pause()
        assert screen is app.screen
        assert "▀" * 20 in _text(app)
        counted = {(one.label, one.predicted) for one in report.confusions}
        await until(pilot, lambda: "choose a cell" in _text(app))
        assert screen.state.cursor is not None
        while (here := screen.state.cursor.pair) is None or here.videos:
            assert (here.label, here.predicted) in counted or here.label == here.predicted
            await pilot.press("l")
        await pilot.press("enter")
        await until(pilot, lambda: "No video is there." in _text(app))
        assert "matrix" == screen.state.page


async def test_two_marked_runs_are_compared(story: OpenStory, console: Console) -> None:
    """Space marks runs that have a result; with two, Enter shows the later beside the earlier."""
    client = story("finished")
    runs = [run for run in client.runs() if run.top1 is not None]
    assert 2 <= len(runs)
    app = console(client)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause(0.3)
        await pilot.press("h")
        await until(pilot, lambda: isinstance(app.screen, RunBrowser) and app.screen.state.listing.total > 0)
        screen = app.screen
        assert isinstance(screen, RunBrowser)
        for one in runs[:2]:
            listing = screen.state.listing
            listing.here = next(n for n in range(len(listing)) if listing.at(n).id == one.id)
            await pilot.press("space")
        await pilot.pause()
        assert "compare the two" in _text(app)
        assert all(f"+  {one.id}" in _text(app) for one in runs[:2])  # seen also without colours
        await pilot.press("enter")
        await until(pilot, lambda: runs[1].id in _text(app) and "before" in _text(app))


async def test_enter_in_the_result_panel_opens_the_results(story: OpenStory, console: Console) -> None:
    """Elsewhere Enter shows the stage's details."""
    app = console(story("finished"))
    async with app.run_test(size=(80, 24)) as pilot:
        await _opened(pilot, "5", "enter")
        assert isinstance(app.screen, RunBrowser)


async def test_a_result_is_exported_where_the_user_says(story: OpenStory, console: Console) -> None:
    """x asks for a folder, the workspace's own by default; Esc exports nothing."""
    client = story("finished")
    app = console(client)
    async with app.run_test(size=(80, 24)) as pilot:
        await _opened(pilot, "o")
        await pilot.press("x")
        await pilot.pause()
        await pilot.press("escape")
        await pilot.pause()
        assert [] == client.asked
        await pilot.press("x")
        await pilot.pause()
        await pilot.press("enter")
        ends = asyncio.get_running_loop().time() + 10
        while not client.asked:
            assert asyncio.get_running_loop().time() < ends
            await pilot.pause(0.02)
        run = client.snapshot().run.id
        assert [{"export": run, "folder": str(Path(client.workspace) / f"result-{run}")}] == client.asked


async def test_without_a_result_there_is_a_word(story: OpenStory, console: Console) -> None:
    """o on a workspace that has run nothing says so."""
    app = console(story("new"))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause(0.3)
        await pilot.press("o")
        ends = asyncio.get_running_loop().time() + 10
        while not app.board.state.status.text:
            assert asyncio.get_running_loop().time() < ends
            await pilot.pause(0.02)
        assert "No run has a result yet." == app.board.state.status.text
