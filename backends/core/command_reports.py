"""What commands hand a front end to show: a benchmark's figures, what `clean` may remove, a bundle that was written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from msgspec import Struct, field

from backends.core.messages import Line, Scalar


class BenchFigure(Struct, frozen=True):
    """One figure. What nobody measured is None."""

    name: str
    """Stable: scripts look for it."""
    what: Line
    value: float | None
    """The median, where there are `runs`."""
    unit: str = "clips/s"
    runs: tuple[float, ...] = ()
    reference: float | None = None
    """Measured in the same run, or published; `against` says which."""
    against: Line = Line("")
    ratio: float | None = None
    """The value over the reference."""
    wanted: float | None = None
    """The ratio that is asked for at least; None where nothing is."""
    most: float | None = None
    """The value that is asked for at most; None where nothing is."""


class BenchReport(Struct, frozen=True):
    """One benchmark, measured in one run."""

    name: str
    machine: Mapping[str, Scalar]
    """`cpu`, `cores`, `memory_mb`, `system`."""
    versions: Mapping[str, str]
    """Of Python and of the packages that did the work."""
    settings: Mapping[str, Scalar] = field(default_factory=dict)
    figures: tuple[BenchFigure, ...] = ()
    notes: tuple[Line, ...] = ()
    """What a reader must know before believing the figures."""


def beside(
    name: str,
    what: Line,
    value: float | None,
    reference: float | None,
    against: Line,
    *,
    unit: str = "clips/s",
    runs: tuple[float, ...] = (),
    wanted: float | None = None,
) -> BenchFigure:
    """A figure with its reference and the ratio, where both are known."""
    ratio = value / reference if value is not None and reference else None
    return BenchFigure(name, what, value, unit, runs, reference, against, ratio, wanted)


class Garbage(Struct, frozen=True):
    """One folder that may go."""

    path: Path
    """Relative to `.r3d`."""
    kind: Literal["artifact", "run", "rest"]
    bytes: int
    """What the disk gives back."""
    reason: Line


class CleanupPlan(Struct, frozen=True):
    """All that may go, or what went."""

    waste: tuple[Garbage, ...] = ()
    kept_runs: tuple[str, ...] = ()
    """By id, latest first; what they point at stays."""
    notes: tuple[Line, ...] = ()
    """What was not looked at, or could not be removed, and why."""

    @property
    def bytes(self) -> int:
        """Of all of it."""
        return sum(one.bytes for one in self.waste)


class Bundle(Struct, frozen=True):
    """A bundle that was written."""

    path: Path
    bytes: int
    files: tuple[str, ...]
    """Names inside it, in its order."""
    left_out: tuple[Line, ...] = ()
    """What would have been too large, or could not be read, by name."""
