"""The clip store's index: which video has which clips, and the checksum of each. It refuses to know pixels.

`index.jsonl` holds a header, then a line a video, then, once the store is whole, an end line. Each line carries its
own CRC-32, so that a torn or damaged line is known as such:

    {"format": 1, "channels": 3, "frames": 16, ...} 5f0c2a91
    {"id": "...", "label": "wave", "segment": [1, 49], "first": 0, "clips": 3, "before": 3, "crc": [..., ..., ...]} ...
    {"end": [videos, clips], "digest": "..."} 1b0e77d2

Standard library only: whoever needs names and counts reads them without NumPy.
"""

from __future__ import annotations

import json
import sys
import zlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, overload

from backends.contract.codec import DecodeError, decode
from backends.contract.errors import InputError

INDEX = "index.jsonl"
FORMAT = 1
SHARD_CLIPS = 256
"""Clips of a shard file: 154 MB of 16x112x112 clips."""


@dataclass(frozen=True, slots=True)
class ClipHeader:
    """What all clips of a store share. Defaults are the reference's (16 frames of 112x112, Kinetics mean and std)."""

    mean: tuple[float, float, float] = (0.4345, 0.4051, 0.3775)
    std: tuple[float, float, float] = (0.2768, 0.2713, 0.2737)
    channels: int = 3
    frames: int = 16
    height: int = 112
    width: int = 112
    shard_clips: int = SHARD_CLIPS
    format: int = FORMAT

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(channels, frames, height, width) of one clip."""
        return self.channels, self.frames, self.height, self.width

    @property
    def clip_bytes(self) -> int:
        """Bytes of one uint8 clip."""
        return self.channels * self.frames * self.height * self.width

    @property
    def pixels(self) -> tuple[object, ...]:
        """What must be equal for two stores to hold clips of the same kind."""
        return self.format, self.shape, self.shard_clips, self.mean, self.std


@dataclass(frozen=True, slots=True)
class VideoClips:
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
        """The clip numbers."""
        return range(self.first, self.first + self.clips)


class Videos(Sequence[VideoClips]):
    """The index in memory, in its order: flat arrays, so that 100,000 videos cost little beside their names."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._labels: list[str] = []
        self._numbers = array("q")
        self._crc = array("I")
        self._crc_at = array("q")

    def add(self, video: VideoClips, crc: Sequence[int]) -> None:
        """Append a video and its clips' checksums."""
        self._ids.append(video.id)
        self._labels.append(sys.intern(video.label))
        self._numbers.extend((video.first, video.clips, video.clips_before_cut, *video.segment))
        self._crc_at.append(len(self._crc))
        self._crc.extend(crc)

    def move(self, place: int, first: int) -> None:
        """Say that the clips of the video at `place` now begin at clip `first`."""
        self._numbers[place * 5] = first

    def crc(self, place: int) -> Sequence[int]:
        """CRC-32 of each clip of the video at `place`."""
        begin = self._crc_at[place]
        return self._crc[begin : begin + self._numbers[place * 5 + 1]]

    @property
    def clips(self) -> int:
        """Clips of all videos."""
        return len(self._crc)

    def crc_by_number(self) -> Sequence[int]:
        """CRC-32 of each clip by its number, for videos whose numbers leave no gap."""
        if self._crc_at == self._numbers[::5]:
            return self._crc
        found = array("I", bytes(4 * len(self._crc)))
        for place in range(len(self)):
            first, clips = self._numbers[place * 5 : place * 5 + 2]
            found[first : first + clips] = self._crc[self._crc_at[place] : self._crc_at[place] + clips]
        return found

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, place: int) -> VideoClips: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[VideoClips, ...]: ...
    def __getitem__(self, place: int | slice) -> VideoClips | tuple[VideoClips, ...]:
        if isinstance(place, slice):
            return tuple(self[n] for n in range(*place.indices(len(self))))
        place = range(len(self))[place]
        first, clips, before, start, end = self._numbers[place * 5 : place * 5 + 5]
        return VideoClips(self._ids[place], self._labels[place], first, clips, before, (start, end))

    def __iter__(self) -> Iterator[VideoClips]:
        return (self[place] for place in range(len(self)))


@dataclass(frozen=True, slots=True)
class ClipIndex:
    """A whole store's header and videos."""

    header: ClipHeader
    videos: Videos
    clip_count: int
    digest: str
    """SHA-256 over the header and every video's line: equal digests, equal clips under equal numbers."""


def seal(body: object) -> bytes:
    """One line of the index: JSON and its CRC-32."""
    text = json.dumps(body, ensure_ascii=True, separators=(",", ":")).encode("ascii")
    return b"%s %08x\n" % (text, zlib.crc32(text))


def unseal(text: bytes) -> dict[str, Any] | None:
    """The line's table; None where the line is torn or damaged."""
    body, _, mark = text.rstrip(b"\n").rpartition(b" ")
    if not text.endswith(b"\n") or mark != b"%08x" % zlib.crc32(body):
        return None
    table = json.loads(body.decode("ascii"))
    return table if isinstance(table, dict) else None


def header_line(header: ClipHeader) -> bytes:
    """The first line of an index."""
    return seal(asdict(header))


def video_line(video: VideoClips, crc: Sequence[int]) -> bytes:
    """A video's line."""
    return seal(
        {
            "id": video.id,
            "label": video.label,
            "segment": video.segment,
            "first": video.first,
            "clips": video.clips,
            "before": video.clips_before_cut,
            "crc": list(crc),
        }
    )


def parse_header(table: dict[str, Any] | None) -> ClipHeader | None:
    """The header of a table, None where it is not one of this format."""
    try:
        header = decode(ClipHeader, table)
    except DecodeError:
        return None
    return header if header.format == FORMAT else None


def parse_video(table: dict[str, Any] | None) -> tuple[VideoClips, list[int]] | None:
    """A video and its checksums from a table, None where it is not a video's line."""
    if table is None or "id" not in table:
        return None
    start, end = table["segment"]
    place = VideoClips(table["id"], table["label"], table["first"], table["clips"], table["before"], (start, end))
    return place, table["crc"]


def read_index(folder: Path) -> ClipIndex:
    """Read the index of a finished store; InputError where there is none, or where it is torn or damaged."""
    path = folder / INDEX
    videos = Videos()
    try:
        with open(path, "rb") as lines:
            header = parse_header(unseal(lines.readline(1 << 16)))
            if header is None:
                raise _unfit(path, 1)
            for number, text in enumerate(lines, start=2):
                table = unseal(text)
                if table is not None and "end" in table:
                    return _whole(path, header, videos, table, number)
                video = parse_video(table)
                if video is None:
                    raise _unfit(path, number)
                videos.add(*video)
    except OSError as error:
        reason = error.strerror or str(error)
        hint = "run the preprocess stage first"
        raise InputError("{path}: no clip store: {reason}", hint=hint, path=str(path), reason=reason) from None
    hint = "run the preprocess stage to its end"
    raise InputError("{path}: the clip store is not finished", hint=hint, path=str(path))


def _whole(path: Path, header: ClipHeader, videos: Videos, end: dict[str, Any], number: int) -> ClipIndex:
    if end["end"] != [len(videos), videos.clips]:
        raise _unfit(path, number)
    return ClipIndex(header, videos, videos.clips, end["digest"])


def _unfit(path: Path, number: int) -> InputError:
    text = "{path}, line {number}: damaged, or of another version of r3d-tui"
    return InputError(text, hint="run the preprocess stage again", path=str(path), number=number)
