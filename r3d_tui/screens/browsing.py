"""Opens the browser of runs over the board, at the page that a key names. The board needs to know no list."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from backends.core.catalog_pages import Catalog, ClipFrames
from r3d_tui.screens.board import Board
from r3d_tui.screens.host import has_colours

if TYPE_CHECKING:
    from backends.core.client import RunSummary
    from r3d_tui.screens.video_detail import Pictures
    from r3d_tui.state.browsed_run import BrowsedRun, Page


def open_browser(board: Board, page: Page, devices: Callable[[str], None]) -> None:
    """Show a page; a word where no run has what it is about. `devices` shows what the devices of a run did."""
    client, open_catalog = board.host.client, partial(_catalog, board)

    def find() -> tuple[tuple[RunSummary, ...], BrowsedRun | None]:
        from r3d_tui.state.browsed_run import find_run

        return find_run(page, client, open_catalog)

    def show(found: tuple[tuple[RunSummary, ...], BrowsedRun | None]) -> None:
        from r3d_tui.screens.run_browser import BrowserActions, RunBrowser
        from r3d_tui.state.browsed_run import BrowsedRun

        runs, run = found
        if run is None and page != "runs":
            board.say("say.no_result" if page == "matrix" else "runs.none")
            return
        actions = BrowserActions(
            run=partial(BrowsedRun, client, open_catalog),
            export=client.export,
            pictures=partial(_pictures, client.workspace, colours=has_colours(board.app)),
            devices=devices,
            folder=client.workspace,
            is_read_only=board.host.read_only,
        )
        board.app.push_screen(RunBrowser(page, runs, run, board.words, actions))

    board.ask(find, show)


def _pictures(
    workspace: Path, run: str, video: str, clip: int, side: int, *, colours: bool
) -> tuple[ClipFrames, Pictures]:
    from backends import api
    from r3d_tui.views.picture import pictures

    frames = api.clip_frames(workspace, video, clip, side, run)
    return frames, pictures(frames, colours=colours)


def _catalog(board: Board, run_id: str) -> Catalog:
    from backends import api

    host = board.host
    catalog = api.open_catalog(host.client.workspace, run_id, keep=not host.read_only)
    catalog.say(board.words.line)
    return catalog
