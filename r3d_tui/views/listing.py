"""A list of any length, filtered and ordered: which entries are shown, and in which order. Pure.

Entries stay where they are; only their places are ordered, so that a list of 650,000 videos costs one number each.
It refuses to know what an entry is and how it is drawn.
"""

from __future__ import annotations

import heapq
import time
from array import array
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from msgspec import Struct

T = TypeVar("T")
PIECE = 20_000
"""Places sorted at once: a sort holds the interpreter, and other threads wait for it."""


class Order(Struct, Generic[T], frozen=True):
    """One way to order entries."""

    heading: str
    """Key of the column's heading in the language files."""
    value: Callable[[T], Any]
    """What is compared: a number or a text; None comes last, whichever way."""
    down: bool = False
    """The largest first."""

    @property
    def arrow(self) -> str:
        """Which way it goes."""
        return "↓" if self.down else "↑"


class Listing(Generic[T]):
    """Entries, what they are filtered by, how they are ordered, and which one is looked at."""

    def __init__(self, entries: Sequence[T], orders: Sequence[Order[T]], text: Callable[[T], str]) -> None:
        """`text` is what an entry is filtered by."""
        self.entries, self.orders, self.text = entries, tuple(orders), text
        self.pattern = ""
        self.order = -1
        """Which of `orders`; -1: as the entries came."""
        self.places: Sequence[int] = range(len(entries))
        self.here = 0
        """The row under the cursor."""

    def __len__(self) -> int:
        return len(self.places)

    def at(self, row: int) -> T:
        """The entry on a row."""
        return self.entries[self.places[row]]

    @property
    def chosen(self) -> T | None:
        """The entry under the cursor."""
        return self.at(self.here) if 0 <= self.here < len(self.places) else None

    @property
    def turned(self) -> int:
        """The order after this one; after the last, as the entries came."""
        return self.order + 1 if self.order + 1 < len(self.orders) else -1

    @property
    def last(self) -> int:
        """The last of the orders; -1 where there is none."""
        return len(self.orders) - 1

    def put(self, pattern: str, order: int, places: Sequence[int]) -> None:
        """Show these; the cursor stays on its entry where that is still shown."""
        mine = self.places[self.here] if self.here < len(self.places) else -1
        self.pattern, self.order, self.places = pattern, order, places
        try:
            self.here = places.index(mine)
        except ValueError:
            self.here = 0

    def move(self, rows: int) -> None:
        """Move the cursor, no further than the ends."""
        self.here = max(0, min(len(self.places) - 1, self.here + rows))

    def arranged(self, pattern: str, order: int, ended: Callable[[], bool] = lambda: False) -> Sequence[int]:
        """The places of the entries that hold `pattern`, in that order; changes nothing, so a thread may do it.

        `ended` is asked now and then whether the answer is still wanted.
        """
        places: Sequence[int] = range(len(self.entries))
        if pattern.strip():
            places = self._holding(pattern, ended)
        if order < 0:
            return places
        return self._sorted(places, self.orders[order], ended)

    def _holding(self, pattern: str, ended: Callable[[], bool]) -> array[int]:
        fits = filter_of(pattern)
        found = array("I")
        for begin in range(0, len(self.entries), PIECE):
            if ended():
                break
            end = min(begin + PIECE, len(self.entries))
            found.extend(place for place in range(begin, end) if fits(self.text(self.entries[place])))
        return found

    def _sorted(self, places: Sequence[int], order: Order[T], ended: Callable[[], bool]) -> array[int]:
        keys: dict[int, Any] = {}
        unknown = array("I")
        pieces: list[array[int]] = []
        for begin in range(0, len(places), PIECE):
            if ended():
                break
            known: list[int] = []
            for place in places[begin : begin + PIECE]:
                keys[place] = order.value(self.entries[place])
                (unknown if keys[place] is None else known).append(place)
            known.sort(key=keys.__getitem__, reverse=order.down)
            pieces.append(array("I", known))
            time.sleep(0)
        found = array("I", heapq.merge(*pieces, key=keys.__getitem__, reverse=order.down))
        found.extend(unknown)
        while keys:  # one by one: let go of all at once they hold the interpreter
            keys.popitem()
        return found


def filter_of(pattern: str) -> Callable[[str], bool]:
    """Whether a text holds every word of a pattern; capitals count only in a pattern that has some."""
    words = pattern.split()
    if pattern != pattern.lower():
        return lambda text: all(word in text for word in words)

    def holds(text: str) -> bool:
        text = text.lower()
        return all(word in text for word in words)

    return holds
