"""A list of any length, filtered and ordered: which entries are shown, in which order, and which one is looked at.

Entries come from a source: a tuple that is all there, or the pages of a catalog. What a source gives may take its time;
the screen asks for it in a thread. Nothing here draws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from backends.core.catalog_pages import Catalog, Query

T = TypeVar("T")
BEFORE, BEHIND = 200, 400
"""Entries that are read around the one that is looked at."""


class Order(Struct, Generic[T], frozen=True):
    """One way to order entries."""

    heading: str
    """Key of the column's heading in the language files."""
    value: Callable[[T], Any]
    """What is compared, a number or a text; None comes last, whichever way."""
    down: bool = False
    """The largest first."""
    column: str = ""
    """Of a catalog, what it orders by in place of `value`."""

    @property
    def arrow(self) -> str:
        return "↓" if self.down else "↑"


def by_column(heading: str, column: str, *, down: bool = False) -> Order[Any]:
    """An order of a catalog's entries."""
    return Order(heading, lambda _: None, down, column)


class Rows(Struct, Generic[T], frozen=True):
    """Entries that were filtered and ordered."""

    count: int
    read: Callable[[int, int], Sequence[T]]
    """Some of them: the first one's row, and how many."""
    place: Callable[[T], int | None]
    """The row of an entry; None where it is not among them."""


class Source(Struct, Generic[T], frozen=True):
    orders: tuple[Order[T], ...]
    arranged: Callable[[str, Order[T] | None], Rows[T]]
    """The entries that hold every word of a pattern, in an order; None: as they came."""
    is_slow: bool = False
    """Asking holds the caller up: use a thread."""


def entries(found: Sequence[T], orders: Sequence[Order[T]], text: Callable[[T], str]) -> Source[T]:
    """A source whose entries are all there, some thousands at most; `text` is what an entry is filtered by."""

    def arranged(pattern: str, order: Order[T] | None) -> Rows[T]:
        fits = filter_of(pattern)
        shown = [one for one in found if fits(text(one))]
        if order is not None:
            known = [one for one in shown if order.value(one) is not None]
            unknown = [one for one in shown if order.value(one) is None]
            shown = [*sorted(known, key=order.value, reverse=order.down), *unknown]
        return Rows(
            len(shown),
            lambda begin, count: shown[begin : begin + count],
            lambda one: shown.index(one) if one in shown else None,
        )

    return Source(tuple(orders), arranged)


def pages(catalog: Catalog, query: Query, orders: Sequence[Order[T]], name: Callable[[T], str]) -> Source[T]:
    """A table of a catalog as a source; `name` is what the catalog finds an entry by."""

    def arranged(pattern: str, order: Order[T] | None) -> Rows[T]:
        column, down = (order.column, order.down) if order else ("", False)
        asked = replace(query, text=pattern, order=column, is_descending=down)
        return Rows(
            catalog.count(asked),
            lambda begin, count: catalog.page(asked, begin, count),
            lambda one: catalog.place(asked, name(one)),
        )

    return Source(tuple(orders), arranged, is_slow=True)


class Listing(Generic[T]):
    """What is shown of a source: filter, order, cursor, and the entries around it."""

    def __init__(self, source: Source[T]) -> None:
        """Asks the source: in a thread, where that is slow."""
        self.source = source
        self.pattern = ""
        self.order = -1
        """Which of the source's orders; -1: as the entries came."""
        self.here = 0
        """The row under the cursor."""
        self._rows = source.arranged("", None)
        self.total = self._rows.count
        """Entries without any filter."""
        self._begin, self._page = 0, self._rows.read(0, BEHIND)

    def __len__(self) -> int:
        return self._rows.count

    def at(self, row: int) -> T | None:
        """The entry on a row; None where it has not been read yet."""
        if not 0 <= row - self._begin < len(self._page) and not self.source.is_slow:
            self.hold(*self.around(row))
        place = row - self._begin
        return self._page[place] if 0 <= place < len(self._page) else None

    @property
    def chosen(self) -> T | None:
        return self.at(self.here)

    @property
    def ordered_by(self) -> Order[Any] | None:
        """None: as the entries came."""
        return self.source.orders[self.order] if self.order >= 0 else None

    def read(self, begin: int, count: int) -> Sequence[T]:
        """Entries by their rows. Slow as the source is."""
        return self._rows.read(begin, count)

    def around(self, row: int) -> tuple[int, Sequence[T]]:
        """Entries around a row, and the row of the first one. Slow as the source is."""
        begin = max(0, row - BEFORE)
        return begin, self._rows.read(begin, BEFORE + BEHIND)

    def hold(self, begin: int, page: Sequence[T]) -> None:
        self._begin, self._page = begin, page

    def arranged(self, pattern: str, order: int) -> Callable[[], None]:
        """Filter and order; changes nothing before the answer is called. Slow as the source is."""
        mine = self.chosen
        rows = self.source.arranged(pattern, self.source.orders[order] if order >= 0 else None)
        here = (rows.place(mine) if mine is not None else None) or 0
        begin = max(0, here - BEFORE)
        page = rows.read(begin, BEFORE + BEHIND)

        def put() -> None:
            self.pattern, self.order, self._rows, self.here = pattern, order, rows, here
            self.hold(begin, page)

        return put

    def turned(self, step: int) -> int:
        """The order after this one (or before it); after the last, as the entries came."""
        count = len(self.source.orders) + 1
        return (self.order + 1 + step) % count - 1

    def move(self, rows: int) -> None:
        """Move the cursor, no further than the ends."""
        self.here = max(0, min(len(self) - 1, self.here + rows))


def filter_of(pattern: str) -> Callable[[str], bool]:
    """Whether a text holds every word of a pattern; capitals count only in a pattern that has some."""
    words = pattern.split()
    if pattern != pattern.lower():
        return lambda text: all(word in text for word in words)
    return lambda text: all(word in text.lower() for word in words)
