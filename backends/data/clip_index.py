"""The clip store's index as the stages read it: which video has which clips. Its lines: `device.clip_format`."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from backends.core.errors import InputError, StageError
from backends.core.messages import Line
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
from backends.device.failures import DeviceError, Message


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
