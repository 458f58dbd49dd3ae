"""What a recording of a terminal says: first paint, answers to keys, medians. Pure: times and bytes in, figures out."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from statistics import median

from msgspec import Struct

from bench.console.grid import Grid

Recording = Sequence[tuple[float, bytes]]
"""What came out and when: seconds of a monotonic clock, in order."""
FRAME_END = b"\x1b[?2026l"
"""A program that was told of synchronised output says so when a picture is complete."""
WHOLE = 0.9
"""Share of the settled screen that must stand before it counts as painted."""


def middle(values: Iterable[float | None]) -> float | None:
    """The median of the known ones."""
    known = [value for value in values if value is not None]
    return median(known) if known else None


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that is not below `share` of them."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else None


def settled(recording: Recording, quiet: float, until: float) -> int:
    """How many pieces there are before the first `quiet` seconds without one; all of them where there is none."""
    for number, (at, _) in enumerate(recording, 1):
        following = recording[number][0] if number < len(recording) else until
        if following - at >= quiet:
            return number
    return len(recording)


def painted(recording: Recording, columns: int, rows: int) -> float | None:
    """When nine tenths of what the recording ends with first stood, and stayed; None where it wrote to no cell.

    What it ends with are its glyphs, or the cells that it wrote to where it has no glyphs.
    """
    last = Grid(columns, rows)
    for _, data in recording:
        last.feed(data)
    cells = last.written()
    wanted = {place: char for place, char in cells.items() if char.strip()} or cells
    if not wanted:
        return None
    grid, since = Grid(columns, rows), None
    for at, data in recording:
        grid.feed(data)
        there = grid.written()
        if sum(there.get(place) == char for place, char in wanted.items()) < WHOLE * len(wanted):
            since = None
        elif since is None:
            since = at
    return since


class Press(Struct, frozen=True):
    """A key that was pressed at a time, and what the screen must show then."""

    at: float
    shows: str
    """A regular expression for the screen's text."""


def answers(recording: Recording, presses: Sequence[Press], columns: int, rows: int) -> list[float | None]:
    """Seconds from each key to the end of the picture that shows its effect; None where that never came.

    A picture that already shows it when the key is pressed is no answer: the figure is then None as well.
    """
    found: list[float | None] = [None] * len(presses)
    grid, waiting, following = Grid(columns, rows), list[int](), 0
    tail = b""
    for at, data in recording:
        while following < len(presses) and presses[following].at <= at:
            if not re.search(presses[following].shows, grid.text()):
                waiting.append(following)
            following += 1
        grid.feed(data)
        tail = (tail + data)[-len(FRAME_END) - len(data) :]
        if not waiting or FRAME_END not in tail:
            continue
        text, tail = grid.text(), b""
        for number in [number for number in waiting if re.search(presses[number].shows, text)]:
            found[number] = at - presses[number].at
            waiting.remove(number)
    return found


def span(recording: Recording, begin: float, end: float) -> int:
    """Bytes that came between two times."""
    return sum(len(data) for at, data in recording if begin <= at < end)
