"""What a child process is asked to do: the one line that crosses from the engine to a worker."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from backends.core.events import Outcome, Skipped
from backends.core.messages import Scalar
from backends.core.plan import Reads


class UndeclaredReadError(Exception):
    """A stage read what its spec does not declare, so that its cache key would not know of it. A fault of ours."""


class Upstream(Struct, frozen=True):
    """What a stage may read of one that it depends on. What its spec does not declare raises UndeclaredReadError."""

    folder: Path
    """The folder that the outputs are relative to."""
    outcome: Outcome
    """Use the methods below: they know what is declared."""
    reads: Reads | None = None
    """None: everything is declared, as in a benchmark or a test."""
    is_growing: bool = False
    """The stage still runs: there are only the outputs that grow (`Stage.grows`), and no figures."""

    def has(self, output: str) -> bool:
        """Whether the stage gave that output under these settings."""
        self._check(output, None if self.reads is None else self.reads.outputs)
        return output in self.outcome.outputs

    def path(self, output: str) -> Path:
        """An output by name; KeyError where the stage gave none."""
        self._check(output, None if self.reads is None else self.reads.outputs)
        return self.folder / self.outcome.outputs[output]

    def figure(self, name: str) -> Scalar:
        """A figure by name; None where the stage gave none."""
        self._check(name, None if self.reads is None else self.reads.figures)
        return self.outcome.figures.get(name)

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """The first items that the stage skipped (`events.KEPT`)."""
        self._check("skipped", ("skipped",) if self.reads is None or self.reads.skipped else ())
        return self.outcome.set_aside

    @staticmethod
    def _check(name: str, declared: tuple[str, ...] | None) -> None:
        if declared is not None and name not in declared:
            raise UndeclaredReadError(f"{name} is not among the `reads` of this stage's spec")


class Request(Struct, frozen=True):
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
