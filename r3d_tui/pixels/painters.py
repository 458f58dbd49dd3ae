"""What a terminal's protocol for pictures needs to be told to show a frame over cells: kitty's, or sixel."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from typing import Protocol

from textual.geometry import Region

from backends.core.clip_entries import ClipFrames
from r3d_tui.pixels import kitty
from r3d_tui.pixels.sixel import COLOURS, sixels

LARGEST = 112
"""Pixels of a side that the model sees; a store may hold more, a terminal seldom shows them."""
WIDEST = 900
"""Pixels of a sixel picture's side: xterm shows 1000 and drops what is larger."""
Frames = tuple[str, ...]


class Painter(Protocol):
    """One protocol. It writes nothing itself: all texts are for who does."""

    def side(self, columns: int, rows: int) -> int:
        """How many pixels a picture over so many cells can show."""

    def prepared(self, clip: ClipFrames, columns: int, rows: int) -> Frames:
        """A clip's frames for that many cells. Not quick: call it from a thread."""

    def paint(self, frames: Frames, number: int, area: Region) -> str:
        """Show a frame over an area of `columns` x `rows` cells, which are blank."""

    def take_away(self) -> str:
        """Show nothing any more. Cells have to be drawn again."""

    def forget(self) -> str:
        """The same, and free what the terminal keeps."""


class Kitty:
    """Frames are sent when they are shown first, and after that placed by number."""

    def __init__(self) -> None:
        self._base = (secrets.randbits(19) + 1) << 12  # other programs in the window have pictures too
        self._frames: Frames = ()
        self._there: set[int] = set()
        self._placed: int | None = None

    def side(self, columns: int, rows: int) -> int:
        """The terminal scales."""
        del columns, rows
        return LARGEST

    def prepared(self, clip: ClipFrames, columns: int, rows: int) -> Frames:
        """Uploads."""
        del columns, rows
        frames = range(clip.frames)
        return tuple(kitty.upload(self._base + n, clip.frame(n), clip.width, clip.height) for n in frames)

    def paint(self, frames: Frames, number: int, area: Region) -> str:
        """Above the frame before, which then goes: nothing flickers."""
        text = ""
        if frames is not self._frames:
            text = self.forget()
            self._frames = frames
        if number not in self._there:
            text += frames[number]
            self._there.add(number)
        text += _at(area) + kitty.place(self._base + number, area.width, area.height)
        if self._placed not in (None, number):
            text += self.take_away()
        self._placed = number
        return text

    def take_away(self) -> str:
        """It lies above the cells, which are as they were."""
        placed, self._placed = self._placed, None
        return "" if placed is None else kitty.take_away(self._base + placed)

    def forget(self) -> str:
        """Frames by number."""
        there, self._there, self._frames, self._placed = sorted(self._there), set(), (), None
        return kitty.drop(self._base + number for number in there)


class Sixel:
    """Every frame is sent whenever it is shown, and takes the place of cells."""

    def __init__(self, cell: Callable[[], tuple[int, int]], colours: int) -> None:
        """`cell` gives a cell's width and height in pixels, zeros where that is not known any more."""
        self._cell = cell
        self._colours = min(colours or COLOURS, COLOURS)

    def side(self, columns: int, rows: int) -> int:
        """What cells have, or the model sees."""
        return max(1, min(LARGEST, *self._size(columns, rows)))

    def _size(self, columns: int, rows: int) -> tuple[int, int]:
        wide, high = self._cell()
        width, height = columns * wide, rows * high
        largest = max(width, height, WIDEST)
        return width * WIDEST // largest, height * WIDEST // largest

    def prepared(self, clip: ClipFrames, columns: int, rows: int) -> Frames:
        """Sixels as large as the cells."""
        width, height = self._size(columns, rows)
        return sixels(clip, width, height, self._colours) if width and height else ()

    def paint(self, frames: Frames, number: int, area: Region) -> str:
        """Over the frame before."""
        return _at(area) + frames[number]

    def take_away(self) -> str:
        """Cells that are drawn again do it."""
        return ""

    def forget(self) -> str:
        """Nothing is kept."""
        return ""


def cell_size(told: tuple[int, int]) -> tuple[int, int]:
    """Width and height of the terminal's cells in pixels, the smaller of what the system and the terminal say.

    The system's figures are of the window with its borders. Zeros where neither says.
    """
    import fcntl
    import struct
    import termios

    try:
        rows, columns, width, height = struct.unpack("HHHH", fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8)))
    except OSError:
        return told
    if not (rows and columns and width and height):
        return told
    found = width // columns, height // rows
    return min(found[0], told[0] or found[0]), min(found[1], told[1] or found[1])


def may_ask() -> bool:
    """Whether what is in between, or the terminal itself, would not break or print the questions."""
    known = os.environ
    if any(name in known for name in ("TMUX", "STY", "ZELLIJ", "INSIDE_EMACS")):
        return False
    if known.get("TERM_PROGRAM") == "Apple_Terminal":
        return False
    return not known.get("TERM", "").startswith(("screen", "tmux", "linux", "eterm", "vt"))


def _at(area: Region) -> str:
    return f"\x1b[{area.y + 1};{area.x + 1}H"
