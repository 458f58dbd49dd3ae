"""Weights of the reference's resize and crop, for the rows and columns that the crop keeps. Pure integers and floats.

The reference scales the shorter side to `size` with Pillow's antialiased bilinear filter and cuts the centre. Pillow
weighs 8-bit pixels with whole numbers of 22 fractional bits, columns first, rows second, rounding to a byte in
between; the weights here are the same numbers, so that a kernel that uses them gives the same bytes.
"""

from __future__ import annotations

import functools
from array import array

from msgspec import Struct

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
