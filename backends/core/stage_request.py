"""What a child process is asked to do: the one line that crosses from the engine to a worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from backends.core.events import Outcome
from backends.core.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Upstream:
    """The outcome of a stage that this one hangs on, and the folder that its outputs are relative to."""

    folder: Path
    outcome: Outcome

    def path(self, output: str) -> Path:
        """An output by name; KeyError where the stage gave none."""
        return self.folder / self.outcome.outputs[output]


@dataclass(frozen=True, slots=True)
class Request:
    """The whole of what a child is to do."""

    stage: str
    entry: str
    attempt: int
    workspace: Path
    out: Path
    scratch: Path
    params: Mapping[str, Any] = field(default_factory=dict)
    tuning: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Path] = field(default_factory=dict)
    upstream: Mapping[str, Upstream] = field(default_factory=dict)
    like: Path | None = None
    """The folder of a finished artifact that differs in `Stage.adds` alone; None where there is none."""
    samples: Path | None = None
    """Where the run's readings of devices are being written; None where nobody samples."""
