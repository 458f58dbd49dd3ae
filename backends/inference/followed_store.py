"""A clip store that preprocess is still writing, as infer works on it: the index line by line, batches as they fill.

What it worked by is recorded, durable before the rows that come of it: rows count for a finished store only where every
recorded line is a line of that store's index. So a store that was repaired or renumbered meanwhile costs time alone.
"""

import os
import time
from array import array
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from backends.core.files import sync_folder, write_whole
from backends.core.messages import line
from backends.data.clip_store import video_of
from backends.device.clip_format import INDEX, VideoLine, checksums, read_video
from backends.inference import lease_events as ev
from backends.inference.batch_layout import Batch, Packer
from backends.inference.result_log import Ledger
from backends.worker.job import Job

RECORD = "followed.jsonl"
POLL_S = 0.2
STAGE = "preprocess"
BURST = 8
"""Batches for each device that are handed out at once: one by one a device would wait for each, and its rate, which is
measured while it has work, would be that of waiting."""


class FollowedStore:
    """The store of one attempt; the pool polls it for batches. One thread."""

    def __init__(self, job: Job, folder: Path, batch: int, ledger: Ledger, devices: int = 1) -> None:
        self._job, self._index, self._ledger = job, folder / INDEX, ledger
        self._packer, self._numbers = Packer(batch), count()
        self._full: list[Batch] = []
        self._burst = BURST * devices
        recorded = _lines(job.out / RECORD)
        self._recorded = {one.id: text for one, text in recorded}
        self._record = open(job.out / RECORD, "ab", buffering=0)  # noqa: SIM115 - closed by `close`
        self._record.truncate(sum(len(text) for _, text in recorded))
        sync_folder(job.out)
        self._given: set[str] = set()
        self._crc, self._owned = array("I"), bytearray()
        """Of each clip by its number, and whether a video of `_given` has it."""
        self._place, self._inode = 0, -1
        self._polled = float("-inf")
        self._is_changed = False
        self._is_ended = False

    def close(self) -> None:
        self._record.close()

    def checksums(self, clips: Sequence[int]) -> tuple[int, ...]:
        """CRC-32 of each: a device computes these bytes and no others."""
        return tuple(self._crc[number] for number in clips)

    def poll(self) -> ev.More | None:
        """More batches, some for each device at once; None where there are too few yet, or no more."""
        now = time.monotonic()
        if self._is_ended or now - self._polled < POLL_S:
            return None
        self._polled = now
        self._is_ended = not self._job.upstream[STAGE].is_growing  # asked first: what was written by then is read below
        groups = [*self._read(), *(self._packer.rest() if self._is_ended else ())]
        self._full += [Batch(next(self._numbers), clips) for clips in groups]
        if len(self._full) < self._burst and not self._is_ended:
            return None
        burst, self._full = tuple(self._full), []
        return ev.More(burst, is_last=self._is_ended)

    def _read(self) -> list[tuple[int, ...]]:
        """Full batches of what stands in the index by now; nothing more once it contradicts itself."""
        found = [(one, text) for one, text in self._more() if one.id not in self._given]
        for one, text in found:
            taken = any(self._owned[one.first : one.first + one.clips])
            self._is_changed |= taken or self._recorded.get(one.id, text) != text
        if self._is_changed:
            return []
        if fresh := b"".join(text for one, text in found if one.id not in self._recorded):
            self._record.write(fresh)
            os.fdatasync(self._record.fileno())
        self._ledger.extend([video_of(one) for one, _ in found])
        return [group for one, _ in found for group in self._take(one)]

    def _take(self, one: VideoLine) -> Iterator[tuple[int, ...]]:
        end = one.first + one.clips
        if (missing := end - len(self._crc)) > 0:
            self._owned.extend(bytes(missing))
            self._crc.extend(array("I", bytes(4 * missing)))
        self._owned[one.first : end] = b"\1" * one.clips
        self._crc[one.first : end] = checksums(one.crc)
        self._given.add(one.id)
        return self._packer.add(tuple(n for n in range(one.first, end) if not self._ledger.has(n)))

    def _more(self) -> Iterator[tuple[VideoLine, bytes]]:
        """Whole lines behind the last one that was read; all of them where the index is another file now."""
        try:
            with open(self._index, "rb") as file:
                if os.fstat(file.fileno()).st_ino != self._inode:
                    self._inode, self._place = os.fstat(file.fileno()).st_ino, 0
                file.seek(self._place)
                for text in file:
                    if not text.endswith(b"\n"):
                        return
                    self._place += len(text)
                    if (one := read_video(text)) is not None:
                        yield one, text
        except FileNotFoundError:
            return


def is_growing(job: Job) -> bool:
    """Whether the stage's clips are still being made."""
    return STAGE in job.upstream and job.upstream[STAGE].is_growing


def wait_until_whole(job: Job) -> None:
    """For work that takes the whole store at once. Stopped on request."""
    while is_growing(job):
        job.check_stop()
        job.progress(0, None, "clips", note=line("waits for {stage}", stage=STAGE))
        time.sleep(POLL_S)


def wait_until_begun(job: Job, folder: Path) -> bool:
    """Until the store is there to be read; False where it was finished meanwhile. Stopped on request."""
    while is_growing(job):
        if (folder / INDEX).exists():
            return True
        job.check_stop()
        time.sleep(POLL_S / 4)
    return False


def fits(out: Path, folder: Path) -> bool:
    """Whether what an attempt in `out` worked by is part of the finished store; True where it followed none."""
    recorded = {one.id: text for one, text in _lines(out / RECORD)}
    if not recorded:
        return True
    with open(folder / INDEX, "rb") as file:
        for text in file:
            one = read_video(text)
            if one is not None and recorded.get(one.id) == text:
                del recorded[one.id]
    return not recorded


def record_whole(out: Path, folder: Path) -> None:
    """From here on the rows in `out` are of this finished store and no other, whichever one their folder meets next."""
    with open(folder / INDEX, "rb") as index:
        write_whole(out / RECORD, (text for text in index if read_video(text) is not None))


def _lines(record: Path) -> list[tuple[VideoLine, bytes]]:
    """The lines of a record; a torn last one had no rows yet, a damaged one fits no store."""
    try:
        texts = record.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    return [(one or VideoLine("", "", 0, 0, 0, (0, 0), b""), text) for text in texts if text.endswith(b"\n")
            for one in (read_video(text),)]  # fmt: skip
