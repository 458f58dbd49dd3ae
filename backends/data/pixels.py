"""Decoded frames to the reference's 112x112 pixels: by the C kernel, or by Pillow where there is none.

The weights of the reference's resize and crop are for the rows and columns that the crop keeps.
"""

from __future__ import annotations

import functools
from array import array
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from backends.data.jpeg import Decoder, read_jpeg
from backends.device.clip_kernels import extension, kernels_wanted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FRACTION_BITS = 22
"""Fractional bits of a weight: 32 less 8 for the pixel and 2 spare."""


class Geometry(Struct, frozen=True):
    """Where a frame goes: scaled to `scaled_width` x `scaled_height`, then cut at `left`, `top` to a square."""

    scaled_width: int
    scaled_height: int
    left: int
    top: int


class Axis(Struct, frozen=True):
    """How one axis is resampled: for each result that is kept, an int32 start and `taps` int32 weights from there on.

    All results have the same number of taps, with weights of zero where the filter is narrower: a kernel's inner loop
    then never branches, and no tap lies outside the source.
    """

    taps: int
    starts: bytes
    weights: bytes


class Resample(Struct, frozen=True):
    geometry: Geometry
    columns: Axis
    rows: Axis
    rows_first: bool
    """Pillow 13 resamples rows first here (much more is lost in height than in width): the bytes differ by a level,
    so such frames are left to Pillow itself."""


def geometry(width: int, height: int, size: int) -> Geometry:
    """The reference's target: the longer side is truncated, the crop's corner rounded half to even."""
    if width <= height:
        scaled_width, scaled_height = size, int(size * height / width)
    else:
        scaled_width, scaled_height = int(size * width / height), size
    return Geometry(scaled_width, scaled_height, round((scaled_width - size) / 2), round((scaled_height - size) / 2))


@functools.lru_cache(maxsize=64)
def resample(width: int, height: int, size: int) -> Resample:
    """The weights for frames of `width` x `height`."""
    target = geometry(width, height, size)
    lost_rows, lost_columns = height - target.scaled_height, width - target.scaled_width
    return Resample(
        target,
        axis(width, target.scaled_width, target.left, size),
        axis(height, target.scaled_height, target.top, size),
        rows_first=lost_rows > 0 and lost_rows > 2 * lost_columns,
    )


def axis(source: int, target: int, start: int, length: int) -> Axis:
    """Weights that scale `source` samples to `target`, for the `length` results from `start` on."""
    scale = source / target
    reach = max(scale, 1.0)
    filters = [_filter((place + 0.5) * scale, reach, source) for place in range(start, start + length)]
    taps = max(len(weights) for _, weights in filters)
    starts, table = array("i"), array("i")
    for begin, weights in filters:
        first = min(begin, source - taps)
        before = begin - first
        starts.append(first)
        table.extend([0] * before + weights + [0] * (taps - before - len(weights)))
    return Axis(taps, starts.tobytes(), table.tobytes())


def _filter(centre: float, reach: float, source: int) -> tuple[int, list[int]]:
    """First sample and fixed-point weights of one result: a tent of half width `reach`, cut at the source's ends."""
    begin = max(int(centre - reach + 0.5), 0)
    end = min(int(centre + reach + 0.5), source)
    inverse = 1.0 / reach
    tent = [max(0.0, 1.0 - abs((sample - centre + 0.5) * inverse)) for sample in range(begin, end)]
    total = sum_in_order(tent)
    return begin, [int(0.5 + weight / total * (1 << FRACTION_BITS)) for weight in tent]


def sum_in_order(values: list[float]) -> float:
    """Left to right, rounding at each step, as C does; since Python 3.12 `sum` is more exact than that."""
    total = 0.0
    for value in values:
        total += value
    return total


_resize = extension("backends.data._resize", 1)


def kernel_in_use() -> bool:
    """Whether the C extension does the work here."""
    return _resize is not None and kernels_wanted()


class FrameReader:
    """Reads frame files into clips, one after the other: one reader a thread. `size` is the side of the crop."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._decoder = Decoder()
        self._kernel = kernel_in_use()

    def read(self, path: str, clips: NDArray[np.uint8], clip: int, frame: int) -> None:
        """Put a frame file's pixels at `clips[clip, :, frame]` of uint8 (clips, 3, frames, size, size).

        Raises FrameError where the file cannot be used.
        """
        self.decode(read_jpeg(path), path, clips, clip, frame)

    def decode(self, data: bytes, path: str, clips: NDArray[np.uint8], clip: int, frame: int) -> None:
        """The same of a JPEG file's bytes; the last part of `path` is for words."""
        pixels = self._decoder.decode(data, path)
        height, width, _ = pixels.shape
        plan = resample(width, height, self._size)
        if not self._kernel or plan.rows_first:
            clips[clip, :, frame] = resize_by_pillow(pixels, plan.geometry, self._size).transpose(2, 0, 1)
            return
        square = self._size * self._size
        plane = clips.shape[2] * square
        _resize.resize_crop(
            self._decoder.buffer,
            height,
            width,
            plan.columns.taps,
            plan.columns.starts,
            plan.columns.weights,
            plan.rows.taps,
            plan.rows.starts,
            plan.rows.weights,
            self._size,
            clips,
            clip * 3 * plane + frame * square,
            plane,
        )


def resize_by_pillow(pixels: NDArray[np.uint8], target: Geometry, size: int) -> NDArray[Any]:
    """Resize and crop with Pillow itself: uint8 (height, width, 3) to uint8 (size, size, 3)."""
    import numpy as np
    from PIL import Image

    height, width, _ = pixels.shape
    image = Image.frombuffer("RGB", (width, height), pixels, "raw", "RGB", 0, 1)
    scaled = image.resize((target.scaled_width, target.scaled_height), Image.Resampling.BILINEAR)
    box = (target.left, target.top, target.left + size, target.top + size)
    return np.asarray(scaled.crop(box))
