"""Opens the lists of a workspace over the board: results, runs, skipped items, videos, and the clips behind them.

Each function asks in a thread and pushes a screen of its own; the board needs to know no list.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from backends.core.catalog_pages import Catalog, ClassEntry, ClipFrames, SkippedEntry, VideoEntry
from backends.core.client import Client, RunResult, RunSummary, Snapshot
from backends.core.values import Confusion
from r3d_tui.lang.words import Words
from r3d_tui.screens.host import Host

if TYPE_CHECKING:
    from textual.app import App

    from r3d_tui.views.compare import Comparison
    from r3d_tui.views.listing import Listing


class Asker(Protocol):
    """The screen that a list opens from: it asks in threads and shows words."""

    @property
    def words(self) -> Words: ...

    @property
    def app(self) -> App[object]:
        """The application, a `Host`."""

    def ask(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Do `work` in a thread, then `then` with its answer; an error is shown."""

    def allowed(self) -> bool:
        """False, with a word, where the console only watches."""

    def say(self, key: str, **facts: str) -> None:
        """Show words for some seconds."""


def open_results(board: Asker, wanted: str = "", beside: str = "") -> None:
    """Show the result of a run, the latest that has one by default; a word where there is none.

    `beside` is the run to compare it with at once.
    """
    client = _client(board)

    def find() -> tuple[RunResult | None, tuple[RunSummary, ...]]:
        scored = tuple(run for run in client.runs() if run.top1 is not None)
        one = next((run.id for run in scored if wanted in ("", run.id)), None)
        others = sorted((run for run in scored if run.id != one), key=lambda run: run.id != beside)
        return client.result(one) if one else None, tuple(others)

    def show(found: tuple[RunResult | None, tuple[RunSummary, ...]]) -> None:
        from r3d_tui.screens.results import Results

        latest, earlier = found
        if latest is None:
            board.say("say.run_no_result" if wanted else "say.no_result")
            return
        run = latest.run.id

        def load(other: str, then: Callable[[Comparison], None]) -> None:
            board.ask(lambda: _compared(board, latest, client.result(other), screen.sources), then)

        def export(folder: Path) -> None:
            if board.allowed():
                board.ask(lambda: client.export(run, folder), lambda _: board.say("say.exported", path=str(folder)))

        def cell(pair: Confusion, then: Callable[[Listing[VideoEntry]], None]) -> None:
            board.ask(lambda: _videos_of(board, run, pair, screen.sources), then)

        screen = Results(
            latest,
            earlier,
            board.words,
            load=load,
            export=export,
            play=player(board, run),
            cell=cell,
            folder=client.workspace,
            page="compare" if beside and earlier and earlier[0].id == beside else "matrix",
        )
        board.app.push_screen(screen)

    board.ask(find, show)


def _compared(board: Asker, now: RunResult, before: RunResult, sources: list[Catalog]) -> Comparison:
    from backends.core.errors import InputError
    from r3d_tui.views.compare import compared

    try:
        sources.append(_catalog(board, now.run.id))
        return compared(now, before, sources[-1])
    except InputError:
        return compared(now, before, None)


def _videos_of(board: Asker, run: str, pair: Confusion, sources: list[Catalog]) -> Listing[VideoEntry]:
    from r3d_tui.views.videos import video_listing

    sources.append(_catalog(board, run))
    return video_listing(sources[-1], pair.label, pair.predicted)


def open_runs(board: Asker, devices: Callable[[str], None]) -> None:
    """The runs of the workspace, and what is behind each; `devices` shows what the devices of one did."""

    def show(found: tuple[RunSummary, ...]) -> None:
        from r3d_tui.screens.listings import Runs

        results = partial(open_results, board)
        board.app.push_screen(Runs(found, board.words, result=results, devices=devices))

    board.ask(_client(board).runs, show)


def open_skipped(board: Asker) -> None:
    """What the latest run skipped."""

    def find() -> tuple[Snapshot, Catalog, Listing[SkippedEntry]]:
        from r3d_tui.views.lists import skipped_listing

        snapshot = _client(board).snapshot()
        catalog = _catalog(board, snapshot.run.id)
        return snapshot, catalog, skipped_listing(catalog)

    def show(found: tuple[Snapshot, Catalog, Listing[SkippedEntry]]) -> None:
        from r3d_tui.screens.listings import SkippedItems
        from r3d_tui.views.lists import skipped_count

        snapshot, catalog, listing = found
        more = max(0, skipped_count(snapshot) - len(listing))
        screen = SkippedItems(listing, more, board.words, play=player(board, snapshot.run.id))
        screen.sources.append(catalog)
        board.app.push_screen(screen)

    board.ask(find, show)


def open_videos(board: Asker) -> None:
    """The data set's videos, with what the latest run predicted; an error where no clips were made yet."""

    def find() -> tuple[Catalog, Listing[ClassEntry]]:
        from r3d_tui.views.videos import class_listing

        catalog = _catalog(board)
        return catalog, class_listing(catalog)

    def show(found: tuple[Catalog, Listing[ClassEntry]]) -> None:
        from r3d_tui.screens.videos import Videos

        board.app.push_screen(Videos(*found, board.words, fetch=fetcher(board)))

    board.ask(find, show)


def player(board: Asker, run_id: str) -> Callable[[str], None]:
    """Shows the clips of a video of that run, by its name."""

    def play(video: str) -> None:
        def find() -> VideoEntry | None:
            catalog = _catalog(board, run_id)
            try:
                return catalog.video(video)
            finally:
                catalog.close()

        def show(one: VideoEntry | None) -> None:
            from r3d_tui.screens.player import Player

            if one is None or not one.clips:
                board.say("videos.no_clips")
                return
            board.app.push_screen(Player((one,), 0, board.words, fetch=fetcher(board)))

        board.ask(find, show)

    return play


def fetcher(board: Asker) -> Callable[..., None]:
    """Reads and draws a clip in a thread, where NumPy may take its time."""
    app = board.app
    colours = not (app.native_ansi_color or app.no_color or getattr(app, "ascii_only", False))
    workspace = _client(board).workspace

    def fetch(video: str, clip: int, side: int, then: Callable[[ClipFrames, Any], None]) -> None:
        def work() -> tuple[ClipFrames, Any]:
            from backends import api
            from r3d_tui.views.picture import pictures

            frames = api.clip_frames(workspace, video, clip, side)
            return frames, pictures(frames, colours=colours)

        board.ask(work, lambda found: then(*found))

    return fetch


def _client(board: Asker) -> Client:
    return cast(Host, board.app).client


def _catalog(board: Asker, run_id: str = "") -> Catalog:
    from backends import api

    host = cast(Host, board.app)
    catalog = api.open_catalog(host.client.workspace, run_id, keep=not host.read_only)
    catalog.say(board.words.line)
    return catalog
