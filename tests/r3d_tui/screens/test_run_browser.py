"""The browser of runs: lists of any length, filtered and sorted, drawn where they are seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input

from backends.core.catalog_pages import VideoEntry
from backends.core.client import RunSummary
from backends.data.catalog import memory_catalog
from r3d_tui.app import ConsoleApp
from r3d_tui.panels.list_pane import ListPane
from r3d_tui.screens.run_browser import RunBrowser
from r3d_tui.screens.video_detail import VideoDetail
from tests.r3d_tui.waiting import until
from tests.replay import ReplayClient

OpenStory = Callable[..., ReplayClient]


Console = Callable[..., ConsoleApp]


MANY = 12_000


def _text(app: ConsoleApp, screen: Screen[Any] | None = None) -> str:
    lines = (screen or app.screen)._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in lines)


def _stands(screen: RunBrowser) -> bool:
    """Its page was read and drawn."""
    state = screen.state
    return bool(screen._body.row_count) and (state.listing is not None or state.page == "matrix")


async def _opened(pilot: Pilot[Any], key: str) -> RunBrowser:
    app = pilot.app
    await until(pilot, lambda: app.screen_stack[0].state.snapshot)  # type: ignore[attr-defined]
    await pilot.press(key)
    await until(pilot, lambda: isinstance(app.screen, RunBrowser) and _stands(app.screen))
    assert isinstance(app.screen, RunBrowser)
    return app.screen


@pytest.fixture
def many(catalogs: list[Any], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A class of many videos, and which rows were asked for."""
    videos = tuple(VideoEntry(f"video_{n * 7919 % MANY:05d}", "wave", n % 90, 1) for n in range(MANY))
    catalogs.append(lambda _: memory_catalog(videos, ()))
    drawn: list[int] = []
    whole = ListPane._whole_at

    def counted(sheet: ListPane, index: int) -> Any:
        drawn.append(index)
        return whole(sheet, index)

    monkeypatch.setattr(ListPane, "_whole_at", counted)
    return drawn


async def test_only_rows_that_are_seen_are_drawn(many: list[int], story: OpenStory, console: Console) -> None:
    """A class of 12,000 videos costs the rows on the screen; at its end the last ones stand under the heading."""
    app = console(story("finished"))
    async with app.run_test(size=(80, 24)) as pilot:
        await _opened(pilot, "b")
        await pilot.press("enter")
        await until(pilot, lambda: "1/12,000" in _text(app))
        many.clear()
        await pilot.press("G")
        await until(pilot, lambda: "12,000/12,000" in _text(app) and "│ video_0" in _text(app))
        assert min(many) > MANY - 40
        assert "video" in _text(app).splitlines()[2]


async def test_a_long_list_is_filtered_and_ordered_while_one_types(
    many: list[int], story: OpenStory, console: Console
) -> None:
    """/ narrows at each letter, in a thread; s goes through the columns, S back; u shows all as they came."""
    assert not many
    app = console(story("finished"))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _opened(pilot, "b")
        await pilot.press("enter")
        await until(pilot, lambda: "1/12,000" in _text(app))
        await pilot.press("slash", *"1199")
        await until(pilot, lambda: "/1199 " in _text(app, screen) and " 1/12 of 12,000" in _text(app, screen))
        await pilot.press("enter")
        await pilot.pause()
        assert app.screen is screen
        await pilot.press("s")
        await until(pilot, lambda: "↓score" in _text(app))
        await pilot.press("s", "s")
        await until(pilot, lambda: "↑video" in _text(app))
        await until(pilot, lambda: "│ video_01199" in _text(app))
        await pilot.press("S")
        await until(pilot, lambda: "↑video" not in _text(app))
        await pilot.press("s", "u")
        await until(pilot, lambda: "1199 1/" not in _text(app) and "/12,000" in _text(app))


async def test_every_line_to_type_in_has_a_second_key_beside_esc(story: OpenStory, console: Console) -> None:
    """^G leaves the palette, the filter, the export's question and the search as Esc does, without its delay."""
    app = console(story("finished"))
    async with app.run_test(size=(80, 24)) as pilot:
        await _opened(pilot, "o")
        for key in ("x", "3", "slash"):
            await pilot.press(key, "ctrl+g")
            await pilot.pause()
        assert 2 == len(app.screen_stack)
        await pilot.press("q", "colon")
        await pilot.pause()
        assert 2 == len(app.screen_stack)
        await pilot.press("ctrl+g", "slash", *"abc", "ctrl+g")
        await pilot.pause()
        assert ("", 1) == (app.board.state.book.pattern, len(app.screen_stack))


@pytest.mark.parametrize("opens", [("l", "slash"), ("colon",), ("h", "slash")], ids="-".join)
async def test_what_is_typed_at_once_reaches_the_line(
    opens: tuple[str, ...], story: OpenStory, console: Console
) -> None:
    """A slow link brings "/stop" in one piece: no letter is lost, and none is taken for a command of the board."""
    client = story("finished")
    app = console(client)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.board.state.snapshot)
        for key in opens[:-1]:
            await pilot.press(key)
            await pilot.pause(0.3)
        signs = {"slash": "/", "colon": ":"}
        for name, sign in ((opens[-1], signs[opens[-1]]), *zip("strip", "strip", strict=True)):
            app.post_message(events.Key(name, sign))
        await until(pilot, lambda: "strip" in [entry.value for entry in app.screen.query(Input)])
        assert [] == client.asked


