"""Where the engine keeps what: the layout of `.r3d/`. It only names paths; nothing is read or written here."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct


class RunFolder(Struct, frozen=True):
    """One run's folder: plan, journal, logs, samples."""

    path: Path

    @property
    def id(self) -> str:
        """The run's id: its start as YYYYMMDD-HHMMSS and four digits that keep runs in order."""
        return self.path.name

    @property
    def plan(self) -> Path:
        """The plan as JSON, written before the supervisor starts."""
        return self.path / "plan.json"

    @property
    def journal(self) -> Path:
        """SQLite: events and the folded state."""
        return self.path / "journal.db"

    @property
    def samples(self) -> Path:
        return self.path / "samples.jsonl"

    @property
    def supervisor_log(self) -> Path:
        """The supervisor's own standard output and error."""
        return self.path / "supervisor.log"

    def log(self, stage: str, attempt: int) -> Path:
        """Standard output and error of one attempt."""
        return self.path / "logs" / f"{stage}-{attempt}.log"

    def scratch(self, stage: str, attempt: int) -> Path:
        return self.path / "attempts" / f"{stage}-{attempt}"


class Folders(Struct, frozen=True):
    """The `.r3d/` of a workspace."""

    workspace: Path

    @property
    def root(self) -> Path:
        """Everything that we decide; deleting it loses nothing that cannot be computed again."""
        return self.workspace / ".r3d"

    @property
    def lock(self) -> Path:
        """Held with flock by the living engine; holds its name as JSON."""
        return self.root / "engine.lock"

    @property
    def heartbeat(self) -> Path:
        """The engine's last sign of life on the monotonic clock."""
        return self.root / "heartbeat"

    @property
    def socket(self) -> Path:
        return self.root / "engine.sock"

    @property
    def reserve(self) -> Path:
        """Space kept back for the last events where the disk is full."""
        return self.root / "reserve"

    @property
    def trash(self) -> Path:
        """What is being removed: a folder leaves its place whole before it is taken apart."""
        return self.root / "trash"

    @property
    def digests(self) -> Path:
        return self.root / "digests.json"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

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
