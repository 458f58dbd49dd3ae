"""What came of a bundle for a colleague, for the face to tell."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from backends.core.messages import Line


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that was written."""

    path: Path
    bytes: int
    files: tuple[str, ...]
    """Names inside it, in its order."""
    left_out: tuple[Line, ...] = ()
    """What would have been too large, or could not be read, by name."""