async def test_esc_clears_the_filter_before_it_closes(story: OpenStory, console: Console) -> None:
    """In the line of the filter Esc forgets what was typed; in the list it clears, then closes; q closes at once."""
    app = console(story("finished"))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _opened(pilot, "a")
        await pilot.press("slash", *"prelinger", "escape")
        await pilot.pause()
        assert screen.state.listing is not None
        assert "" == screen.state.listing.pattern
        await pilot.press("slash", *"prelinger", "enter")
        await pilot.pause()
        assert "prelinger" == screen.state.listing.pattern
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen is screen
        assert "" == screen.state.listing.pattern
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen is app.board


async def test_what_was_set_aside_is_listed_with_its_reason(story: OpenStory, console: Console) -> None:
    """a lists it over all stages; Enter shows the whole reason."""
    app = console(story("finished"))
    async with app.run_test(size=(80, 24)) as pilot:
        await _opened(pilot, "a")
        assert "50_FIRST_DATES" in _text(app)
        assert "1/1" in _text(app)
        await pilot.press("enter")
        await until(
            pilot, lambda: "Invalid data found when processing input" in " ".join(_text(app).replace("│", " ").split())
        )


async def test_a_class_leads_to_its_videos(story: OpenStory, console: Console, catalogs: list[Any]) -> None:
    """Classes stand with the lowest accuracy first; Enter lists a class's videos, wrong ones first; q goes back."""
    videos = (
        VideoEntry("a", "wave", predicted="wave", score=0.9),
        VideoEntry("b", "wave", predicted="clap", score=0.8),
        VideoEntry("c", "clap", predicted="clap", score=0.7),
    )
    catalogs.append(lambda _: memory_catalog(videos, ()))
    app = console(story("finished"))
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await _opened(pilot, "o")
        await pilot.press("3")
        await until(pilot, lambda: "50 % 1/2" in _text(app))
        assert ["wave", "clap"] == [one.label for one in screen.state.lists["classes"].near]
        await pilot.press("enter")
        await until(pilot, lambda: screen.state.page == "videos" and screen.state.listing)
        assert ["b", "a"] == [one.video for one in screen.state.lists["videos"].near]
        await pilot.press("q")
        await pilot.pause()
        assert "classes" == screen.state.page


async def test_a_click_on_a_heading_orders_and_on_a_row_opens(
    many: list[int], story: OpenStory, console: Console
) -> None:
    """The mouse does what s and Enter do."""
    assert not many
    app = console(story("finished"))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _opened(pilot, "b")
        await until(pilot, lambda: "12,000" in _text(app))
        await pilot.click(screen._body, offset=(4, 3))
        await until(pilot, lambda: screen.state.page == "videos" and "1/12,000" in _text(app))
        heading = _text(app).splitlines()[2]
        await pilot.click(screen._body, offset=(heading.index("video"), 2))
        await until(pilot, lambda: "↑video" in _text(app))
        await pilot.click(screen._body, offset=(4, 5))
        await pilot.pause()
        assert screen.state.listing.here == 2


async def test_text_gets_out_of_a_list(
    story: OpenStory, console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """y copies all its rows, w writes them to a file."""
    client = story("finished")
    monkeypatch.setattr(type(client), "workspace", tmp_path)
    app = console(client)
    async with app.run_test(size=(80, 24)) as pilot:
        await _opened(pilot, "a")
        await pilot.press("y")
        assert 1 == app.clipboard.count("_FIRST_DATES")
        await pilot.press("w")
        await until(pilot, lambda: list((tmp_path / ".r3d" / "texts").glob("runbrowser-*.txt")))


async def test_the_runs_lead_to_their_results(story: OpenStory, console: Console) -> None:
    """h lists the runs; one of simulated chips says so; Enter shows the result of the chosen one."""
    client = story("finished")
    told = client.runs()
    fake = RunSummary("20260101-000000-0000", "done", 1.0, 9.0, None, 6000.0, simulated=True)
    client.runs = lambda: (*told, fake)  # type: ignore[method-assign]
    app = console(client)
    async with app.run_test(size=(120, 40)) as pilot:
        await _opened(pilot, "h")
        assert "(6,000)" in _text(app)
        assert "simulated" in _text(app)
        await pilot.press("enter")
        await until(pilot, lambda: "Run 3 " in _text(app))
        await pilot.press("q", "G", "p")
        await until(pilot, lambda: "This run kept no readings of its devices." in _text(app))


async def test_words_of_an_item_that_has_no_clips(story: OpenStory, console: Console) -> None:
    """What was set aside before it had clips cannot be played, and a word says so."""
    app = console(story("finished"))
    async with app.run_test(size=(80, 24)) as pilot:
        await _opened(pilot, "a")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, VideoDetail) and "This video has no clips." in _text(app))
