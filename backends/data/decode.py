"""One video to the JPEG files that the guide's ffmpeg call writes, in memory, for the stages frames and preprocess.

The pixels are those of ffmpeg 5 and 7 (`-vf scale=-1:240`): FFmpeg's own decoder and JPEG encoder with the command's
defaults, fed through the range conversion that those versions used (see docs/decisions/0003-frames.md).
"""

import itertools
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

from msgspec import Struct

from backends.core.files import stamp_of
from backends.core.messages import Line, line, os_reason
from backends.data.constant_frame_rate import Cadence, grid_time
from backends.data.jpeg import MAY_PASS

LARGEST = 8192 * 8192
"""Pixels of a decoded or written frame; more is refused before it is decoded."""

LONGEST_SIDE = 16384
"""Pixels; a JPEG cannot hold more than 65,535."""

FASTEST = 240
"""Frames a second; a faster rate is a guess from a time base, and every decoded frame is written once."""

REPEATS = 3000
"""Most repeats of one frame; beyond it the file's timestamps are broken."""

_FORMATS = "avi,mov,mp4,matroska,webm,mpeg,mpegvideo,mpegts,asf,flv,m4v"
_FULL = {"yuv420p": "yuvj420p", "yuv422p": "yuvj422p", "yuv444p": "yuvj444p"}
_TURNS = {
    90: (("transpose", "cclock"),),
    180: (("hflip", ""), ("vflip", "")),
    270: (("transpose", "clock"),),
}


class UnreadableVideoError(Exception):
    """This video gives no frames that could be used; `reason` says why."""

    is_temporary = False
    """The reason may pass."""

    def __init__(self, reason: Line) -> None:
        super().__init__(str(reason))
        self.reason = reason


class Jpeg(Struct, frozen=True):
    """One encoded frame."""

    data: bytes
    width: int
    height: int


def jpegs(path: Path, size: int = 240, *, fps: int = 0, limit: int | None = None) -> Iterator[Jpeg | None]:
    """The frames of a video in order, shorter side `size` pixels, each encoded once it is decoded.

    Beyond `limit` frames are only counted: None for each. `fps`: frames a second, interpolated as by the reference's
    `--fps`; 0: the video's own.
    Raises UnreadableVideoError, perhaps after some frames: a file that breaks off in the middle is not to be used.
    """
    import av

    try:
        with av.open(str(path), metadata_errors="ignore", options=_options()) as container:
            stream = _stream(container)
            if fps:
                yield from _limited(_interpolated(container, stream, size, fps), limit)
            else:
                yield from _frames(container, stream, size, limit)
    except av.error.FFmpegError as error:
        reason = os_reason(error) if error.strerror else type(error).__name__
        raise UnreadableVideoError(line("it cannot be decoded: {reason}", reason=reason)) from None


def check_file(path: Path) -> tuple[int, int]:
    """The stamp of a video file that can be opened at all; a pipe would be waited for without end."""
    try:
        stamp = stamp_of(path)
        if not path.is_file():
            raise UnreadableVideoError(line("it is not a file"))
        with open(path, "rb"):
            pass
    except OSError as error:
        failure = UnreadableVideoError(line("{reason}", reason=os_reason(error)))
        failure.is_temporary = error.errno in MAY_PASS or isinstance(error, FileNotFoundError)
        raise failure from None
    if not stamp[0]:
        raise UnreadableVideoError(line("the file is empty"))
    return stamp


def _options() -> dict[str, str]:
    """Only real video containers and local files: a playlist named .avi must not make us open what it names."""
    return {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}


def _stream(container: Any) -> Any:
    if not container.streams.video:
        raise UnreadableVideoError(line("it holds no video stream"))
    stream = container.streams.video[0]
    stream.thread_count = 1  # videos are decoded side by side, each in one thread
    if stream.codec_context is None:
        raise UnreadableVideoError(line("no decoder for its format"))
    _check_size(stream.codec_context.width, stream.codec_context.height)
    stream.codec_context.options = {"max_pixels": str(LARGEST)}
    return stream


def _limited(frames: Iterator[Jpeg], limit: int | None) -> Iterator[Jpeg | None]:
    return (jpeg if limit is None or number < limit else None for number, jpeg in enumerate(frames))


