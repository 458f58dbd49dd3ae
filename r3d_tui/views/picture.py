"""A frame as rows: two pixels a cell with half blocks where the terminal has colours, else shades. Pure, and not quick:
call it from a thread.
"""

from collections.abc import Iterator
from itertools import groupby

from backends.core.catalog_pages import ClipFrames
from r3d_tui.text.rows import Row, Span

RAMP = " .:-=+*#%@"
"""Dark to light, for a terminal without colours."""
STEP = 8
"""Levels of a colour that are told apart: neighbours become one piece, and a frame costs fewer bytes."""


def pictures(clip: ClipFrames, *, colours: bool) -> tuple[tuple[Row, ...], ...]:
    """Every frame of a clip as rows: `width` cells wide, half as many lines as it is high."""
    draw = _half_blocks if colours else _shades
    return tuple(
        tuple(draw(clip.frame(number), clip.width, y, clip.height) for y in range(0, clip.height, 2))
        for number in range(clip.frames)
    )


def _half_blocks(frame: bytes, width: int, y: int, height: int) -> Row:
    roles = (f"{_hex(frame, y * width + x)}/{_hex(frame, min(y + 1, height - 1) * width + x)}" for x in range(width))
    return tuple(_merged("▀", roles))


def _hex(frame: bytes, pixel: int) -> str:
    red, green, blue = (min(255, (value + STEP // 2) // STEP * STEP) for value in frame[pixel * 3 : pixel * 3 + 3])
    return f"#{red:02x}{green:02x}{blue:02x}"


def _merged(sign: str, roles: Iterator[str]) -> Iterator[Span]:
    for role, same in groupby(roles):
        yield Span(sign * len(list(same)), role)


def _shades(frame: bytes, width: int, y: int, height: int) -> Row:
    text = ""
    for x in range(width):
        light = (_light(frame, y * width + x) + _light(frame, min(y + 1, height - 1) * width + x)) / 2
        text += RAMP[min(len(RAMP) - 1, int(light / 256 * len(RAMP)))]
    return (Span(text),)


def _light(frame: bytes, pixel: int) -> float:
    red, green, blue = frame[pixel * 3 : pixel * 3 + 3]
    return 0.299 * red + 0.587 * green + 0.114 * blue
