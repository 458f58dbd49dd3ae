"""What has been computed, and from when on it counts: once its row is written and synced.

Rows are written as they come by a thread of their own, and synced by another, so that a slow disk keeps no device
waiting and what waits for it stays small: a row is held until it stands in the file, its clip's number until it counts.
It knows clips and videos by number only, and nothing of who computed them but a name to count under.
"""

from __future__ import annotations

import contextlib
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from backends.core.messages import N_, Scalar, StageError, os_reason
from backends.data.clip_store import VideoClips
from backends.data.score_rows import RowsWriter, read_header
from backends.inference.batch_layout import Spans
from backends.inference.running_accuracy import Tally, owners

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


TOGETHER = 1 << 17
"""Bytes of scores from which on rows are written without waiting for the next sync, and about the most in one piece."""
BEHIND = 1 << 25
"""Bytes of scores that may wait for a disk that takes none; half a minute of what one 310P computes."""


class RowSink(Protocol):
    """Where the scores go: the `Ledger` of a run, or what a server of a cluster sends to the head."""

    durable: Counter[str]
    """Clips that count, by device."""

    @property
    def clips(self) -> int: ...
    @property
    def behind(self) -> bool: ...
    def catch_up(self, seconds: float) -> None: ...
    def has(self, number: int) -> bool: ...
    def open(self, classes: int) -> None: ...
    def keep(self, device: str, clips: tuple[int, ...], logits: NDArray[np.float32]) -> None: ...
    def turn(self, now: float) -> None: ...
    def flush(self) -> None: ...
    def so_far(self) -> Mapping[str, Scalar]: ...


class _Kept(Struct, frozen=True):
    device: str
    clips: tuple[int, ...]
    logits: NDArray[np.float32]


class _WrittenScores(Struct, frozen=True):
    devices: Counter[str]
    """Clips of each."""
    numbers: NDArray[np.int64]


class _Write(Struct, frozen=True):
    """What is on its way into the file."""

    future: Future[_WrittenScores]
    size: int
    """Bytes of scores."""


