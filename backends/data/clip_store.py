"""The clip store as the stages read it: its index, and clips by number. Files: `device.clip_format`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends.core.errors import StageError
from backends.data.clip_index import ClipIndex, VideoClips, as_ours, find_video, read_index
from backends.device import clip_kernels
from backends.device.clip_reader import ClipReader

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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
        self._reader = ClipReader(folder, index.header, index.crc, index.clip_count, check=check)

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
        with as_ours():
            self._reader.fill((number,), (clip,))
        return clip

    def batch(
        self, numbers: Sequence[int], out: NDArray[Any] | None = None, *, pad_to: int | None = None
    ) -> NDArray[Any]:
        """As `ClipReader.batch`. StageError where a clip is damaged."""
        with as_ours():
            return self._reader.batch(numbers, out, pad_to=pad_to)

    def damaged(self) -> Iterator[VideoClips]:
        """Read everything and give the videos of which a clip does not match its checksum."""
        import numpy as np

        rooms = (clip_kernels.buffer(self.header.shape, np.uint8),)
        for video in self.videos:
            try:
                with as_ours():
                    for number in video.numbers:
                        self._reader.fill((number,), rooms, check=True)
            except StageError:
                yield video
