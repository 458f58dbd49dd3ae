"""uint8 clips to float32 batches, in C where the extension was built and in NumPy elsewhere: the same floats."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KERNEL_SWITCH = "R3D_TUI_KERNEL"
"""Environment variable; `0` leaves the C extensions alone, for comparing and for finding faults."""


def extension(name: str) -> Any:
    """A C extension of ours; None where it was not built (no compiler at installing, or run from source)."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


_feed = extension("backends.stores._feed")


def kernel_in_use() -> bool:
    """Whether the C extension does the work here."""
    return _feed is not None and os.environ.get(KERNEL_SWITCH) != "0"


def normalise(clip: NDArray[np.uint8], table: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """`out[c] = table[c][clip[c]]` for each channel: uint8 (3, ...) through float32 (3, 256) into float32 (3, ...)."""
    if kernel_in_use():
        _feed.normalise(clip, table, out)
        return
    for channel, levels in enumerate(table):
        # mode="clip" lets take() write straight into out; a byte cannot be out of bounds
        levels.take(clip[channel], out=out[channel], mode="clip")
