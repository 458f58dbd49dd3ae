"""A workspace of toy stages, run by the real engine in real processes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from backends.core.client import RunRequest, Snapshot
from backends.core.plan import Plan, Reads, Stage
from backends.core.processes import leftovers
from backends.core.settings import Settings
from backends.engine import lock
from backends.engine.folders import Folders
from backends.engine.live_client import LiveClient, PlanSource

ENDED = ("done", "failed", "stopped", "interrupted")


def reading(stage: Stage) -> Stage:
    """The stage, reading what toy stages give."""
    return replace(stage, reads={name: Reads(("items",), ("items",)) for name in stage.after})


class Bench:
    """A client over a plan that the test may change, and eyes on what the engine does."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.stages: tuple[Stage, ...] = ()
        self.parallel = 2
        self.client = self.another()

    def another(self) -> LiveClient:
        """A second client, as a second console has."""
        return LiveClient(self.workspace, PlanSource(lambda _: Settings(), self._plan))

    def _plan(self, workspace: Path, _: Settings) -> Plan:
        return Plan(workspace, tuple(map(reading, self.stages)), parallel=self.parallel)

    def wait(self, when: Callable[[Snapshot], bool], seconds: float = 30) -> Snapshot:
        """The first snapshot that fits; fails the test where none does in time."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.client.changed(0.2)
            snapshot = self.client.snapshot()
            if when(snapshot):
                return snapshot
        raise AssertionError(f"never so: {self.client.snapshot().run}")

    def run(self, request: RunRequest | None = None) -> Snapshot:
        """Start and wait for the end."""
        self.client.start(request or RunRequest())
        return self.wait(lambda s: s.run.state in ENDED and not s.alive)

    def states(self, snapshot: Snapshot) -> dict[str, str]:
        """Stage to state."""
        return {stage.name: stage.state for stage in snapshot.run.stages}

    def pids(self) -> set[int]:
        """Every living process of this workspace but the engine."""
        return set(leftovers(self.workspace))

    def engine(self) -> int:
        """The engine's pid."""
        holder = lock.owner(Folders(self.workspace))
        assert holder is not None
        assert holder.pid is not None
        return holder.pid


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A fresh workspace; whatever still runs at the end is killed."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    found = Bench(tmp_path)
    yield found
    if (holder := lock.owner(Folders(tmp_path))) and holder.pid:
        os.kill(holder.pid, signal.SIGKILL)
    for pid in found.pids():
        os.kill(pid, signal.SIGKILL)
    found.client.close()
