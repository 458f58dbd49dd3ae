"""What crosses between the head and a server: frames of a JSON head, raw bytes, and one checksum over both.

The stage on the head and `server_process` on a server speak it over whatever a carrier lays between them. What does not
match its checksum or its type is refused: nothing that a server sends is run or unpickled.
"""

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from msgspec import Struct, field

from backends.core.codec import DecodeError, decode, encode, parse_json
from backends.core.events import ServerChip
from backends.core.files import file_digest
from backends.core.messages import Line
from backends.data.annotation import Video
from backends.data.data_specs import PreprocessParams

VERSION = 1
MAGIC = b"R3DC"
_FIXED = struct.Struct("<4sIQI")
LARGEST_HEAD, LARGEST_BODY = 1 << 28, 1 << 33
"""Bytes; a longer frame is invalid. A model travels as one body."""


class WireError(ValueError):
    """Bytes that are not a valid frame."""


class ShardVideo(Struct, frozen=True):
    """One video of a shard."""

    path: Path
    video: Video


class VideoResult(Struct, frozen=True):
    """What a server made of one video: the checksums of its clips, or why it has none."""

    video: Video
    """With the end that was counted."""
    clips_before_cut: int = 0
    crc: tuple[int, ...] = ()
    reason: Line = Line("")
    is_temporary: bool = False
    missing: str = ""
    """The path of a file or folder that was not there."""


class ModelFile(Struct, frozen=True):
    """The model of the run, known by its bytes."""

    path: Path
    size: int
    sha256: str
    soc_version: str = ""
    """The chips that it is compiled for; empty: it is not compiled, or does not say."""


class ServerSetup(Struct, frozen=True):
    """The first frame to a server: what this run computes. A server that has the model's file needs no copy."""

    server: str
    params: PreprocessParams
    model: ModelFile
    target: Literal["cpu", "ascend"]
    runtime: str
    batch: int
    scratch: Path
    sample: Path
    """A video that the server must see."""
    devices: tuple[int, ...] | None = None
    options: Mapping[str, str | float | int | None] = field(default_factory=dict)
    acl_python: Path | None = None
    workers: int = 0
    silent_s: float = 30.0
    """Without a word from the head for so long the server ends by itself."""
    is_of_frames: bool = False
    """The paths of videos are folders of their frames."""
    version: int = VERSION


class Open(Struct, frozen=True):
    """Open the devices; the model's bytes follow where the server asked for them."""


class ShardOrder(Struct, frozen=True):
    """Compute a shard under a lease."""

    lease: int
    videos: tuple[ShardVideo, ...]


class Ping(Struct, frozen=True):
    """The head is there."""


class Command(Struct, frozen=True):
    """A command for the server's devices, as of `Job.commands`."""

    command: Mapping[str, str]


class Hello(Struct, frozen=True):
    """The first frame of a server: what it is. Facts that nobody could read are empty or None."""

    version: str
    python: str = ""
    runtime: str = ""
    cann: str = ""
    soc: str = ""
    chips: int | None = None
    host: str = ""
    cores: int = 0
    free_mb: int | None = None
    """Of its scratch folder."""
    sees_videos: bool = False
    needs_model: bool = False
    problem: Line = Line("")
    """Why it cannot take part."""


class ServerAlive(Struct, frozen=True):
    """Once a second: what its devices do. `decoding` and `computing` are shares of the time since the last one."""

    chips: tuple[ServerChip, ...] = ()
    clips: int = 0
    decoding: float | None = None
    waiting: float | None = None
    """Share of the decoders' time that went into waiting for storage."""
    computing: float | None = None
    runtime_version: str = ""


class ShardAnswer(Struct, frozen=True):
    """A shard is done; its rows follow, float32 (clips, classes) in the order of the results."""

    lease: int
    results: tuple[VideoResult, ...]
    classes: int


class ShardRefused(Struct, frozen=True):
    """A shard could not be computed."""

    lease: int
    reason: Line


class Reported(Struct, frozen=True):
    """A line of the server's own work, for the stage's log and notes."""

    text: Line
    level: Literal["info", "warning", "error"] = "info"


class Ended(Struct, frozen=True):
    """The server gives up, and whether another start may help."""

    reason: Line
    hint: Line = Line("")
    is_hopeless: bool = False


Message = (
    ServerSetup
    | Open
    | ShardOrder
    | Ping
    | Command
    | Hello
    | ServerAlive
    | ShardAnswer
    | ShardRefused
    | Reported
    | Ended
)
_KINDS: Mapping[str, type[Any]] = {kind.__name__: kind for kind in get_args(Message)}


def to_frame(message: Message, body: bytes = b"") -> bytes:
    """One frame."""
    table = {"kind": type(message).__name__, **encode(message)}
    head = json.dumps(table, ensure_ascii=True, separators=(",", ":")).encode("ascii")
    return _FIXED.pack(MAGIC, len(head), len(body), zlib.crc32(body, zlib.crc32(head))) + head + body


class WireReader:
    """Cuts a stream of bytes into messages with their bodies, however it was delivered."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[Message, bytes]]:
        """The messages that are whole now. Raises WireError where the stream is not of frames or was damaged."""
        self._held += data
        while len(self._held) >= _FIXED.size:
            magic, head, body, crc = _FIXED.unpack_from(self._held)
            if magic != MAGIC or head > LARGEST_HEAD or body > LARGEST_BODY:
                raise WireError("not a frame")
            end = _FIXED.size + head + body
            if len(self._held) < end:
                return
            content = bytes(self._held[_FIXED.size : end])
            del self._held[:end]
            if zlib.crc32(content) != crc:
                raise WireError("the checksum differs")
            yield _message(content[:head]), content[head:]


def _message(text: bytes) -> Message:
    try:
        table = parse_json(text)
        kind = _KINDS[table.pop("kind")]
        found: Message = decode(kind, table)
    except (DecodeError, LookupError, AttributeError, TypeError) as error:
        raise WireError(str(error)[:200]) from None
    return found


def model_file(path: Path) -> ModelFile:
    """A model by its bytes. Raises OSError."""
    return ModelFile(path, path.stat().st_size, file_digest(path))
