"""Rows of scores: an append-only file of one checked record a clip. Written by infer, read by score.

    header   magic "R3DROWS1", classes (uint32), bytes of meta (uint32), meta (UTF-8), CRC-32 of all before (uint32)
    record   clip number (int64), CRC-32 of number and logits (uint32), logits (float32 x classes)

Everything is little-endian. A row counts once it is synced; a torn or damaged record ends the file at the last good
one when it is resumed, so that a kill or a power loss costs the rows behind it and nothing else. `meta` is a
word of the writer's that must not change within one file (which runtime made the rows). It knows no runtime by name.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from backends.core.files import sync_folder, write_all
from backends.core.messages import N_, InputError, Scalar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAGIC = b"R3DROWS1"
_FIXED = struct.Struct("<8sII")
_CRC = struct.Struct("<I")
_CHUNK = 1024
"""Records read at once."""


class Header(Struct, frozen=True):
    """What a rows file says of itself."""

    classes: int
    meta: str

    @property
    def data(self) -> bytes:
        meta = self.meta.encode("utf-8")
        start = _FIXED.pack(MAGIC, self.classes, len(meta)) + meta
        return start + _CRC.pack(zlib.crc32(start))


def read_header(path: Path) -> Header | None:
    """The header of a rows file; None where there is no file, or one cut off before its header was whole.

    Raises InputError where the file is something else: it is never overwritten.
    """
    try:
        with open(path, "rb") as file:
            return _read_header(path, file.read(_FIXED.size + 65536))
    except FileNotFoundError:
        return None


class RowsWriter:
    """Appends rows; holds the file's lock, so that a second writer is refused."""

    def __init__(self, path: Path, descriptor: int, header: Header) -> None:
        self.path = path
        self.header = header
        self._file = descriptor
        self._have = bytearray()
        self._count = 0

    @classmethod
    def open_or_resume(cls, path: Path, classes: int, meta: str = "") -> RowsWriter:
        """Resume the file at `path`, or begin it.

        Raises InputError where the file is foreign, is of other classes or another meta, or is being written.
        """
        found = read_header(path)
        header = Header(classes, meta)
        if found is not None and found != header:
            hint = N_("move that file away, or let the stage begin again")
            text = N_("{path}: holds rows of {found} classes ({meta}), not of {classes} ({wanted})")
            facts: dict[str, Scalar] = {"found": found.classes, "meta": found.meta, "classes": classes, "wanted": meta}
            raise InputError(text, hint=hint, path=str(path), **facts)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            _lock(path, descriptor)
            writer = cls(path, descriptor, header)
            writer._resume(begun=found is not None)
        except BaseException:
            os.close(descriptor)
            raise
        return writer

    def __len__(self) -> int:
        return self._count

    def __contains__(self, number: int) -> bool:
        return 0 <= number < len(self._have) and bool(self._have[number])

    def append(self, numbers: Sequence[int], logits: NDArray[np.float32]) -> int:
        """Write rows that are not there yet and give how many that were; they count after `sync`.

        `logits` is (len(numbers), classes), float32. Raises OSError (a full disk): the file is still good up to the
        last whole record, and is resumed from there.
        """
        import numpy as np

        if logits.shape != (len(numbers), self.header.classes):
            raise ValueError(f"{len(numbers)} rows of {self.header.classes} classes expected, not {logits.shape}")
        fresh = [i for i, number in enumerate(numbers) if self._mark(number)]
        records = np.zeros(len(fresh), record_type(self.header.classes))
        records["number"] = [numbers[i] for i in fresh]
        records["logits"] = logits if len(fresh) == len(numbers) else logits[fresh]
        view, size = records.view(np.uint8).data, records.itemsize
        records["crc"] = [_crc(view[at : at + size]) for at in range(0, len(view), size)]
        write_all(self._file, view)
        return len(fresh)

    def sync(self) -> None:
        """Make what was appended before this call durable (fsync). Safe to call from another thread."""
        os.fsync(self._file)

    def close(self) -> None:
        """Let go of the file and its lock."""
        os.close(self._file)

    def _mark(self, number: int) -> bool:
        """Note that `number` has a row; False where it had one."""
        if number < 0:
            raise ValueError(f"clip number {number}")
        if number >= len(self._have):
            self._have.extend(bytes(number + 4096 - len(self._have)))
        if self._have[number]:
            return False
        self._have[number] = 1
        self._count += 1
        return True

    def _resume(self, *, begun: bool) -> None:
        end = len(self.header.data)
        if not begun:
            os.ftruncate(self._file, 0)
            write_all(self._file, self.header.data)
        for records in _good_records(self.path, self.header):
            end += records.nbytes
            for number in records["number"].tolist():
                self._mark(number)
        os.ftruncate(self._file, end)
        os.lseek(self._file, end, os.SEEK_SET)
        os.fsync(self._file)
        sync_folder(self.path.parent)


def _read_header(path: Path, data: bytes) -> Header | None:
    if data[: len(MAGIC)] != MAGIC[: len(data)]:
        hint = N_("move that file away: it was not written by the infer stage")
        raise InputError("{path}: not a file of rows", hint=hint, path=str(path))
    if len(data) < _FIXED.size:
        return None
    _, classes, length = _FIXED.unpack_from(data)
    meta = data[_FIXED.size : _FIXED.size + length].decode("utf-8", "replace")
    header = Header(classes, meta)
    return header if data.startswith(header.data) and classes else None


def all_records(path: Path) -> Iterator[Any]:
    """Every record of a finished file, in chunks; InputError where it is missing, foreign, cut off or damaged."""
    header = read_header(path)
    if header is None:
        raise InputError("{path}: no rows of scores", hint="run the infer stage", path=str(path))
    good = len(header.data)
    for records in _good_records(path, header):
        yield records
        good += records.nbytes
    if good != path.stat().st_size:
        hint = N_("run the infer stage again: it computes only what is missing")
        raise InputError("{path}: cut off or damaged at byte {at}", hint=hint, path=str(path), at=good)


def _good_records(path: Path, header: Header) -> Iterator[Any]:
    """The records up to the first torn or damaged one, in chunks of a structured array."""
    import numpy as np

    kind = record_type(header.classes)
    with open(path, "rb") as file:
        file.seek(len(header.data))
        while data := file.read(kind.itemsize * _CHUNK):
            whole = len(data) // kind.itemsize
            records = np.frombuffer(data, kind, whole)
            good = _good_count(data, records["crc"].tolist(), kind.itemsize)
            if good:
                yield records[:good]
            if good < _CHUNK:
                return


def _good_count(data: bytes, stored: list[int], size: int) -> int:
    view = memoryview(data)
    for i, crc in enumerate(stored):
        # number >= 0: the sign bit is the top bit of the eighth byte
        if _crc(view[i * size : (i + 1) * size]) != crc or view[i * size + 7] & 0x80:
            return i
    return len(stored)


def record_type(classes: int) -> np.dtype[Any]:
    import numpy as np

    return np.dtype([("number", "<i8"), ("crc", "<u4"), ("logits", "<f4", (classes,))])


def _crc(record: memoryview) -> int:
    return zlib.crc32(record[12:], zlib.crc32(record[:8]))


def _lock(path: Path, descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        hint = N_("wait until that process has ended, or end it")
        raise InputError("{path}: another process writes it", hint=hint, path=str(path)) from None
    except OSError:
        pass  # file systems without locks: the engine's own lock on the workspace still holds
