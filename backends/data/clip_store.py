"""The clip store as the stages read it: its index, and clips by number. Files: `device.clip_format`."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from backends.core.messages import N_, InputError, Line, StageError
from backends.device import clip_kernels
from backends.device.clip_format import (
    INDEX,
    ClipHeader,
    IndexLines,
    VideoLine,
    checksums,
    damaged_line,
    no_index,
    parse_header,
    read_video,
    unseal,
)
from backends.device.clip_reader import ClipReader
from backends.device.failures import DeviceError, Message

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


REMOTE = "on-servers"
"""A file in a store whose clips were made and used on other servers: only its index is here."""


class VideoClips(msgspec.Struct, frozen=True, gc=False):
    """One video's place in the store: clips `first` to `first + clips - 1`."""

    id: str
    label: str
    first: int
    clips: int
    """Clips kept."""
    clips_before_cut: int
    """Clips that the segment gives before the cap: what `hmdb51.info` says."""
    segment: tuple[int, int] = (0, 0)
    """Frames [first, end) of the annotation."""

    @property
    def numbers(self) -> range:
        return range(self.first, self.first + self.clips)


class ClipIndex(Struct, frozen=True):
    """A whole store's header and videos."""

    header: ClipHeader
    videos: tuple[VideoClips, ...]
    clip_count: int
    digest: str
    """SHA-256 over the header and every video's line: equal digests, equal clips under equal numbers."""
    crc: Sequence[int] | Mapping[int, int] = ()
    """CRC-32 of each clip by its number, where it was asked for."""


def read_index(folder: Path, *, crc: bool = False) -> ClipIndex:
    """Read the index of a finished store; InputError where there is none, or where it is torn or damaged."""
    videos: list[VideoClips] = []
    found = array("I")
    lines = IndexLines(folder)
    with as_ours():
        for text in lines:
            videos.append(video_of(text))
            if crc:
                found.extend(checksums(text.crc))
        ordered = _by_number(videos, found) if crc else ()
        if ordered is None:
            raise damaged_line(folder / INDEX, len(videos) + 2)
    clips = sum(video.clips for video in videos)
    return ClipIndex(lines.header, tuple(videos), clips, lines.digest, ordered)


def refuse_remote(folder: Path) -> None:
    """InputError where the store has its index alone, since other servers made its clips."""
    if (folder / REMOTE).exists():
        hint = N_("run with --cluster as before, or make them here: r3d-tui rerun preprocess")
        raise InputError("{path}: its clips were made on other servers and are not here", hint=hint, path=str(folder))


def each_video(folder: Path) -> Iterator[VideoClips]:
    """The videos of a finished store in their order, read once; the last one is given before its end is known."""
    with as_ours():
        yield from map(video_of, IndexLines(folder))


def find_video(folder: Path, name: str) -> tuple[ClipHeader, VideoClips, array[int]] | None:
    """One video by its name, with the checksums of its clips; None where there is none of that name.

    The other lines are passed over unread: InputError only where the header or the video's own line is damaged.
    """
    path, begin = folder / INDEX, b'{"id":%s,' % json.dumps(name).encode("ascii")
    with as_ours():
        try:
            with open(path, "rb") as lines:
                header = parse_header(unseal(lines.readline(1 << 16)))
                if header is None:
                    raise damaged_line(path, 1)
                for number, text in enumerate(lines, 2):
                    if text.startswith(begin):
                        found = read_video(text)
                        if found is None:
                            raise damaged_line(path, number)
                        return header, video_of(found), checksums(found.crc)
        except OSError as error:
            raise no_index(path, error) from None
    return None


def video_of(found: VideoLine) -> VideoClips:
    return VideoClips(found.id, found.label, found.first, found.clips, found.clips_before_cut, found.segment)


def _by_number(videos: Sequence[VideoClips], crc: array[int]) -> Sequence[int] | None:
    """The checksums, given in the index's order, in the order of clip numbers; None where a number is beyond them."""
    at, found = 0, array("I", crc)
    for video in videos:
        if video.first + video.clips > len(crc) or at + video.clips > len(crc):
            return None
        found[video.first : video.first + video.clips] = crc[at : at + video.clips]
        at += video.clips
    return found if at == len(crc) else None


@contextmanager
def as_ours() -> Iterator[None]:
    """What reading the files of a store raises, as an error of the tree."""
    try:
        yield
    except DeviceError as error:
        kind = InputError if error.exit_code == InputError.exit_code else StageError
        facts = {name: Line(*one) if isinstance(one, Message) else one for name, one in error.reason.facts.items()}
        raise kind(error.reason.template, hint=error.hint.template, **facts) from None
