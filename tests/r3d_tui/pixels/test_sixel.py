"""Frames as sixels, read back pixel by pixel."""

from __future__ import annotations

import random
import re

import pytest

from backends.core.clip_entries import ClipFrames
from r3d_tui.pixels.sixel import sixels

Pixel = tuple[int, ...]


def _read(text: str) -> dict[tuple[int, int], Pixel]:
    """What a terminal shows of it: colours in percent by place. No pixel may be painted twice."""
    begun = re.fullmatch(r'\x1bP0;1q"1;1;(\d+);(\d+)(.*)\x1b\\', text)
    assert begun is not None
    colours: dict[int, Pixel] = {}
    seen: dict[tuple[int, int], Pixel] = {}
    x = y = colour = 0
    for one in re.finditer(r"#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)([?-~])|([?-~])|(\$)|(-)", begun[3]):
        if one[1]:
            colours[int(one[1])] = tuple(map(int, one.group(2, 3, 4)))
        elif one[5]:
            colour = int(one[5])
        elif one[9] or one[10]:
            x, y = 0, y + (6 if one[10] else 0)
        else:
            end = x + int(one[6] or 1)
            painted = [bit for bit in range(6) if (ord(one[7] or one[8]) - 63) >> bit & 1]
            places = {(column, y + bit): colours[colour] for column in range(x, end) for bit in painted}
            assert not places.keys() & seen.keys()
            seen.update(places)
            x = end
    assert {(x, y) for x in range(int(begun[1])) for y in range(int(begun[2]))} == seen.keys()
    return seen


def _clip(width: int, height: int, colours: int) -> ClipFrames:
    chance = random.Random(width * height)
    palette = [bytes(chance.choices(range(256), k=3)) for _ in range(colours)]
    return ClipFrames("v", 0, 2, height, width, b"".join(chance.choices(palette, k=width * height * 2)))


@pytest.mark.parametrize(("width", "height"), [(12, 12), (24, 24), (29, 31), (60, 47), (7, 5), (1, 1)])
def test_every_pixel_is_where_it_belongs(width: int, height: int) -> None:
    """Each repeated as often as the size asks for, in its own colour to a percent, at sizes of all kinds."""
    clip = _clip(12, 12, 9)
    for number, text in enumerate(sixels(clip, width, height)):
        frame = clip.frame(number)
        for (x, y), colour in _read(text).items():
            columns = [place for place in range(12) if place * width // 12 <= x < (place + 1) * width // 12]
            at = (y * 12 // height * 12 + columns[0]) * 3
            assert tuple(round(part / 2.55) for part in frame[at : at + 3]) == colour


def test_colours_are_kept_to_what_the_terminal_has() -> None:
    """One palette for all frames."""
    texts = sixels(_clip(24, 24, 600), 24, 24, 16)
    heads = {text[: text.index("q")] + "".join(re.findall(r"#\d+;[\d;]+", text)) for text in texts}
    assert 1 == len(heads)
    assert 16 >= heads.pop().count("#")


def test_neighbours_of_one_colour_are_counted() -> None:
    """A frame of one colour takes a few bytes for a band."""
    (text,) = sixels(ClipFrames("v", 0, 1, 112, 112, bytes(112 * 112 * 3)), 336, 336)
    assert text == '\x1bP0;1q"1;1;336;336#0;2;0;0;0' + "-".join(["#0!336~"] * 56) + "\x1b\\"