def _frames(container: Any, stream: Any, size: int, limit: int | None) -> Iterator[Jpeg | None]:
    rate = stream.guessed_rate
    encoder = _Encoder(stream, size, rate or Fraction(30))
    cadence = Cadence(one_stream=len(container.streams) == 1) if rate and rate <= FASTEST else None
    start = (container.start_time or 0) / 1_000_000
    by_decoding = container.format.name == "avi"  # AVI keeps no display times: ffmpeg goes by the order of decoding
    decoded = written = 0
    for frame in container.decode(stream):
        decoded += 1
        if frame.is_corrupt:
            raise UnreadableVideoError(line("frame {n} is damaged", n=decoded))
        again, copies = 0, 1
        if cadence is not None and rate:
            time = frame.dts if by_decoding or frame.pts is None else frame.pts
            again, copies = cadence.place(grid_time(time, float(frame.time_base), start, float(rate)))
        if again + copies > REPEATS:
            raise UnreadableVideoError(line("its timestamps jump at frame {n}", n=decoded))
        room = again + copies if limit is None else max(0, limit - written)
        yield from encoder.encode(frame, min(again, room), min(copies, max(0, room - again)))
        yield from itertools.repeat(None, max(0, again + copies - room))
        written += again + copies
    for jpeg in encoder.repeat(cadence.finish() if cadence is not None else 0):
        written += 1
        yield jpeg if limit is None or written <= limit else None
    _check_count(stream.frames, decoded, written)


def _interpolated(container: Any, stream: Any, size: int, fps: int) -> Iterator[Jpeg]:
    """As `-vf scale=-1:240,minterpolate=<fps>`: frames between the video's own are made by motion."""
    import av

    encoder: _Encoder | None = None
    graph, by_decoding, decoded = None, container.format.name == "avi", 0
    for frame in itertools.chain(container.decode(stream), (None,)):
        if frame is not None:
            decoded += 1
            if frame.is_corrupt:
                raise UnreadableVideoError(line("frame {n} is damaged", n=decoded))
            if by_decoding and frame.dts is not None:
                frame.pts = frame.dts
            graph = graph or _graph(frame, stream, (*_scaled(frame, size), ("minterpolate", f"fps={fps}")))
        if graph is None:
            break
        graph.push(frame)
        while True:
            try:
                picture = graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                break
            encoder = encoder or _Encoder(stream, size, Fraction(fps))
            yield from encoder.write(_widen(picture, "yuvj420p", deep=False))
    _check_count(stream.frames, decoded, decoded)


def _scaled(frame: Any, size: int) -> tuple[tuple[str, str], ...]:
    """Filters to frames of limited range whose shorter side is `size`."""
    to = f"-1:{size}" if frame.width > frame.height else f"{size}:-1"
    turns = _TURNS.get(frame.rotation % 360, ())
    return *turns, ("scale", f"{to}:flags=bicubic"), ("format", "pix_fmts=yuv420p")


def _check_size(width: int, height: int) -> None:
    if width * height > LARGEST:
        raise UnreadableVideoError(line("its frames of {width}x{height} are too large", width=width, height=height))


