"""What came of a bundle for a colleague, for the face to tell."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from backends.core.messages import Line


class Bundle(Struct, frozen=True):
    """A bundle that was written."""

    path: Path
    bytes: int
    files: tuple[str, ...]
    """Names inside it, in its order."""
    left_out: tuple[Line, ...] = ()
    """What would have been too large, or could not be read, by name."""
