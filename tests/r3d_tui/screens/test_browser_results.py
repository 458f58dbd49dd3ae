"""The browser's pages of results: matrix, classes, misclassified, comparison, export."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from r3d_tui.app import ConsoleApp
from r3d_tui.screens.run_browser import RunBrowser
from tests.r3d_tui.waiting import until
from tests.replay import ReplayClient

OpenStory = Callable[..., ReplayClient]


Console = Callable[..., ConsoleApp]


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
        await until(pilot, lambda: "No videos." in _text(app))
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


async def test_all_keys_of_a_page_are_a_question_mark_away(story: OpenStory, console: Console) -> None:
    """At 80x24 the last line has no place for all of them; ? lists them, and closes again."""
    app = console(story("finished"))
    async with app.run_test(size=(80, 24)) as pilot:
        await _opened(pilot, "h")
        assert "its devices" not in _text(app)
        await pilot.press("question_mark")
        await until(pilot, lambda: "its devices" in _text(app) and "export" in _text(app))
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, RunBrowser)
