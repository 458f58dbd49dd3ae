"""Following a run: to its end, and what Ctrl+C does on the way."""

from __future__ import annotations

import json
import os
import signal
from io import StringIO
from pathlib import Path

from backends.core.client import Snapshot
from backends.core.events import StageProgress
from backends.core.messages import InputError
from backends.core.run_state import Run, StageRun
from r3d_tui.headless.follow import JsonLines, asking, exit_code, follow


class Recorded:
    """A client over a list of snapshots, one a look; what is asked of it is written down."""

    def __init__(self, *runs: Run, interrupts: tuple[int, ...] = (), refuses: bool = False) -> None:
        self.runs, self.place, self.interrupts, self.refuses = runs, -1, interrupts, refuses
        self.stopped = 0

    def changed(self, _timeout: float) -> bool:
        self.place += 1
        if self.place in self.interrupts:
            os.kill(os.getpid(), signal.SIGINT)
        return True

    def snapshot(self) -> Snapshot:
        run = self.runs[min(self.place, len(self.runs) - 1)]
        return Snapshot(self.place, Path("/w"), run, alive=run.state == "running")

    def stop(self) -> None:
        self.stopped += 1
        if self.refuses:
            raise InputError("no engine answers")

    def events(self, _run: str, after: int) -> list[tuple[int, float, StageProgress]]:
        return [(n, 1.0, StageProgress("infer", n, 3, "clips")) for n in range(after + 1, 3)]


class Seen:
    """A display that keeps what it is shown."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.states: list[str] = []

    def __call__(self, snapshot: Snapshot) -> None:
        self.states.append(snapshot.run.state)

    def say(self, key: str) -> None:
        self.said.append(key)


GOES, DONE, STOPPED = Run("1", "running"), Run("1", "done"), Run("1", "stopped")


def _follow(client: Recorded, *, stops: bool = True) -> tuple[Snapshot | None, Seen]:
    seen = Seen()
    with asking() as asked:
        return follow(client, "1", seen, asked, stops=stops), seen  # type: ignore[arg-type]


def test_a_run_is_followed_to_its_end() -> None:
    """Every look is shown; the last one is given."""
    last, seen = _follow(Recorded(GOES, GOES, DONE))
    assert last is not None
    assert ("done", ["running", "running", "done"]) == (last.run.state, seen.states)


def test_the_first_ctrl_c_asks_the_engine_to_stop_and_says_so() -> None:
    """And the run is followed until it has stopped."""
    client = Recorded(GOES, GOES, GOES, STOPPED, interrupts=(1,))
    last, seen = _follow(client)
    assert last is not None
    assert (1, "stopped", ["plain.stopping_again"]) == (client.stopped, last.run.state, seen.said)


def test_the_second_ctrl_c_leaves_it_stopping() -> None:
    """Nothing is given: the end was not seen."""
    client = Recorded(GOES, interrupts=(1, 4))
    last, _ = _follow(client)
    assert (None, 1, 4) == (last, client.stopped, client.place)


def test_who_only_watches_leaves_with_ctrl_c() -> None:
    """The run is not stopped."""
    client = Recorded(GOES, interrupts=(2,))
    last, seen = _follow(client, stops=False)
    assert (None, 0, ["running", "running"]) == (last, client.stopped, seen.states)


def test_a_run_that_ended_before_it_could_be_stopped_is_done() -> None:
    """An engine that no longer answers is no error then."""
    last, seen = _follow(Recorded(GOES, DONE, interrupts=(1,), refuses=True))
    assert last is not None
    assert ("done", []) == (last.run.state, seen.said)


def test_signals_are_as_before_afterwards() -> None:
    """Whoever handled Ctrl+C handles it again."""
    before = signal.getsignal(signal.SIGINT)
    _follow(Recorded(DONE))
    assert before == signal.getsignal(signal.SIGINT)


def test_json_is_one_event_a_line_and_words_go_elsewhere() -> None:
    """Facts once, progress where it moved, English whatever the language."""
    out, said = StringIO(), list[str]()
    lines = JsonLines(Recorded(), "1", out, said.append)  # type: ignore[arg-type]
    going = StageRun("infer", "running", done=3, total=9, unit="clips")
    for _ in range(2):
        lines(Snapshot(1, Path("/w"), Run("1", "running", stages=(going,))))
    lines.say("plain.stopping_again")
    events = [json.loads(text) for text in out.getvalue().splitlines()]
    assert [("StageProgress", 3), ("StageProgress", 1), ("StageProgress", 2)] == [
        (e["kind"], e["done"]) for e in events
    ]
    assert ["plain.stopping_again"] == said


def test_a_script_is_told_how_it_ended() -> None:
    """By the exit code."""
    failed = StageRun("export", "failed", exit_code=2)
    assert [0, 130, 130, 2, 1] == [
        exit_code(DONE),
        exit_code(STOPPED),
        exit_code(Run("1", "interrupted")),
        exit_code(Run("1", "failed", stages=(StageRun("check", "done"), failed))),
        exit_code(Run("1", "failed")),
    ]
