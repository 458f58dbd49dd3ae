"""A clip's frames as sixel pictures of an exact size. It refuses to know which terminal they are for, and where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from backends.core.clip_entries import ClipFrames

COLOURS = 128
"""Of one palette for all frames: what is left out is hardly seen, and each colour of a band costs bytes."""
BAND = 6
"""Lines of pixels that one line of sixels holds."""
END = "\x1b\\"


def sixels(clip: ClipFrames, width: int, height: int, colours: int = COLOURS) -> tuple[str, ...]:
    """Every frame as a sixel picture of `width` x `height` pixels, in `colours` colours at most.

    Pixels are repeated, never mixed: what is seen is what the model sees. Hundredths of a second a frame.
    """
    palette, pixels = _reduced(clip, colours)
    begin = f'\x1bP0;1q"1;1;{width};{height}' + "".join(
        f"#{number};2;{';'.join(str(round(part * 100 / 255)) for part in colour)}" for number, colour in palette
    )
    columns = [x * width // clip.width for x in range(clip.width + 1)]
    bands = list(_bands(clip.height, height))
    size = clip.width * clip.height
    return tuple(
        begin + "-".join(_band(_lines(frame, clip.width, band), columns) for band in bands) + END
        for frame in (pixels[number * size : (number + 1) * size] for number in range(clip.frames))
    )


def _reduced(clip: ClipFrames, colours: int) -> tuple[list[tuple[int, Sequence[int]]], bytes]:
    """The colours that are used with their numbers, and the number of each pixel's, all frames below each other."""
    from PIL import Image

    image = Image.frombytes("RGB", (clip.width, clip.height * clip.frames), clip.data)
    reduced = image.quantize(colours, dither=Image.Dither.NONE)
    table, pixels = reduced.getpalette() or [], reduced.tobytes()
    return [(number, table[number * 3 : number * 3 + 3]) for number in sorted(set(pixels))], pixels


def _bands(source: int, height: int) -> Iterator[list[tuple[int, int]]]:
    """For each band the lines of the source that are in it, each with the bits of the pixels that show it."""
    for top in range(0, height, BAND):
        bits: dict[int, int] = {}
        for bit, y in enumerate(range(top, min(top + BAND, height))):
            line = y * source // height
            bits[line] = bits.get(line, 0) | 1 << bit
        yield list(bits.items())


def _lines(frame: bytes, width: int, band: list[tuple[int, int]]) -> Iterator[tuple[bytes, int]]:
    for line, bits in band:
        yield frame[line * width : (line + 1) * width], bits


def _band(lines: Iterator[tuple[bytes, int]], columns: list[int]) -> str:
    """One band, colour by colour: `columns` say where each pixel of the source begins, and where the last ends."""
    by_colour: dict[int, dict[int, int]] = {}
    for line, bits in lines:
        for x, colour in enumerate(line):
            cells = by_colour.setdefault(colour, {})
            cells[x] = cells.get(x, 0) | bits
    return "$".join(f"#{colour}{_runs(cells, columns)}" for colour, cells in by_colour.items())


def _runs(cells: dict[int, int], columns: list[int]) -> str:
    """Where a colour is: the bits of pixels in a row by their place."""
    out, end = [], 0
    for (_, bits), run in groupby(enumerate(sorted(cells.items())), _neighbours):
        places = [x for _, (x, _) in run]
        begin, after = columns[places[0]], columns[places[-1] + 1]
        out.append(_times("?", begin - end) + _times(chr(63 + bits), after - begin))
        end = after
    return "".join(out)


def _neighbours(one: tuple[int, tuple[int, int]]) -> tuple[int, int]:
    number, (x, bits) = one
    return x - number, bits


def _times(sign: str, count: int) -> str:
    return sign * count if count < 4 else f"!{count}{sign}"
