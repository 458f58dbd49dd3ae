"""One frame file to RGB pixels, or the reason why it cannot be trusted; `pixels` puts them into clips.

A file is looked at before it is decoded: kind, size, format, dimensions, colour space. Decoding is strict: what makes
the decoder warn (a cut end, a damaged middle) makes the frame unusable, where others would give grey pixels. CMYK and
PNG files, under whatever name, are decoded by Pillow, as the reference does it for all.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from backends.core.messages import N_, Fact, Line, line, os_reason

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_BYTES = 64 << 20
"""Largest frame file. Frames of 240 lines have some 10 kB."""
MOST_PIXELS = 36_000_000
"""Largest frame: somewhat above 8K video, and 108 MB decoded. A JPEG of 10 MB can decode to gigabytes."""
SPARE = 64
"""Bytes of a decode buffer beyond its pixels: the kernel reads four bytes where a pixel has three."""

MAY_PASS = frozenset(
    (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EMFILE, errno.ENFILE, errno.EINTR)
)
"""Errors of a disk or of this machine that say nothing about the file."""

_START, _END, _PNG = b"\xff\xd8\xff", b"\xff\xd9", b"\x89PNG\r\n\x1a\n"
_COLOURS = ("YCbCr", "RGB", "Gray")
"""Colour spaces that decoders agree on. CMYK and YCCK become RGB in a different way in each: there Pillow's counts."""


class FrameError(Exception):
    """A frame that cannot be used, and why: a template with `{name}`, the last part of the frame's path."""

    missing = ""
    """The path, where there is no such file."""
    is_temporary = False
    """The reason may pass: an error of the disk."""

    def __init__(self, template: str, path: str, /, **facts: Fact) -> None:
        self.line: Line = line(template, name=Path(path).name, **facts)
        super().__init__(str(self.line))


class Decoder:
    """Decodes frames into one buffer of its own, which grows to the largest frame seen: one decoder a thread."""

    def __init__(self) -> None:
        import numpy as np
        import simplejpeg

        self._header, self._decode = simplejpeg.decode_jpeg_header, simplejpeg.decode_jpeg
        self.buffer: NDArray[np.uint8] = np.empty(1 << 20, np.uint8)
        """Holds the last frame: height x width x 3 bytes and some spare ones."""

    def read(self, path: str) -> NDArray[np.uint8]:
        """The frame as uint8 (height, width, 3), a view of `buffer` until the next call. Raises FrameError."""
        return self.decode(read_jpeg(path), path)

    def decode(self, data: bytes, path: str) -> NDArray[np.uint8]:
        """The pixels of a JPEG file's bytes; the last part of `path` is for words. Raises FrameError."""
        if data.startswith(_PNG):
            return self._by_pillow(data, path)
        try:
            height, width, colour, _ = self._header(data)
            if colour not in _COLOURS:
                return self._by_pillow(data, path)
            self._reserve(int(width), int(height), path)
            frame: NDArray[np.uint8] = self._decode(data, "RGB", buffer=self.buffer, strict=True)
        except ValueError as error:
            raise FrameError("{name}: not a sound JPEG: {reason}", path, reason=str(error)[:200]) from None
        return frame

    def _reserve(self, width: int, height: int, path: str) -> None:
        """Make the buffer large enough; FrameError for a frame that is too large to decode."""
        import numpy as np

        if height * width > MOST_PIXELS:
            text, most = N_("{name}: {width}x{height} pixels are more than {most} million"), MOST_PIXELS // 1_000_000
            raise FrameError(text, path, width=width, height=height, most=most)
        wanted = height * width * 3 + SPARE
        if len(self.buffer) < wanted:
            self.buffer = np.empty(wanted, np.uint8)

    def _by_pillow(self, data: bytes, path: str) -> NDArray[np.uint8]:
        """As the reference: open, convert to RGB."""
        import io

        import numpy as np
        from PIL import Image

        try:
            with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
                width, height = image.size
                self._reserve(width, height, path)
                pixels = np.asarray(image.convert("RGB"))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise FrameError("{name}: not a sound image: {reason}", path, reason=str(error)[:200]) from None
        frame = self.buffer[: height * width * 3].reshape(height, width, 3)
        frame[:] = pixels
        return frame


def read_jpeg(path: str) -> bytes:
    """The bytes of a frame file that begins as a JPEG or a PNG does and is of a sane size. Raises FrameError."""
    try:
        # O_NONBLOCK: a pipe under a frame's name must not hold the run up
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            data = _read_regular(descriptor, path)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        problem = FrameError("{name} is missing", path)
        problem.missing = path
        raise problem from None
    except OSError as error:
        problem = FrameError("{name}: {reason}", path, reason=os_reason(error))
        problem.is_temporary = error.errno in MAY_PASS
        raise problem from None
    if not data:
        raise FrameError("{name} is empty", path)
    if not data.startswith((_START, _PNG)):
        raise FrameError("{name} is not a JPEG", path)
    if _END not in data[-1024:] and not data.startswith(_PNG):
        raise FrameError("{name} is cut off: it has no end marker", path)
    return data


def _read_regular(descriptor: int, path: str) -> bytes:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise FrameError("{name} is not a file", path)
    if found.st_size > MOST_BYTES:
        text, most = N_("{name}: {size} bytes are more than {most} MiB"), MOST_BYTES >> 20
        raise FrameError(text, path, size=found.st_size, most=most)
    return _read_all(descriptor, found.st_size)


def _read_all(descriptor: int, size: int) -> bytes:
    data = os.read(descriptor, size + 1)
    if len(data) == size or not data:
        return data
    pieces = [data]  # a slow or changing file: to its end, but no further than the limit
    while (piece := os.read(descriptor, 1 << 20)) and sum(map(len, pieces)) <= MOST_BYTES:
        pieces.append(piece)
    return b"".join(pieces)
