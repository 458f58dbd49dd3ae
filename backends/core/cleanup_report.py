"""What lies in a workspace's `.r3d` that nothing needs any more, for a front end to show and to have removed."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from msgspec import Struct

from backends.core.messages import Line


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
