"""A piece of the disk kept back for the day it is full: with it the engine can still write down why it ended."""

from __future__ import annotations

import os
from pathlib import Path

BYTES = 2 << 20
"""Room for the last events and the folded state, which SQLite writes twice: 0.5 MB with a stage's longest notes."""


class Reserve:
    """A file of `BYTES` that is given back once, when the disk is full."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def take(self) -> None:
        """Allocate it; OSError where the disk has not even that much space."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC  # readable: glibc reads where a file system cannot allocate
        descriptor = os.open(self._path, flags, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, BYTES)
        except OSError:
            self.give_back()
            raise
        finally:
            os.close(descriptor)

    def give_back(self) -> None:
        """Free the space; safe to call again."""
        self._path.unlink(missing_ok=True)
