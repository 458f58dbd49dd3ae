"""The clip store's index: which video has which clips, and the checksum of each. It refuses to know pixels.

`index.jsonl` holds a header, then a line a video, then, once the store is whole, an end line. Each line carries its
own CRC-32, so that a torn or damaged line is known as such:

    {"format": 1, "channels": 3, "frames": 16, ...} 5f0c2a91
    {"id": "...", "label": "wave", "segment": [1, 49], "first": 0, "clips": 3, "before": 3, "crc": [..., ..., ...]} ...
    {"end": [videos, clips], "digest": "..."} 1b0e77d2

No NumPy: whoever needs names and counts alone reads them without it.
"""

from __future__ import annotations

import json
import re
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from backends.core.codec import DecodeError, decode
from backends.core.errors import InputError
from backends.core.messages import N_, os_reason
from backends.core.model_io import KINETICS, Channels

INDEX = "index.jsonl"
FORMAT = 1
SHARD_CLIPS = 256
"""Clips of a shard file: 154 MB of 16x112x112 clips."""


@dataclass(frozen=True, slots=True)
class ClipHeader:
    """What all clips of a store share. Defaults are the reference's (16 frames of 112x112, Kinetics mean and std)."""

    mean: Channels = KINETICS.mean
    std: Channels = KINETICS.std
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
        """The clip numbers."""
        return range(self.first, self.first + self.clips)


@dataclass(frozen=True, slots=True)
class ClipIndex:
    """A whole store's header and videos."""

    header: ClipHeader
    videos: tuple[VideoClips, ...]
    clip_count: int
    digest: str
    """SHA-256 over the header and every video's line: equal digests, equal clips under equal numbers."""
    crc: Sequence[int] | Mapping[int, int] = ()
    """CRC-32 of each clip by its number, where it was asked for."""


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


def read_video(text: bytes) -> tuple[VideoClips, bytes] | None:
    """A video of its line, and what `checksums` reads; None where the line is damaged, or not a video's."""
    found = _LINE.fullmatch(text)  # as `video_line` writes it, with nothing to escape: a third of the time of JSON
    if found is not None and int(found[9], 16) == zlib.crc32(found[1]):
        _, name, label, start, end, first, clips, before, _ = found.groups()
        segment = int(start), int(end)
        video = VideoClips(name.decode("ascii"), label.decode("ascii"), int(first), int(clips), int(before), segment)
        return video, found[1][found[1].rindex(b"[") + 1 : -2]
    table = unseal(text)
    if table is None or "id" not in table:
        return None
    start, end = table["segment"]
    video = VideoClips(table["id"], table["label"], table["first"], table["clips"], table["before"], (start, end))
    return video, ",".join(map(str, table["crc"])).encode()


def checksums(text: bytes) -> array[int]:
    """CRC-32 of each clip of a video, of what `read_video` gave."""
    return array("I", map(int, text.split(b",")) if text else ())


_LINE = re.compile(
    rb'(\{"id":"([ !#-\[\]-~]*)","label":"([ !#-\[\]-~]*)","segment":\[(\d+),(\d+)\],"first":(\d+),"clips":(\d+),'
    rb'"before":(\d+),"crc":\[[\d,]*\]\}) ([0-9a-f]{8})\n'
)


def read_index(folder: Path, *, crc: bool = False) -> ClipIndex:
    """Read the index of a finished store; InputError where there is none, or where it is torn or damaged."""
    videos: list[VideoClips] = []
    found = array("I")
    lines = _Lines(folder / INDEX)
    for video, text in lines:
        videos.append(video)
        if crc:
            found.extend(checksums(text))
    clips = sum(video.clips for video in videos)
    ordered = _by_number(videos, found) if crc else ()
    if ordered is None:
        raise _unfit(folder / INDEX, len(videos) + 2)
    return ClipIndex(lines.header, tuple(videos), clips, lines.digest, ordered)


def each_video(folder: Path) -> Iterator[VideoClips]:
    """The videos of a finished store in their order, read once; the last one is given before its end is known."""
    return (video for video, _ in _Lines(folder / INDEX))


def find_video(folder: Path, name: str) -> tuple[ClipHeader, VideoClips, array[int]] | None:
    """One video by its name, with the checksums of its clips; None where there is none of that name.

    The other lines are passed over unread: InputError only where the header or the video's own line is damaged.
    """
    path, begin = folder / INDEX, b'{"id":%s,' % json.dumps(name).encode("ascii")
    try:
        with open(path, "rb") as lines:
            header = parse_header(unseal(lines.readline(1 << 16)))
            if header is None:
                raise _unfit(path, 1)
            for number, text in enumerate(lines, 2):
                if text.startswith(begin):
                    found = read_video(text)
                    if found is None:
                        raise _unfit(path, number)
                    return header, found[0], checksums(found[1])
    except OSError as error:
        raise _missing(path, error) from None
    return None


class _Lines:
    """An index read through: video and checksums of each line. Errors as of `read_index`, where they stand."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.header = ClipHeader()
        self.digest = ""

    def __iter__(self) -> Iterator[tuple[VideoClips, bytes]]:
        videos = clips = 0
        try:
            with open(self._path, "rb") as lines:
                text = lines.readline(1 << 16)
                header = parse_header(unseal(text))
                if header is None:
                    raise _unfit(self._path, 1)
                self.header = header
                for text in lines:
                    found = read_video(text)
                    if found is None:
                        self.digest = self._whole(unseal(text), videos, clips)
                        return
                    yield found
                    videos, clips = videos + 1, clips + found[0].clips
        except OSError as error:
            raise _missing(self._path, error) from None
        hint = N_("run the preprocess stage to its end")
        raise InputError("{path}: the clip store is not finished", hint=hint, path=str(self._path))

    def _whole(self, end: dict[str, Any] | None, videos: int, clips: int) -> str:
        if end is None or end.get("end") != [videos, clips]:
            raise _unfit(self._path, videos + 2)
        return str(end["digest"])


def _by_number(videos: Sequence[VideoClips], crc: array[int]) -> Sequence[int] | None:
    """The checksums, given in the index's order, in the order of clip numbers; None where a number is beyond them."""
    at, found = 0, array("I", crc)
    for video in videos:
        if video.first + video.clips > len(crc) or at + video.clips > len(crc):
            return None
        found[video.first : video.first + video.clips] = crc[at : at + video.clips]
        at += video.clips
    return found if at == len(crc) else None


def _missing(path: Path, error: OSError) -> InputError:
    reason = os_reason(error)
    hint = N_("run the preprocess stage first")
    return InputError("{path}: no clip store: {reason}", hint=hint, path=str(path), reason=reason)


def _unfit(path: Path, number: int) -> InputError:
    text = N_("{path}, line {number}: damaged, or of another version of r3d-tui")
    return InputError(text, hint="run the preprocess stage again", path=str(path), number=number)
