"""What opens from the board and needs answers first: the browser of runs, devices, bundles, the form.

Questions go through threads, as all do.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from backends import api
from r3d_tui.screens.board import Board
from r3d_tui.screens.host import DEMO, has_colours
from r3d_tui.state.board_state import BoardState
from r3d_tui.text import figures
from r3d_tui.views.phase import unmade
from r3d_tui.views.tracks import tracks_of

if TYPE_CHECKING:
    from backends.core.client import RunSummary
    from backends.core.command_reports import Bundle
    from r3d_tui.state.browsed_run import BrowsedRun, Page
    from r3d_tui.views.chip import Processes


def open_browser(board: Board, page: Page) -> None:
    """The browser of runs at a page; a word where no run has what it is about."""
    from r3d_tui.screens.run_browser import RunBrowser
    from r3d_tui.state.browsed_run import RunReader

    host = board.host
    reader = RunReader(host.client, board.words, is_read_only=host.read_only, has_colours=has_colours(board.app))

    def show(found: tuple[tuple[RunSummary, ...], BrowsedRun | None]) -> None:
        runs, run = found
        if run is None and page != "runs":
            board.say("say.no_result" if page == "matrix" else "runs.none")
        else:
            board.app.push_screen(RunBrowser(page, runs, run, board.words, reader, partial(open_kept, board)))

    board.ask(partial(reader.find, page), show)


def open_chip(board: Board) -> None:
    from r3d_tui.screens.chip_page import ChipPage
    from r3d_tui.views.chip import processes_on

    state = board.state

    def ask(device: str, then: Callable[[Processes], None]) -> None:
        board.ask(lambda: api.read_devices("live"), lambda table: then(processes_on(device, table)))

    def toggle(device: str) -> None:
        state.device = device
        board.do("device")

    if not state.device:
        board.say("devices.none")
        return
    take = None if board.host.read_only else toggle
    board.app.push_screen(ChipPage(state, board.words, ask=ask, take=take, clock=board.host.clock))


def open_kept(board: Board, run: str) -> None:
    """What the devices of an earlier run did, as far as their readings were kept."""
    client = board.host.client

    def show(kept: BoardState) -> None:
        from r3d_tui.screens.chip_page import ChipPage

        if kept.devices:
            board.app.push_screen(ChipPage(kept, board.words))
        else:
            board.say("chip.none")

    def find() -> BoardState:
        samples = client.history(run)
        kept = BoardState(polled=tuple({sample.device: sample for sample in samples}.values()))
        kept.tracks.by_device = tracks_of(samples)
        kept.keep_cursor()
        return kept

    board.ask(find, show)


def make_bundle(board: Board) -> None:
    """What `doctor --bundle` writes, into the workspace."""
    if not board.allowed():
        return
    client, snapshot = board.host.client, board.state.snapshot
    place = client.workspace / ".r3d" / "texts" / f"bundle-{int(board.now)}.tar.gz"

    def pack() -> Bundle:
        from r3d_tui.headless.tables import status_document

        place.parent.mkdir(parents=True, exist_ok=True)
        documents = {"status.json": status_document(snapshot)} if snapshot else {}
        return api.make_bundle(client.workspace, place, documents)

    def tell(made: Bundle) -> None:
        text = board.words("bundle.wrote", path=str(made.path), n=len(made.files), size=figures.size(made.bytes))
        board.tell(text)

    board.say("bundle.packing")
    board.ask(pack, tell)


def leave_for_demo(board: Board) -> None:
    """The demo's console in place of this one, where there is no workspace yet."""
    if board.allowed() and board.state.phase == "setup":
        board.host.leave(DEMO)


def open_setup(board: Board) -> None:
    from r3d_tui.screens.setup import Setup

    if board.state.snapshot is not None and not unmade(board.state.snapshot):
        board.do("edit")
    elif board.allowed():
        board.app.push_screen(Setup(board.host.client.workspace, board.words, lambda: board.host.leave(DEMO)))
