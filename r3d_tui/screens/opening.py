"""What opens from the board and needs answers first: the results. Questions go through threads, as the board's do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from backends.contract.client import RunResult, RunSummary

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

        board.app.push_screen(Results(latest, earlier, board.words, load=load, export=export, folder=client.workspace))

    board.ask(find, show)
