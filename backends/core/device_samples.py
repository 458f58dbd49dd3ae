"""The file of device samples: one JSON line each, bounded, thinned with age.

Lines of one reading stand together and share their time. When the file outgrows its limit, the older readings are
thinned to an even spacing in time, so that a long run stays in it from its beginning, and its last part in full.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from backends.core.codec import DecodeError, dumps, loads
from backends.core.values import DeviceSample

LIMIT = 4 << 20
"""Bytes of the file."""
TAIL = 256 << 10
"""Bytes at the end that hold the latest reading of every device."""


class SampleFile:
    """Appends readings; one writer. An older file of the same name is gone on with."""

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        self._path = path
        self._limit = limit
        path.parent.mkdir(parents=True, exist_ok=True)
        self._open()

    def append(self, samples: Sequence[DeviceSample]) -> None:
        """Write one reading, of all devices at once, in one piece."""
        data = b"".join(dumps(sample).encode("ascii") + b"\n" for sample in samples)
        if self._size + len(data) > self._limit:
            self._thin()
        os.write(self._descriptor, data)
        self._size += len(data)

    def close(self) -> None:
        os.close(self._descriptor)

    def _open(self) -> None:
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._descriptor).st_size
        if self._size and os.pread(self._descriptor, 1, self._size - 1) != b"\n":
            self._size += os.write(self._descriptor, b"\n")  # a writer was killed inside a line

    def _thin(self) -> None:
        readings = list(_readings(self._path.read_bytes().splitlines(keepends=True)))
        recent = len(readings) * 3 // 4
        kept = [*_spaced(readings[:recent], recent // 2), *(data for _, data in readings[recent:])]
        part = self._path.with_name(f".{self._path.name}.part")
        part.write_bytes(b"".join(kept))
        part.replace(self._path)
        os.close(self._descriptor)
        self._open()


def _readings(lines: Sequence[bytes]) -> Iterator[tuple[float, bytes]]:
    """Time and joined lines of each reading; what is no sample is dropped."""
    begun = 0.0
    group: list[bytes] = []
    for text in lines:
        if (sample := _sample(text)) is None:
            continue
        at = sample.at
        if group and at != begun:
            yield begun, b"".join(group)
            group = []
        begun = at
        group.append(text)
    if group:
        yield begun, b"".join(group)


def _spaced(readings: Sequence[tuple[float, bytes]], most: int) -> Iterator[bytes]:
    """At most about `most` of the readings, the first among them, as evenly spaced in time as they allow."""
    if not readings:
        return
    first, last = readings[0][0], readings[-1][0]
    gap, due = (last - first) / max(1, most), first
    for at, data in readings:
        if at >= due:
            yield data
            due = first + gap * (int((at - first) / gap) + 1) if gap > 0 else at + 1


def read_samples(path: Path) -> tuple[DeviceSample, ...]:
    """The latest reading of each device, in the writer's order. Empty where there is no file."""
    latest: dict[str, DeviceSample] = {}
    for text in reversed(_tail(path)):
        sample = _sample(text)
        if sample is None:
            continue
        if sample.device in latest:
            break  # the reading before
        latest[sample.device] = sample
    return tuple(reversed(latest.values()))


def read_history(path: Path, since: float = 0.0) -> tuple[DeviceSample, ...]:
    """Every sample kept that was taken after the wall time `since`, oldest first."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return ()
    return tuple(sample for sample in map(_sample, lines) if sample is not None and sample.at > since)


class SampleTail:
    """What is appended from now on, each sample once; for a reader that follows a run. Never raises."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file, self._offset = self._look() or ((0, 0), 0)
        self._last = float("-inf")

    def new(self) -> list[DeviceSample]:
        """The samples of whole lines since the last call, in the writer's order."""
        now = self._look()
        if now is None or now == (self._file, self._offset):
            return []
        if now[0] != self._file or now[1] < self._offset:  # thinned: what was given stands in it again
            self._file, self._offset = now[0], 0
        try:
            with open(self._path, "rb") as file:
                file.seek(self._offset)
                data = file.read()
        except OSError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        found = [sample for sample in map(_sample, whole.splitlines()) if sample and sample.at > self._last]
        self._last = max((sample.at for sample in found), default=self._last)
        return found

    def _look(self) -> tuple[tuple[int, int], int] | None:
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return (stat.st_dev, stat.st_ino), stat.st_size


def _tail(path: Path) -> list[bytes]:
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL))
            lines = file.read().split(b"\n")
    except OSError:
        return []
    return lines[1:-1] if size > TAIL else lines[:-1]  # the first may be cut, the last is not finished yet


def _sample(text: bytes) -> DeviceSample | None:
    """None where the line is no sample."""
    with contextlib.suppress(DecodeError):
        return loads(DeviceSample, text)
    return None
