"""Clips of many small stores side by side, for the devices of a server of a cluster; `backends.cluster` makes them.

Clip `store << STORE_BITS | n` is clip n of the store in the folder of that number. A batch is of one store.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends.device.clip_format import INDEX, ClipHeader, damaged_line, parse_header, unseal
from backends.device.clip_reader import ClipReader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

STORE_BITS = 20
OPENED = 4
"""Stores that stay open: those in flight."""


class ShardClips:
    """The stores under one folder, each opened when its first clip is read."""

    def __init__(self, folder: Path, header: ClipHeader) -> None:
        self.header = header
        self._folder = folder
        self._stores = {}  # type: dict[int, ClipReader]

    @classmethod
    def open(cls, folder: Path) -> ShardClips:
        """The folder holds the first line of an index, which says what all clips share."""
        header = parse_header(unseal((folder / INDEX).read_bytes()))
        if header is None:
            raise damaged_line(folder / INDEX, 1)
        return cls(folder, header)

    def batch(self, numbers: Sequence[int], out: NDArray[Any], pad_to: int | None = None) -> NDArray[Any]:
        """As of `ClipReader`."""
        store = numbers[0] >> STORE_BITS
        if store not in self._stores:
            while len(self._stores) >= OPENED:
                del self._stores[min(self._stores)]
            self._stores[store] = ClipReader.open(self._folder / str(store))
        mask = (1 << STORE_BITS) - 1
        return self._stores[store].batch([number & mask for number in numbers], out, pad_to=pad_to)
