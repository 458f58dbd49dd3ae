"""What reading a clip costs, in C where the extension was built and in zlib and NumPy elsewhere: the same values."""

from __future__ import annotations

import contextlib
import importlib
import os
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KERNEL_SWITCH = "R3D_TUI_KERNEL"
"""Environment variable; `0` leaves the C extensions alone, for comparing and for finding faults."""


def extension(name: str, interface: int) -> Any:
    """A C extension of ours; None where it was not built (no compiler at installing, or run from source).

    `interface` is the number that the extension must carry: one built from older source is left alone.
    """
    try:
        module = importlib.import_module(name)
    except ImportError:
        return None
    return module if getattr(module, "INTERFACE", None) == interface else None


_feed = extension("backends.stores._feed", 1)


def kernels_wanted() -> bool:
    """False where the switch turns the C extensions off."""
    return os.environ.get(KERNEL_SWITCH) != "0"


def kernel_in_use() -> bool:
    """Whether the C extension does the work here."""
    return _feed is not None and kernels_wanted()


@contextlib.contextmanager
def without_kernel() -> Iterator[None]:
    """Turn the C extensions off in this process for a while."""
    before = os.environ.get(KERNEL_SWITCH)
    os.environ[KERNEL_SWITCH] = "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ[KERNEL_SWITCH]
        else:
            os.environ[KERNEL_SWITCH] = before


def crc32(data: bytes | memoryview) -> int:
    """`zlib.crc32`, five times as fast where the processor multiplies without carry."""
    if kernel_in_use() and _feed.fast_crc32:
        return int(_feed.crc32(data))
    return zlib.crc32(data)


def normalise(clip: NDArray[np.uint8], table: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """`out[c] = table[c][clip[c]]` for each channel: uint8 (3, ...) through float32 (3, 256) into float32 (3, ...).

    All three are C-contiguous.
    """
    if kernel_in_use():
        _feed.normalise(clip, table, out)
        return
    for channel, levels in enumerate(table):
        # mode="clip" lets take() write straight into out; a byte cannot be out of bounds
        levels.take(clip[channel], out=out[channel], mode="clip")