class Ledger:
    """The rows of one run. Made without classes where no earlier attempt knew them; `open` before `keep`."""

    def __init__(self, path: Path, spans: Spans, meta: str, sync_s: float = 0.25) -> None:
        self.path = path
        self.durable: Counter[str] = Counter()
        """Clips of this attempt that count, by device."""
        self.replaced = ""
        """The runtime whose rows, left by an earlier attempt, were thrown away; empty: none."""
        self.tally: Tally | None = None
        """Takes every row of this attempt once it is written."""
        self._meta = meta
        self._sync_s = sync_s
        self._firsts, self._left = spans.firsts, array("I", spans.counts)
        self._kept: list[_Kept] = []
        self._size = 0
        """Bytes of the scores in `_kept`."""
        self._writes: list[_Write] = []
        """Since the last sync began."""
        self._future: Future[list[_WrittenScores]] | None = None
        """The sync that goes on."""
        self._last = float("-inf")
        self._broken = False
        """The disk refused something: what comes after it is not written."""
        self._writer, self._syncer = ThreadPoolExecutor(1, "rows"), ThreadPoolExecutor(1, "sync")
        self._rows: RowsWriter | None = None
        self.resumed = 0
        """Clips that an earlier attempt had made durable."""
        self.videos_done = sum(not clips for clips in self._left)
        """Videos of which every clip counts."""
        header = read_header(path)
        if header is not None and header.meta == meta:
            self.open(header.classes)
            self._resume()
        elif header is not None:
            path.unlink()  # rows of another runtime are not mixed with this one's
            self.replaced = header.meta

    @property
    def clips(self) -> int:
        """Clips that count, of this attempt and earlier ones."""
        return self.resumed + sum(self.durable.values())

    @property
    def behind(self) -> bool:
        """More waits for the disk than memory should hold: wait for `catch_up` before `keep`."""
        return self._size + sum(write.size for write in self._writes if not write.future.done()) > BEHIND

    def catch_up(self, seconds: float) -> None:
        """Wait until the disk has taken one more write, `seconds` at most."""
        waiting = [write.future for write in self._writes if not write.future.done()]
        wait(waiting[:1], seconds)

    def has(self, number: int) -> bool:
        return self._rows is not None and number in self._rows

    def open(self, classes: int) -> None:
        """Begin the file, or resume it; InputError where it is of other classes, foreign, or being written."""
        if self._rows is None or self._rows.header.classes != classes:
            self._rows = RowsWriter.open_or_resume(self.path, classes, self._meta)

    def keep(self, device: str, clips: tuple[int, ...], logits: NDArray[np.float32]) -> None:
        """Take what a device computed, (len(clips), classes). It counts after the next sync."""
        assert self._rows is not None, "keep before open"
        if self._broken:
            return
        self._kept.append(_Kept(device, clips, logits))
        self._size += logits.nbytes
        if self._size >= TOGETHER:
            self._begin_write()

    def turn(self, now: float) -> None:
        """Take in a sync that has ended, and begin one where one is due (monotonic seconds)."""
        if self._future is not None and self._future.done():
            self._take_in()
        if self._future is None and (self._kept or self._writes) and now - self._last >= self._sync_s:
            self._last = now
            self._begin_sync()

    def flush(self) -> None:
        """Make all that was kept durable, and count it."""
        if self._future is not None:
            self._take_in()
        if self._kept or self._writes:
            self._begin_sync()
            self._take_in()

    def so_far(self) -> dict[str, Scalar]:
        """How many videos are done, and how many of them are right where that is known."""
        if self.tally is None:
            return {"videos_done": self.videos_done}
        return {"videos_done": self.videos_done, **self.tally.figures(), **self.tally.classes()}

    def close(self) -> None:
        """Let go of the file; what is not durable does not count."""
        self._writer.shutdown(wait=True)
        self._syncer.shutdown(wait=True)
        if self._rows is not None:
            self._rows.close()
            self._rows = None

    def _begin_write(self) -> None:
        assert self._rows is not None
        future = self._writer.submit(_write, self._rows, self._kept, self.tally)
        self._writes.append(_Write(future, self._size))
        self._kept, self._size = [], 0

    def _begin_sync(self) -> None:
        assert self._rows is not None
        if self._kept:
            self._begin_write()
        writes, self._writes = [write.future for write in self._writes], []
        self._future = self._syncer.submit(_sync, self._rows, writes)

    def _take_in(self) -> None:
        assert self._future is not None
        future, self._future = self._future, None
        with self._disk():
            done = future.result()
        for written in done:
            self.durable.update(written.devices)
            self._count(written.numbers)

    @contextlib.contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._broken = True
            self._kept, self._writes = [], []
            hint = N_("make room there and run the stage again: it computes only what is missing")
            reason = os_reason(error)
            raise StageError("{path}: {reason}", hint=hint, path=str(self.path), reason=reason) from error

    def extend(self, videos: Sequence[VideoClips]) -> None:
        """More videos, whose clips may have rows of an earlier attempt."""
        for one in videos:
            at = bisect_left(self._firsts, one.first)
            self._firsts.insert(at, one.first)
            self._left.insert(at, one.clips)
            self.videos_done += not one.clips
            self._resume_video(at)
        if self.tally is not None:
            self.tally.extend(videos)

    def _resume(self) -> None:
        for video in range(len(self._firsts)):
            self._resume_video(video)

    def _resume_video(self, video: int) -> None:
        first, clips = self._firsts[video], self._left[video]
        if clips and (there := sum(map(self.has, range(first, first + clips)))):
            self._left[video] = clips - there
            self.resumed += there
            self.videos_done += there == clips

    def _count(self, numbers: NDArray[np.int64]) -> None:
        import numpy as np

        firsts, left = (np.frombuffer(column, np.uint32) for column in (self._firsts, self._left))
        videos, clips = np.unique(owners(firsts, numbers), return_counts=True)
        left[videos] -= clips.astype(left.dtype)
        self.videos_done += int((left[videos] == 0).sum())


def _write(rows: RowsWriter, kept: Sequence[_Kept], tally: Tally | None) -> _WrittenScores:
    """Write rows in one piece; runs in the writing thread."""
    import numpy as np

    logits = np.concatenate([item.logits for item in kept])
    numbers = np.fromiter(chain.from_iterable(item.clips for item in kept), np.int64, len(logits))
    rows.append(numbers.tolist(), logits)
    if tally is not None:
        tally.add(numbers, logits)
    devices: Counter[str] = Counter()
    for item in kept:
        devices[item.device] += len(item.clips)
    return _WrittenScores(devices, numbers)


def _sync(rows: RowsWriter, writes: Sequence[Future[_WrittenScores]]) -> list[_WrittenScores]:
    """What those writes wrote, durable now; runs in the syncing thread."""
    written = [write.result() for write in writes]
    rows.sync()
    return written
