"""The clip store, read side: uint8 clips by number, and float32 batches of them as the reference normalises.

A store is a folder: `index.jsonl` (see `clip_index`) and shard files `clips-00000.u8` of `shard_clips` clips each,
clip after clip, each (3, 16, 112, 112) uint8 in C order. Clip n stands in shard n // shard_clips. Clips are read with
`pread`, not mapped: flat in memory, and a failing disk is an error rather than a SIGBUS
(docs/decisions/0004-preprocess-kernel.md).
It refuses to know where clips come from and what becomes of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends.core.errors import InputError, StageError
from backends.core.messages import N_, os_reason
from backends.data import clip_kernels
from backends.data.clip_index import ClipHeader, ClipIndex, VideoClips, find_video, read_index

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ClipHeader", "ClipIndex", "ClipStore", "VideoClips", "read_index", "shard_path"]


def shard_path(folder: Path, shard: int) -> Path:
    """The file that holds clips `shard * shard_clips` and on."""
    return folder / f"clips-{shard:05d}.u8"


class ClipStore:
    """A finished store, open for reading: cheap to open in each process, safe to read from several threads.

    Each clip is compared with its checksum when it is read (`check=False` trusts the disk); a damaged one raises
    StageError and is never handed out.
    """

    def __init__(self, folder: Path, index: ClipIndex, *, check: bool = True) -> None:
        self.folder = folder
        self.header = index.header
        self.videos = index.videos
        """In annotation order."""
        self.clip_count = index.clip_count
        """Clips are numbered from 0 up to this."""
        self.digest = index.digest
        self._check = check
        self._crc = index.crc
        self._levels = clip_kernels.levels(index.header.mean, index.header.std)

    @classmethod
    def open(cls, folder: Path, *, check: bool = True) -> ClipStore:
        """Open the store in `folder`; InputError where it is missing, unfinished or its index is damaged."""
        return cls(folder, read_index(folder, crc=True), check=check)

    @classmethod
    def open_one(cls, folder: Path, video: str) -> ClipStore | None:
        """Of the store in `folder` one video alone, without reading the whole index; None where there is none."""
        found = find_video(folder, video)
        if found is None:
            return None
        header, place, crc = found
        index = ClipIndex(header, (place,), place.first + place.clips, "", dict(zip(place.numbers, crc, strict=False)))
        return cls(folder, index)

    @staticmethod
    def index(folder: Path) -> ClipIndex:
        """What the store in `folder` holds, for those who read no clip: its checksums are left out."""
        return read_index(folder)

    def clip(self, number: int, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """One clip, uint8 (3, 16, 112, 112), in `out` where given.

        IndexError outside the store, StageError where it is damaged.
        """
        import numpy as np

        clip = clip_kernels.buffer(self.header.shape, np.uint8) if out is None else out
        self._fill((number,), (clip,))
        return clip

    def batch(
        self, numbers: Sequence[int], out: NDArray[Any] | None = None, *, pad_to: int | None = None
    ) -> NDArray[Any]:
        """Normalised clips, float32 (rows, 3, 16, 112, 112) where rows is len(numbers), or `pad_to`.

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
            raise ValueError(f"out is {out.dtype} {out.shape}, not float32 {(rows, *self.header.shape)}")
        batch = out[:rows]
        self._fill(numbers, batch)
        batch[len(numbers) :] = 0
        return batch

    def damaged(self) -> Iterator[VideoClips]:
        """Read everything and give the videos of which a clip does not match its checksum."""
        import numpy as np

        rooms = (clip_kernels.buffer(self.header.shape, np.uint8),)
        for video in self.videos:
            try:
                for number in video.numbers:
                    self._fill((number,), rooms, check=True)
            except StageError:
                yield video

    def _fill(self, numbers: Sequence[int], rows: Iterable[NDArray[Any]], *, check: bool = False) -> None:
        """Fill a row, C-contiguous, with each of the clips in turn: bytes as they are, floats normalised."""
        import numpy as np

        header, checked = self.header, check or self._check
        room: NDArray[np.uint8] | None = None
        descriptor, opened = -1, -1
        try:
            for number, row in zip(numbers, rows, strict=False):
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
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            reason = os_reason(error)
            hint = N_("run the preprocess stage again")
            raise InputError("{path}: {reason}", hint=hint, path=str(path), reason=reason) from None
        if last >= 0:
            os.close(last)
        return descriptor

    def _damage(self, number: int) -> StageError:
        video = next(video.id for video in self.videos if number in video.numbers)
        text = N_("{folder}: clip {number} of {video} does not match its checksum")
        hint = N_("run the preprocess stage again: it redoes damaged videos only")
        return StageError(text, hint=hint, folder=str(self.folder), number=number, video=video)
