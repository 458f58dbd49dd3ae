"""Textual's pictures in fewer bytes: only the cells that changed, only the colours that differ from those before them.

Textual 8.2 draws a changed line from the left edge of its widget, and names all colours anew for each piece of text and
resets them behind it: three quarters of what it sends. This leans on its private compositor; what it does not know
there it leaves as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.strip import Strip

_ENDS = {"1": "22", "2": "22", "3": "23", "4": "24", "5": "25", "6": "25", "7": "27", "8": "28", "9": "29"} | {
    "21": "24", "51": "54", "52": "54", "53": "55",
}  # fmt: skip
"""What switches an attribute off."""
_ON_BLANKS = frozenset({"4", "7", "9", "21", "51", "52", "53"})
"""Attributes that are seen where there is no glyph."""


class Pen(NamedTuple):
    """How the terminal draws now: codes of attributes, foreground and background."""

    attributes: frozenset[str] = frozenset()
    front: str = "39"
    back: str = "49"


PLAIN = Pen()
Piece = tuple[int, int, int, Iterable[Segment]]
"""Column, line and width of what is drawn, and what that is."""


def lean(update: Any) -> Any:
    """The update in fewer bytes; what is not one of Textual's two pictures comes back as it is."""
    if type(update) in (ChopsUpdate, LayoutUpdate):
        return LeanUpdate(update)
    return update


class LeanUpdate(CompositorUpdate):
    """A picture, or the changed parts of one."""

    def __init__(self, update: ChopsUpdate | LayoutUpdate) -> None:
        self._update = update

    def render_segments(self, console: Console) -> str:
        """The sequences for the terminal. It begins and ends with plain colours."""
        system = console._color_system or ColorSystem.TRUECOLOR  # noqa: SLF001 - as Textual's own does
        pieces = _changed(self._update) if isinstance(self._update, ChopsUpdate) else _whole(self._update)
        out: list[str] = []
        pen, place = PLAIN, (-1, -1)
        for x, y, wide, segments in pieces:
            if place != (x, y):
                out.append(f"\x1b[{y + 1};{x + 1}H")
            pen = _drawn(segments, pen, system, out)
            place = (x + wide, y)
        if pen != PLAIN:
            out.append("\x1b[0m")
        return "".join(out)


def _whole(update: LayoutUpdate) -> Iterable[Piece]:
    """Every strip with its place."""
    for y, line in enumerate(update.strips, update.region.y):
        x = update.region.x
        for strip in line:
            yield x, y, strip.cell_length, strip
            x += strip.cell_length


def _changed(update: ChopsUpdate) -> Iterable[Piece]:
    """What lies inside the update's spans, cut at both ends."""
    for y, left, right in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if strip is None or x >= right or end <= left:
                continue
            first, last = max(x, left), min(end, right)
            yield first, y, last - first, _cut(strip, first - x, last - x)


def _cut(strip: Strip, first: int, last: int) -> Iterable[Segment]:
    """The segments of some of its cells. Textual's own `crop` makes a strip with six caches for it."""
    place = 0
    for segment in strip:
        size = segment.cell_length
        if place + size > first:
            if place < first or place + size > last:
                _, segment = segment.split_cells(max(0, first - place))  # noqa: PLW2901
                segment, _ = segment.split_cells(last - max(place, first))  # noqa: PLW2901
            yield segment
        place += size
        if place >= last:
            return


def _drawn(segments: Iterable[Segment], pen: Pen, system: ColorSystem, out: list[str]) -> Pen:
    """Append the segments' sequences; gives how the terminal draws after them."""
    for text, style, _ in segments:
        if style is not None and style.link:  # it brings sequences of its own
            out.append(_turned(pen, PLAIN) + Strip.render_style(style, text, system))
            pen = PLAIN
            continue
        wanted = PLAIN if style is None else pen_of(_codes(style, system))
        if not text.strip(" ") and not wanted.attributes & _ON_BLANKS:
            wanted = Pen(pen.attributes - _ON_BLANKS, pen.front, wanted.back)  # the glyph's colour is not seen
        out.append(_turned(pen, wanted) + text)
        pen = wanted
    return pen


def _codes(style: Style, system: ColorSystem) -> str:
    return style._ansi or Strip.render_ansi(style, system)  # noqa: SLF001 - kept there by Textual and Rich


@lru_cache(maxsize=4096)
def pen_of(codes: str) -> Pen:
    """The pen that a style's codes make of a plain one."""
    attributes: set[str] = set()
    front, back = PLAIN.front, PLAIN.back
    left = [code for code in codes.split(";") if code]
    while left:
        code = left.pop(0)
        if code in ("38", "48"):
            count = 4 if left[:1] == ["2"] else 2
            colour, left = ";".join([code, *left[:count]]), left[count:]
            front, back = (colour, back) if code == "38" else (front, colour)
        elif code in _ENDS:
            attributes.add(code)
        elif code[0] == "4" or code[:2] == "10":
            back = code
        else:
            front = code
    return Pen(frozenset(attributes), front, back)


@lru_cache(maxsize=4096)
def _turned(before: Pen, after: Pen) -> str:
    """The shortest sequence from one pen to another."""
    if before == after:
        return ""
    if after == PLAIN:
        return "\x1b[0m"
    ended = sorted({_ENDS[code] for code in before.attributes - after.attributes})
    begun = {code for code in after.attributes if code not in before.attributes or _ENDS[code] in ended}
    codes = [*ended, *sorted(begun)]
    codes += [after.front] if after.front != before.front else []
    codes += [after.back] if after.back != before.back else []
    return f"\x1b[{';'.join(codes)}m"