def _check_count(announced: int, decoded: int, written: int) -> None:
    """A file that was cut off: the header announces clearly more frames than there are (0: it does not say)."""
    if not decoded:
        raise UnreadableVideoError(line("it holds no frames"))
    found = max(decoded, written)
    if found < announced - max(3, announced // 20):
        text = line("it breaks off after {found} of {announced} frames", found=found, announced=announced)
        raise UnreadableVideoError(text)


class _Encoder:
    """Scales, converts and encodes the frames of one video; the encoder's rate control runs over all of them."""

    def __init__(self, stream: Any, size: int, rate: Fraction) -> None:
        self._stream, self._size, self._rate = stream, size, rate
        self._shape: tuple[int, int, str] | None = None
        self._convert: Callable[[Any], Any] | None = None
        self._codec: Any = None
        self._last: Any = None
        self._count = 0

    def encode(self, frame: Any, again: int, copies: int) -> Iterator[Jpeg]:
        """The frame before `again` times more, then this one `copies` times."""
        yield from self.repeat(again)
        if copies:
            shape = (frame.width, frame.height, frame.format.name)
            if self._convert is None:
                _check_size(*shape[:2])
                self._shape, self._convert = shape, _converter(frame, self._stream, self._size)
            elif self._shape != shape:
                raise UnreadableVideoError(line("its frames change their size or format"))
            self._last = self._convert(frame)
            yield from self.repeat(copies)

    def write(self, picture: Any) -> Iterator[Jpeg]:
        """A frame of full range once."""
        self._last = picture
        yield from self.repeat(1)

    def repeat(self, count: int) -> Iterator[Jpeg]:
        """The latest frame `count` times."""
        for _ in range(count if self._last is not None else 0):
            picture = self._last
            codec = self._codec = self._codec or self._open(picture)
            picture.pts, picture.time_base, picture.pict_type = self._count, codec.time_base, 0
            self._count += 1
            for packet in codec.encode(picture):
                yield Jpeg(bytes(packet), picture.width, picture.height)

    def _open(self, picture: Any) -> Any:
        import av

        codec = av.CodecContext.create("mjpeg", "w")
        codec.width, codec.height = picture.width, picture.height
        codec.pix_fmt = picture.format.name
        codec.time_base, codec.framerate = 1 / self._rate, self._rate
        codec.bit_rate = 200_000  # the command's default; the quality of each JPEG follows from it
        codec.thread_count = 1  # slices would change the Huffman tables
        codec.sample_aspect_ratio = self._stream.sample_aspect_ratio or Fraction(0, 1)
        return codec


def _converter(frame: Any, stream: Any, size: int) -> Callable[[Any], Any]:
    """A function from a decoded frame to one of full range whose shorter side is `size`, for frames like this one."""
    source = frame.format.name
    turns = _TURNS.get(frame.rotation % 360, ())
    width, height = (frame.height, frame.width) if len(turns) == 1 else (frame.width, frame.height)
    wide = frame.width > frame.height  # as the guide's script asks ffprobe, which does not turn
    scale = size / (height if wide else width)
    if max(width, height) * scale > LONGEST_SIDE:
        raise UnreadableVideoError(line("its shape of {width}x{height} is too long", width=width, height=height))
    if source in _FULL and frame.color_range in (0, 1):
        if not turns and (frame.height if wide else frame.width) == size:
            return lambda picture: _widen(picture, _FULL[source], deep=False)
        target = source + "16le"
    else:
        target = "yuvj420p|yuvj422p|yuvj444p"
    to = f"-1:{size}" if wide else f"{size}:-1"
    graph = _graph(frame, stream, (*turns, ("scale", f"{to}:flags=bicubic"), ("format", f"pix_fmts={target}")))

    def convert(picture: Any) -> Any:
        graph.push(picture)
        scaled = graph.pull()
        return _widen(scaled, _FULL[source], deep=True) if target.endswith("16le") else _relabel(scaled)

    return convert


def _graph(frame: Any, stream: Any, filters: tuple[tuple[str, str], ...]) -> Any:
    import av

    graph = av.filter.Graph()
    graph.threads = 1
    last = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format.name, time_base=stream.time_base
    )
    for name, arguments in (*filters, ("buffersink", "")):
        node = graph.add(name, arguments or None)
        last.link_to(node)
        last = node
    graph.configure()
    return graph


def _relabel(picture: Any) -> Any:
    """The name that the encoder takes for full range; the scaler may give the plain one with a range tag."""
    full = _FULL.get(picture.format.name)
    return picture if full is None else picture.reformat(format=full)


@lru_cache(maxsize=1)
def _tables() -> dict[bool, tuple[Any, Any]]:
    """Limited to full range, luma and chroma, for samples of 8 bits (False) and of 16 bits (True).

    The integer arithmetic of swscale before FFmpeg 8 on its 15-bit samples; FFmpeg 8 rounds differently.
    """
    import numpy as np

    def table(samples: Any, limit: int, gain: int, offset: int, shift: int) -> Any:
        wide = (np.minimum(samples, limit) * gain - offset) >> shift
        return np.clip((wide + 64) >> 7, 0, 255).astype(np.uint8)

    def pair(samples: Any) -> tuple[Any, Any]:
        return table(samples, 30189, 19077, 39057361, 14), table(samples, 30775, 4663, 9289992, 12)

    return {False: pair(np.arange(256) << 7), True: pair(np.arange(65536) >> 1)}


def _widen(picture: Any, full: str, *, deep: bool) -> Any:
    """A copy of a planar picture of limited range (8 bits, or 16 where `deep`) in full range, 8 bits."""
    import av
    import cv2
    import numpy as np

    made = av.VideoFrame(picture.width, picture.height, full)
    luma, chroma = _tables()[deep]
    for number, (source, target) in enumerate(zip(picture.planes, made.planes, strict=True)):
        samples: Any = np.frombuffer(source, np.uint16 if deep else np.uint8).reshape(source.height, -1)
        pixels = np.frombuffer(target, np.uint8).reshape(target.height, target.line_size)
        # np.take would cast the samples to 64 bits first: two to four times the time
        pixels[:, : source.width] = cv2.LUT(samples[:, : source.width], chroma if number else luma)
    return made
