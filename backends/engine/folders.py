"""Where the engine keeps what: the layout of `.r3d/`. It only names paths; nothing is read or written here."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct


class Inside:
    """A path of a fixed name under a folder's `base`: an attribute of `RunFolder` and `Folders`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, folder: RunFolder | Folders, _: object = None) -> Path:
        return folder.base / self._name


class RunFolder(Struct, frozen=True):
    path: Path
    plan = Inside("plan.json")
    """The plan as JSON, written before the supervisor starts."""
    journal = Inside("journal.db")
    """SQLite: events and the folded state."""
    samples = Inside("samples.jsonl")
    supervisor_log = Inside("supervisor.log")
    """The supervisor's own standard output and error."""

    @property
    def base(self) -> Path:
        return self.path

    @property
    def id(self) -> str:
        """The run's id: its start as YYYYMMDD-HHMMSS and four digits that keep runs in order."""
        return self.path.name

    def log(self, stage: str, attempt: int) -> Path:
        """Standard output and error of one attempt."""
        return self.path / "logs" / f"{stage}-{attempt}.log"

    def scratch(self, stage: str, attempt: int) -> Path:
        return self.path / "attempts" / f"{stage}-{attempt}"


class Folders(Struct, frozen=True):
    """The `.r3d/` of a workspace."""

    workspace: Path
    lock = Inside("engine.lock")
    """Held with flock by the living engine; holds its name as JSON."""
    heartbeat = Inside("heartbeat")
    """The engine's last sign of life on the monotonic clock."""
    socket = Inside("engine.sock")
    reserve = Inside("reserve")
    """Space kept back for the last events where the disk is full."""
    trash = Inside("trash")
    """What is being removed: a folder leaves its place whole before it is taken apart."""
    digests = Inside("digests.json")
    runs = Inside("runs")

    @property
    def root(self) -> Path:
        """Everything that we decide; deleting it loses nothing that cannot be computed again."""
        return self.workspace / ".r3d"

    base = root

    def run(self, run_id: str) -> RunFolder:
        return RunFolder(self.runs / run_id)

    def all_runs(self) -> tuple[RunFolder, ...]:
        """Every run that has a plan, latest first."""
        return tuple(self._planned())

    def latest_run(self) -> RunFolder | None:
        """The first of them, without a look at the others."""
        return next(self._planned(), None)

    def _planned(self) -> Iterator[RunFolder]:
        runs = self.runs
        with contextlib.suppress(OSError):
            for name in sorted(os.listdir(runs), reverse=True):  # noqa: PTH208 - asked ten times a second
                if (folder := RunFolder(runs / name)).plan.exists():
                    yield folder

    def artifact(self, stage: str, fingerprint: str) -> Path:
        """Where a stage's outputs of one fingerprint live, whole or half done."""
        return self.root / "artifacts" / stage / fingerprint
