"""What opens from the board and needs answers first: results, videos. Questions go through threads, as all do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from backends.contract.client import Prediction, RunResult, RunSummary
from backends.contract.clips import ClipFrames, VideoEntry
from r3d_tui.rows import Row

if TYPE_CHECKING:
    from r3d_tui.screens.doing import Doing


def open_results(board: Doing) -> None:
    """Find the latest run with a result and show it large; a word where there is none."""
    client = board.client

    def find() -> tuple[RunResult | None, tuple[RunSummary, ...]]:
        scored = tuple(run for run in client.runs() if run.top1 is not None)
        return (client.result(scored[0].id), scored[1:]) if scored else (None, ())

    def show(found: tuple[RunResult | None, tuple[RunSummary, ...]]) -> None:
        from r3d_tui.screens.results import Results

        latest, earlier = found
        if latest is None:
            board.say("say.no_result")
            return
        run = latest.run.id

        def load(other: str, then: Callable[[RunResult], None]) -> None:
            board.ask(lambda: client.result(other), then)

        def export(folder: Path) -> None:
            board.ask(lambda: client.export(run, folder), lambda _: board.say("say.exported", path=str(folder)))

        play = player(board, latest)
        board.app.push_screen(
            Results(latest, earlier, board.words, load=load, export=export, play=play, folder=client.workspace)
        )

    board.ask(find, show)


def player(board: Doing, found: RunResult) -> Callable[[str], None]:
    """Shows the clips of a video of that result, by its name."""

    def play(video: str) -> None:
        def find() -> tuple[VideoEntry, ...]:
            from backends import api

            return tuple(one for one in api.list_videos(board.client.workspace) if one.video == video and one.clips)

        def show(entries: tuple[VideoEntry, ...]) -> None:
            from r3d_tui.screens.videos import Player

            if not entries:
                board.say("videos.no_clips")
                return
            predictions = {one.video: one for one in found.predictions}
            board.app.push_screen(Player(entries, 0, predictions, board.words, fetch=fetcher(board)))

        board.ask(find, show)

    return play


def open_videos(board: Doing) -> None:
    """Show the data set's videos, with what the latest run took them for; an error where no clips were made yet."""
    client = board.client

    def find() -> tuple[tuple[VideoEntry, ...], dict[str, Prediction]]:
        from backends import api

        videos = api.list_videos(client.workspace)
        scored = [run for run in client.runs() if run.top1 is not None]
        predictions = client.result(scored[0].id).predictions if scored else ()
        return videos, {one.video: one for one in predictions}

    def show(found: tuple[tuple[VideoEntry, ...], dict[str, Prediction]]) -> None:
        from r3d_tui.screens.videos import Videos

        board.app.push_screen(Videos(*found, board.words, fetch=fetcher(board)))

    board.ask(find, show)


def fetcher(board: Doing) -> Callable[..., None]:
    """Reads and draws a clip in a thread, where NumPy may take its time."""
    app = board.app
    colours = not (app.native_ansi_color or app.no_color or getattr(app, "ascii_only", False))
    workspace = board.client.workspace

    def fetch(
        video: str, clip: int, side: int, then: Callable[[ClipFrames, tuple[tuple[Row, ...], ...]], None]
    ) -> None:
        def work() -> tuple[ClipFrames, tuple[tuple[Row, ...], ...]]:
            from backends import api
            from r3d_tui.views.picture import pictures

            frames = api.clip_frames(workspace, video, clip, side)
            return frames, pictures(frames, colours=colours)

        board.ask(work, lambda found: then(*found))

    return fetch
