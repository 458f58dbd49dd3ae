"""Reads clips from a store by number, as bytes or normalised as the reference does, each against its checksum.

Clips are read with `pread`, not mapped: flat in memory, and a failing disk is an error rather than a SIGBUS
(docs/decisions/0004-preprocess-kernel.md).
"""

from __future__ import annotations

import os
from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends.device import clip_kernels
from backends.device.clip_format import (
    INDEX,
    ClipHeader,
    IndexLines,
    checksums,
    damaged_line,
    no_index,
    parse_header,
    shard_path,
    unseal,
)
from backends.device.failures import N_, DeviceError, os_reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray


class ClipReader:
    """A finished store, open for reading: cheap to open in each process, safe to read from several threads.

    A clip that does not match its checksum raises DeviceError and is never handed out; `check=False` trusts the disk.
    """

    def __init__(
        self,
        folder: Path,
        header: ClipHeader,
        crc: Sequence[int] | Mapping[int, int],
        clip_count: int,
        *,
        check: bool = True,
    ) -> None:
        """`crc` is the CRC-32 of each clip by its number; clips are numbered from 0 up to `clip_count`."""
        self.folder = folder
        self.header = header
        self.clip_count = clip_count
        self._crc = crc
        self._check = check
        self._levels = clip_kernels.levels(header.mean, header.std)

    @classmethod
    def open(cls, folder: Path) -> ClipReader:
        """Open the store in `folder`. DeviceError where it is missing, unfinished or its index is damaged."""
        lines, found = IndexLines(folder), array("I")
        for video in lines:
            if len(found) < video.first + video.clips:
                found.extend(array("I", bytes(4 * (video.first + video.clips - len(found)))))
            found[video.first : video.first + video.clips] = checksums(video.crc)
        return cls(folder, lines.header, found, len(found))

    def batch(
        self, numbers: Sequence[int], out: NDArray[Any] | None = None, *, pad_to: int | None = None
    ) -> NDArray[Any]:
        """Normalised clips, float32 (rows, channels, frames, height, width), rows being len(numbers) or `pad_to`.

        Rows beyond the numbers are zeros. `out`, where given, is C-contiguous with at least that many rows; its first
        rows are filled and returned. The floats are the reference's exactly: ((u8 / 255) - mean) / std, each step in
        float32. Where `out` is uint8 it gets the clips as they are, for a model that normalises.
        """
        import numpy as np

        rows = len(numbers) if pad_to is None else pad_to
        if rows < len(numbers):
            raise ValueError(f"{len(numbers)} clips do not fit {rows} rows")
        if out is None:
            out = np.empty((rows, *self.header.shape), np.float32)
        elif out.shape[1:] != self.header.shape or len(out) < rows or out.dtype not in (np.float32, np.uint8):
            shape = (rows, *self.header.shape)
            raise ValueError(f"out is {out.dtype} {out.shape}, not float32 {shape}")
        batch = out[:rows]
        self.fill(numbers, batch)
        batch[len(numbers) :] = 0
        return batch

    def fill(self, numbers: Sequence[int], rows: Iterable[NDArray[Any]], *, check: bool = False) -> None:
        """Fill a row, C-contiguous, with each of the clips in turn: bytes as they are, floats normalised."""
        import numpy as np

        header, checked = self.header, check or self._check
        room: NDArray[np.uint8] | None = None
        descriptor, opened = -1, -1
        try:
            for number, row in zip(numbers, rows):
                if not 0 <= number < self.clip_count:
                    raise IndexError(f"clip {number} of {self.clip_count}")
                shard, place = divmod(number, header.shard_clips)
                if shard != opened:
                    descriptor, opened = self._open(shard, descriptor), shard
                offset = place * header.clip_bytes
                if row.dtype == np.uint8:
                    got, crc = clip_kernels.read_bytes(descriptor, offset, row, checked=checked)
                else:
                    room = clip_kernels.buffer(header.shape, np.uint8) if room is None else room
                    got, crc = clip_kernels.read_floats(descriptor, offset, self._levels, row, room, checked=checked)
                if got != header.clip_bytes or (checked and crc != self._crc[number]):
                    raise self._damage(number)
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def _open(self, shard: int, last: int) -> int:
        path = shard_path(self.folder, shard)
        try:
            descriptor = os.open(str(path), os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            text, reason = N_("{path}: {reason}"), os_reason(error)
            hint = N_("run the preprocess stage again")
            raise DeviceError(text, hint=hint, exit_code=2, path=str(path), reason=reason) from None
        if last >= 0:
            os.close(last)
        return descriptor

    def _damage(self, number: int) -> DeviceError:
        names = (one.id for one in IndexLines(self.folder) if one.first <= number < one.first + one.clips)
        text = N_("{folder}: clip {number} of {video} does not match its checksum")
        hint = N_("run the preprocess stage again: it redoes damaged videos only")
        return DeviceError(text, hint=hint, folder=str(self.folder), number=number, video=next(names, "?"))


class GrowingClipReader(ClipReader):
    """A store that is still being written: whoever asks for clips knows their checksums."""

    @classmethod
    def open(cls, folder: Path) -> GrowingClipReader:
        """DeviceError where the store was not even begun."""
        try:
            with open(str(folder / INDEX), "rb") as lines:
                header = parse_header(unseal(lines.readline(1 << 16)))
        except OSError as error:
            raise no_index(folder / INDEX, error) from None
        if header is None:
            raise damaged_line(folder / INDEX, 1)
        return cls(folder, header, {}, 1 << 62)

    def batch(
        self,
        numbers: Sequence[int],
        out: NDArray[Any] | None = None,
        *,
        pad_to: int | None = None,
        crc: Sequence[int] = (),
    ) -> NDArray[Any]:
        self._crc = dict(zip(numbers, crc))
        return super().batch(numbers, out, pad_to=pad_to)
