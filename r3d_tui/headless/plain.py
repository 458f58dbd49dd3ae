"""The plain face: a run followed to its end without a screen. It reads snapshots only and knows no words."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Any, Protocol

from backends.core.client import Snapshot
from backends.core.errors import R3dError
from backends.core.events import Event, StageProgress, to_json
from backends.core.run_state import Run, StageRun

if TYPE_CHECKING:
    from backends.core.client import Client

LOOK_S = 0.25
"""How long Ctrl+C may wait until it is heeded."""
ENDED = ("done", "failed", "stopped", "interrupted")


class Display(Protocol):
    """What draws a run that is followed."""

    def __call__(self, snapshot: Snapshot) -> None:
        """Show what is new in it."""

    def say(self, key: str) -> None:
        """A sentence of the language files, now."""


class Asked:
    """How often the person asked for an end, by Ctrl+C or SIGTERM, since `asking` began."""

    def __init__(self) -> None:
        self.times = 0
        self.heeded = 0

    def __call__(self, _number: int, _frame: object) -> None:
        self.times += 1


@contextlib.contextmanager
def asking() -> Iterator[Asked]:
    """Count Ctrl+C and SIGTERM instead of being ended by them; what to do is decided between two looks at the run."""
    asked = Asked()
    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def follow(client: Client, run_id: str, display: Display, asked: Asked, *, stops: bool) -> Snapshot | None:
    """Show a run until it has ended, and give the last snapshot; None where the person left before its end.

    `stops`: the first Ctrl+C asks the engine to stop and the second leaves it stopping; otherwise the first leaves.
    """
    while True:
        client.changed(LOOK_S)
        if asked.times > asked.heeded:
            if not stops or asked.heeded:
                return None
            asked.heeded = asked.times
            with contextlib.suppress(R3dError):  # it ended by itself in the meantime
                client.stop()
                display.say("plain.stopping_again")
        snapshot = client.snapshot()
        if snapshot.run.id not in (run_id, ""):
            return snapshot
        display(snapshot)
        if snapshot.run.state in ENDED and not snapshot.alive:
            return snapshot


class JsonLines:
    """One JSON event a line: the journal's facts in order, and a progress event for each stage that moved."""

    def __init__(self, client: Client, run_id: str, out: IO[str], say: Callable[[str], None]) -> None:
        self._client, self._run_id, self._out, self._say = client, run_id, out, say
        self._after = 0
        self._progress: dict[str, StageProgress] = {}

    def __call__(self, snapshot: Snapshot) -> None:
        for stage in snapshot.run.stages:
            if stage.state == "running":
                self._tick(stage)
        for number, at, event in self._client.events(self._run_id, self._after):
            self._print(event, at)
            self._after = number
        self._out.flush()

    def say(self, key: str) -> None:
        """Elsewhere: standard output is the events'."""
        self._say(key)

    def _tick(self, stage: StageRun) -> None:
        event = StageProgress(stage.name, stage.done, stage.total, stage.unit, stage.rate, stage.note, stage.live)
        if (stage.done or stage.total) and self._progress.get(stage.name) != event:
            self._progress[stage.name] = event
            self._print(event, time.time())

    def _print(self, event: Event, at: float) -> None:
        body: dict[str, Any] = json.loads(to_json(event))
        self._out.write(json.dumps({"kind": body.pop("kind"), "at": at, **body}) + "\n")


def exit_code(run: Run) -> int:
    """What a script is told: 0 done, 130 stopped or cut off, else what the first failed stage ended with."""
    if run.state == "done":
        return 0
    if run.state == "failed":
        return next((stage.exit_code or 1 for stage in run.stages if stage.state == "failed"), 1)
    return 130
