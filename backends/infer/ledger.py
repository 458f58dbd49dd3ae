"""What has been computed, and from when on it counts: once its row is written and synced.

Both happen in a thread of their own, so that a slow disk keeps no device waiting. It knows clips and videos by number
only, and nothing of who computed them but a name to count under.
"""

from __future__ import annotations

import contextlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backends.contract.errors import StageError
from backends.contract.lines import Scalar
from backends.infer.layout import Span
from backends.infer.tally import Tally
from backends.stores.columns import Column
from backends.stores.rows import RowsWriter, read_header

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


TOGETHER = 25
"""Batches whose rows are written in one piece."""


@dataclass(frozen=True, slots=True)
class _Kept:
    device: str
    clips: tuple[int, ...]
    logits: NDArray[np.float32]


class Ledger:
    """The rows of one run. Made without classes where no earlier attempt knew them; `open` before `keep`."""

    def __init__(self, path: Path, spans: Sequence[Span], meta: str, sync_s: float = 0.25) -> None:
        self.path = path
        self.durable: Counter[str] = Counter()
        """Clips of this attempt that count, by device."""
        self.replaced = ""
        """The runtime whose rows, left by an earlier attempt, were thrown away; empty: none."""
        self.not_finite = 0
        """Rows that hold an infinite value or none at all."""
        self.tally: Tally | None = None
        """Told of every row of this attempt once it is durable."""
        self._meta = meta
        self._sync_s = sync_s
        self._firsts = Column(span.first for span in spans)
        self._left = Column(span.clips for span in spans)
        self._kept: list[_Kept] = []
        self._writing: list[_Kept] = []
        self._future: Future[int] | None = None
        self._last = float("-inf")
        self._thread = ThreadPoolExecutor(1, "rows")
        self._rows: RowsWriter | None = None
        self.taken_up = 0
        """Clips that an earlier attempt had made durable."""
        self.videos_done = sum(not span.clips for span in spans)
        """Videos of which every clip counts."""
        header = read_header(path)
        if header is not None and header.meta == meta:
            self.open(header.classes)
            for span in spans:
                self._count(tuple(n for n in range(span.first, span.first + span.clips) if self.has(n)))
            self.taken_up = sum(span.clips for span in spans) - sum(self._left)
        elif header is not None:
            path.unlink()  # rows of another runtime are not mixed with this one's
            self.replaced = header.meta

    @property
    def clips(self) -> int:
        """Clips that count, of this attempt and earlier ones."""
        return self.taken_up + sum(self.durable.values())

    def has(self, number: int) -> bool:
        """The clip has a row."""
        return self._rows is not None and number in self._rows

    def open(self, classes: int) -> None:
        """Begin or take up the file; InputError where it is of other classes, foreign, or being written."""
        if self._rows is None or self._rows.header.classes != classes:
            self._rows = RowsWriter.open_or_resume(self.path, classes, self._meta)

    def keep(self, device: str, clips: tuple[int, ...], logits: NDArray[np.float32]) -> None:
        """Take what a device computed, (len(clips), classes). It counts after the next sync."""
        assert self._rows is not None, "keep before open"
        self._kept.append(_Kept(device, clips, logits))

    def turn(self, now: float) -> None:
        """Take in a sync that has ended, and begin one where one is due (monotonic seconds)."""
        if self._future is not None and self._future.done():
            self._take_in()
        if self._future is None and self._kept and now - self._last >= self._sync_s:
            self._last = now
            self._begin_sync()

    def flush(self) -> None:
        """Make all that was kept durable, and count it."""
        if self._future is not None:
            self._take_in()
        if self._kept:
            self._begin_sync()
            self._take_in()

    def so_far(self) -> dict[str, Scalar]:
        """How many videos are done, and how many of them are right where that is known."""
        return {"videos_done": self.videos_done, **(self.tally.figures() if self.tally else {})}

    def close(self) -> None:
        """Let go of the file; what is not durable does not count."""
        self._thread.shutdown(wait=True)
        if self._rows is not None:
            self._rows.close()
            self._rows = None

    def _begin_sync(self) -> None:
        assert self._rows is not None
        self._writing, self._kept = self._kept, []
        self._future = self._thread.submit(_write, self._rows, self._writing, self.tally)

    def _take_in(self) -> None:
        assert self._future is not None
        future, self._future = self._future, None
        with self._disk():
            self.not_finite += future.result()
        for kept in self._writing:
            self.durable[kept.device] += len(kept.clips)
            self._count(kept.clips)
        self._writing = []

    @contextlib.contextmanager
    def _disk(self) -> Iterator[None]:
        """What the disk refuses, in one line."""
        try:
            yield
        except OSError as error:
            hint = "make room there and run the stage again: it computes only what is missing"
            reason = error.strerror or str(error)
            raise StageError("{path}: {reason}", hint=hint, path=str(self.path), reason=reason) from error

    def _count(self, clips: tuple[int, ...]) -> None:
        for number in clips:
            video = bisect_right(self._firsts, number) - 1
            self._left[video] -= 1
            self.videos_done += self._left[video] == 0


def _write(rows: RowsWriter, kept: Sequence[_Kept], tally: Tally | None = None) -> int:
    """Write and sync; gives how many of the rows are not finite. Runs in the ledger's thread."""
    import numpy as np

    not_finite = 0
    for at in range(0, len(kept), TOGETHER):  # a slow disk must not make one piece of all that waited for it
        some = kept[at : at + TOGETHER]
        logits = np.concatenate([item.logits for item in some])
        numbers = [number for item in some for number in item.clips]
        rows.append(numbers, logits)
        if tally is not None:
            tally.add(numbers, logits)
        not_finite += len(logits) - int(np.isfinite(logits).all(axis=1).sum())
    rows.sync()
    return not_finite
