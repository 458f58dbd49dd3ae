"""What reading a clip costs, in C where the extension was built and in zlib and NumPy elsewhere: the same values."""

from __future__ import annotations

import importlib
import os
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

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


_feed = extension("backends.device._feed", 2)


def kernels_wanted() -> bool:
    """False where the switch turns the C extensions off."""
    return os.environ.get(KERNEL_SWITCH) != "0"


def kernel_in_use() -> bool:
    return _feed is not None and kernels_wanted()


ALIGNMENT = 64
"""Bytes. NumPy's own large arrays begin 16 bytes past the start of a page, and a kernel that copies with `rep movsb`
takes three times as long to read a file to there (8 to 31 bytes; measured on an AMD EPYC with FSRM)."""


def buffer(shape: Sequence[int], kind: str | type[np.generic]) -> NDArray[Any]:
    """Zeros, C-contiguous, that begin at a multiple of `ALIGNMENT`: what files are read into."""
    import numpy as np

    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(kind).itemsize
    memory = np.zeros(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(kind).reshape(shape)


@dataclass(frozen=True)
class Levels:
    """What the reference makes of each byte: `((byte / 255) - mean) / std`, each step rounded to float32."""

    table: NDArray[np.float32]
    """(channels, 256), C-contiguous: this says what is right."""
    constants: bytes = b""
    """Mean and std of each channel as float32 where the kernel's arithmetic gives every value of the table to the
    bit, which takes half the time of looking them up; empty where it does not."""


def levels(mean: Sequence[float], std: Sequence[float]) -> Levels:
    """The levels of so many channels; whether they may be computed is tried on all 256 bytes of each."""
    import numpy as np

    pairs = np.stack([np.asarray(values, np.float32) for values in (mean, std)], axis=1)
    shares = np.arange(256, dtype=np.float32) / np.float32(255)
    table: NDArray[np.float32] = (shares[None] - pairs[:, :1]) / pairs[:, 1:]
    if not kernel_in_use():
        return Levels(table)
    every = np.broadcast_to(np.arange(256, dtype=np.uint8), table.shape).copy()
    found = np.empty_like(table)
    _feed.normalise(every, table, pairs.tobytes(), found)
    return Levels(table, pairs.tobytes() if found.tobytes() == table.tobytes() else b"")


def crc32(data: bytes | memoryview) -> int:
    """`zlib.crc32`, five to ten times as fast where the processor multiplies without carry."""
    if kernel_in_use() and _feed.fast_crc32:
        return int(_feed.crc32(data))
    return zlib.crc32(data)


def normalise(clip: NDArray[np.uint8], by: Levels, out: NDArray[np.float32]) -> None:
    """`out[c] = by.table[c][clip[c]]` for each channel: uint8 (channels, ...) to float32 (channels, ...).

    Both are C-contiguous.
    """
    if kernel_in_use():
        _feed.normalise(clip, by.table, by.constants, out)
        return
    for channel, values in enumerate(by.table):
        # mode="clip" lets take() write straight into out; a byte cannot be out of bounds
        values.take(clip[channel], out=out[channel], mode="clip")


def read_bytes(file: int, offset: int, out: NDArray[np.uint8], *, checked: bool) -> tuple[int, int]:
    """Fill `out`, C-contiguous, from `offset` of an open file: bytes read, and their CRC-32 where `checked`.

    Raises OSError. The checksum means nothing where the file ended early.
    """
    if kernel_in_use() and (_feed.fast_crc32 or not checked):
        got, crc = _feed.read_bytes(file, offset, out, checked)
        return got, crc
    view = out.data.cast("B")
    got = os.preadv(file, [view], offset)
    return got, crc32(view) if checked else 0


def read_floats(
    file: int, offset: int, by: Levels, out: NDArray[np.float32], room: NDArray[np.uint8], *, checked: bool
) -> tuple[int, int]:
    """As `read_bytes` and then `normalise`. `room`, uint8 of `out`'s shape, is where the bytes pass through."""
    if kernel_in_use() and (_feed.fast_crc32 or not checked):
        got, crc = _feed.read_floats(file, offset, room, by.table, by.constants, out, checked)
        return got, crc
    got, crc = read_bytes(file, offset, room, checked=checked)
    normalise(room, by, out)
    return got, crc
