"""Rows of scores read clip by clip: where each stands is kept, four bytes a clip, and the scores stay in the file."""

from __future__ import annotations

import os
from array import array
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from backends.contract.errors import InputError
from backends.stores.rows import all_records, read_header, record_type

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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
        self._count = place = 0
        for records in all_records(path):
            for number in records["number"].tolist():
                if number >= len(self._places):
                    self._places.extend([-1] * (number + 4096 - len(self._places)))
                if self._places[number] < 0:
                    self._places[number] = place
                    self._count += 1
                place += 1
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __len__(self) -> int:
        return self._count

    def scores(self, first: int, clips: int) -> tuple[NDArray[np.float32], int]:
        """Logits (found, classes) of the clips numbered from `first` on, in order, and how many have none."""
        import numpy as np

        places = [place for place in self._places[first : first + clips] if place >= 0]
        rows = np.empty((len(places), self.classes), np.float32)
        at = 0
        while at < len(places):  # clips of a video mostly stand side by side
            end = at + 1
            while end < len(places) and places[end] == places[end - 1] + 1:
                end += 1
            size = self._kind.itemsize
            data = os.pread(self._file, (end - at) * size, self._begin + places[at] * size)
            rows[at:end] = np.frombuffer(data, self._kind)["logits"]
            at = end
        return rows, clips - len(places)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def __enter__(self) -> RowsReader:  # noqa: PYI034 - Self is newer than Python 3.10
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
