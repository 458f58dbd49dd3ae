"""The files of a clip store: `clips-00000.u8` with the clips, `index.jsonl` with which video has which of them.

The index holds a header, a line a video and, once the store is whole, an end line, each with a CRC-32 of its own, so
that a torn or damaged line is known as such:

    {"format": 1, "channels": 3, "frames": 16, ...} 5f0c2a91
    {"id": "...", "label": "wave", "segment": [1, 49], "first": 0, "clips": 3, "before": 3, "crc": [..., ..., ...]} ...
    {"end": [videos, clips], "digest": "..."} 1b0e77d2

Clip n stands in shard n // shard_clips, (channels, frames, height, width) uint8 in C order.
"""

from __future__ import annotations

import json
import re
import zlib
from array import array
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from backends.device.failures import N_, DeviceError, os_reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

INDEX = "index.jsonl"
FORMAT = 1
SHARD_CLIPS = 256
"""Clips of a shard file: 154 MB of 16x112x112 clips."""


KINETICS_MEAN: tuple[float, float, float] = (0.4345, 0.4051, 0.3775)
KINETICS_STD: tuple[float, float, float] = (0.2768, 0.2713, 0.2737)
"""The reference's defaults, which the guide uses; its other presets stand in `core.model_io`."""


@dataclass(frozen=True)
class ClipHeader:
    """What all clips of a store share. Defaults are the reference's (16 frames of 112x112, Kinetics mean and std)."""

    mean: tuple[float, float, float] = KINETICS_MEAN
    std: tuple[float, float, float] = KINETICS_STD
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


class VideoLine(NamedTuple):
    """One video's place in the store: clips `first` to `first + clips - 1`."""

    id: str
    label: str
    first: int
    clips: int
    clips_before_cut: int
    segment: tuple[int, int]
    crc: bytes
    """What `checksums` reads."""


def shard_path(folder: Path, shard: int) -> Path:
    """The file that holds clips `shard * shard_clips` and on."""
    return folder / f"clips-{shard:05d}.u8"


def seal(body: object) -> bytes:
    """One line of the index: JSON and its CRC-32."""
    text = json.dumps(body, ensure_ascii=True, separators=(",", ":")).encode("ascii")
    return b"%s %08x\n" % (text, zlib.crc32(text))


def unseal(text: bytes) -> dict[str, Any] | None:
    """The line's table; None where the line is torn or damaged."""
    body, _, mark = text.rstrip(b"\n").rpartition(b" ")
    if not text.endswith(b"\n") or mark != b"%08x" % zlib.crc32(body):
        return None
    try:
        table = json.loads(body.decode("ascii"))
    except (ValueError, RecursionError):
        return None
    return table if isinstance(table, dict) else None


def header_line(header: ClipHeader) -> bytes:
    return seal(asdict(header))


def parse_header(table: dict[str, Any] | None) -> ClipHeader | None:
    """The header of a table, None where it is not one of this format."""
    try:
        floats = {name: tuple(float(value) for value in table.pop(name)) for name in ("mean", "std")}  # type: ignore[union-attr]
        header = ClipHeader(**floats, **table)  # type: ignore[arg-type]
        sizes = (*header.shape, header.shard_clips)
        whole = all(type(size) is int and 0 < size < 1 << 24 for size in sizes) and header.clip_bytes < 1 << 31
        channels = len(header.mean) == len(header.std) == header.channels
    except (AttributeError, LookupError, TypeError, ValueError):
        return None
    return header if whole and channels and header.format == FORMAT else None


def video_line(video: Any, crc: Sequence[int]) -> bytes:
    """The line of a video, which has `VideoLine`'s fields but for the CRC-32 of each clip."""
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


_LINE = re.compile(
    rb'(\{"id":"([ !#-\[\]-~]*)","label":"([ !#-\[\]-~]*)","segment":\[(\d+),(\d+)\],"first":(\d+),"clips":(\d+),'
    rb'"before":(\d+),"crc":\[[\d,]*\]\}) ([0-9a-f]{8})\n'
)


def read_video(text: bytes) -> VideoLine | None:
    """A video of its line; None where the line is damaged, or not a video's."""
    found = _LINE.fullmatch(text)  # as `video_line` writes it, with nothing to escape: a third of the time of JSON
    if found is not None and int(found[9], 16) == zlib.crc32(found[1]):
        name, label = found[2].decode("ascii"), found[3].decode("ascii")
        start, end, first, clips, before = map(int, found.groups()[3:8])
        return VideoLine(name, label, first, clips, before, (start, end), found[1][found[1].rindex(b"[") + 1 : -2])
    table = unseal(text)
    if table is None or "id" not in table:
        return None
    start, end = table["segment"]
    crc = ",".join(map(str, table["crc"])).encode()
    return VideoLine(table["id"], table["label"], table["first"], table["clips"], table["before"], (start, end), crc)


def checksums(text: bytes) -> array[int]:
    """CRC-32 of each clip of a video, of what `read_video` gave."""
    return array("I", map(int, text.split(b",")) if text else ())


class IndexLines:
    """A finished index read through, line by line.

    Iterating raises DeviceError (exit code 2) where there is no index, or where it is torn, unfinished or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / INDEX
        self.header = ClipHeader()
        self.digest = ""
        """SHA-256 over the header and every video's line; known at the end."""

    def __iter__(self) -> Iterator[VideoLine]:
        videos = clips = 0
        try:
            with open(self.path, "rb") as lines:
                text = lines.readline(1 << 16)
                header = parse_header(unseal(text))
                if header is None:
                    raise damaged_line(self.path, 1)
                self.header = header
                for text in lines:
                    found = read_video(text)
                    if found is None:
                        self.digest = self._whole(unseal(text), videos, clips)
                        return
                    yield found
                    videos, clips = videos + 1, clips + found.clips
        except OSError as error:
            raise no_index(self.path, error) from None
        hint = N_("run the preprocess stage to its end")
        raise DeviceError("{path}: the clip store is not finished", hint=hint, exit_code=2, path=str(self.path))

    def _whole(self, end: dict[str, Any] | None, videos: int, clips: int) -> str:
        if end is None or end.get("end") != [videos, clips]:
            raise damaged_line(self.path, videos + 2)
        return str(end["digest"])


def no_index(path: Path, error: OSError) -> DeviceError:
    """What to raise where an index cannot be opened."""
    text, reason = N_("{path}: no clip store: {reason}"), os_reason(error)
    return DeviceError(text, hint="run the preprocess stage first", exit_code=2, path=str(path), reason=reason)


def damaged_line(path: Path, number: int) -> DeviceError:
    """What to raise where a line of an index, counted from 1, cannot be read."""
    text = N_("{path}, line {number}: damaged, or of another version of r3d-tui")
    return DeviceError(text, hint="run the preprocess stage again", exit_code=2, path=str(path), number=number)
