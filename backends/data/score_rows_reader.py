"""Rows of scores read clip by clip: where each stands is kept, four bytes a clip, and the scores stay in the file."""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from msgspec import Struct

from backends.core.messages import InputError
from backends.data.score_rows import all_records, read_header, record_type

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


_AT_ONCE = 1024
"""Records of clips read one after the other."""


class RowsReader:
    """A finished file of rows, every record checked when it is opened. Of equal clip numbers the first one counts."""

    def __init__(self, path: Path) -> None:
        """Read through the file once. InputError where it is missing, foreign, cut off or damaged."""
        header = read_header(path)
        if header is None:
            raise InputError("{path}: no rows of scores", hint="run the infer stage", path=str(path))
        self.classes = header.classes
        self._kind = record_type(header.classes)
        self._begin = len(header.data)
        self._places = array("i")
        """Record of each clip by its number; -1 where it has none."""
        self.duplicates = 0
        """Records whose clip number stood in the file before."""
        self._count = place = 0
        for records in all_records(path):
            for number in records["number"].tolist():
                if number >= len(self._places):
                    self._places.extend([-1] * (number + 4096 - len(self._places)))
                if self._places[number] < 0:
                    self._places[number] = place
                    self._count += 1
                else:
                    self.duplicates += 1
                place += 1
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __len__(self) -> int:
        return self._count

    def scores(self, first: int, clips: int) -> tuple[NDArray[np.float32], int]:
        """Logits (found, classes) of the clips numbered from `first` on, in order, and how many have none."""
        import numpy as np

        records = [np.frombuffer(data, self._kind)["logits"] for data in self._records(first, clips)]
        rows = np.concatenate(records) if records else np.empty((0, self.classes))
        return rows.astype(np.float32, copy=False), clips - len(rows)

    def digest(self) -> str:
        """SHA-256 over the records of all clips in the order of clip numbers, whatever their order in the file."""
        found = hashlib.sha256()
        size = self._kind.itemsize
        for first in range(0, len(self._places), _AT_ONCE):
            for data in self._records(first, _AT_ONCE):
                view = memoryview(data)
                for at in range(0, len(data), size):
                    found.update(hashlib.blake2b(view[at : at + size], digest_size=16).digest())
        return found.hexdigest()

    def _records(self, first: int, clips: int) -> Iterator[bytes]:
        """The records of the clips numbered from `first` on, in order; those that stand side by side in one piece."""
        places = [place for place in self._places[first : first + clips] if place >= 0]
        size, at = self._kind.itemsize, 0
        while at < len(places):  # clips of a video, and of a batch, mostly stand side by side
            end = at + 1
            while end < len(places) and places[end] == places[end - 1] + 1:
                end += 1
            yield os.pread(self._file, (end - at) * size, self._begin + places[at] * size)
            at = end

    def close(self) -> None:
        os.close(self._file)

    def __enter__(self) -> RowsReader:  # noqa: PYI034 - Self is newer than Python 3.10
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class RowsCheck(Struct, frozen=True):
    rows: int
    duplicates: int
    digest: str
    """As of `RowsReader.digest`."""


def check_rows(path: Path) -> RowsCheck:
    """Read a finished file through; memory grows by four bytes a row. Errors as `RowsReader`."""
    with RowsReader(path) as rows:
        return RowsCheck(len(rows), rows.duplicates, rows.digest())
