"""A list of any length, filtered and ordered: which entries are shown, in which order, and which one is looked at.

Entries come from a source: a tuple that is all there, or the pages of a catalog. What a source gives may take its time;
the screen asks for it in a thread. Nothing here draws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from backends.core.catalog_pages import Catalog, Query

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
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
        """Which way it goes."""
        return "↓" if self.down else "↑"


def by_column(heading: str, column: str, *, down: bool = False) -> Order[Any]:
    """An order of a catalog's entries."""
    return Order(heading, lambda _: None, down, column)


class Rows(Protocol[T_co]):
    """Entries that were filtered and ordered."""

    def __len__(self) -> int: ...

    def read(self, begin: int, count: int) -> Sequence[T_co]:
        """Some of them."""
        ...

    def place(self, entry: Any) -> int | None:
        """Where an entry stands among them."""
        ...


class Source(Protocol[T_co]):
    """Where entries come from."""

    orders: tuple[Order[Any], ...]
    is_slow: bool
    """Asking holds the caller up: use a thread."""

    def arranged(self, pattern: str, order: Order[Any] | None) -> Rows[T_co]:
        """The entries that hold every word of the pattern, in that order; None: as they came."""
        ...


class Entries(Generic[T]):
    """A source whose entries are all there, some thousands at most."""

    is_slow = False

    def __init__(self, entries: Sequence[T], orders: Sequence[Order[T]], text: Callable[[T], str]) -> None:
        """`text` is what an entry is filtered by."""
        self._entries, self.orders, self._text = entries, tuple(orders), text

    def arranged(self, pattern: str, order: Order[Any] | None) -> Rows[T]:
        fits = filter_of(pattern)
        found = [entry for entry in self._entries if fits(self._text(entry))]
        if order is not None:
            value = order.value
            known = [entry for entry in found if value(entry) is not None]
            unknown = [entry for entry in found if value(entry) is None]
            found = [*sorted(known, key=value, reverse=order.down), *unknown]
        return _Held(found)


class _Held(list[T]):
    """Rows that are all there."""

    def read(self, begin: int, count: int) -> Sequence[T]:
        return self[begin : begin + count]

    def place(self, entry: Any) -> int | None:
        return self.index(entry) if entry in self else None


class Pages(Generic[T]):
    """A table of a catalog as a source."""

    is_slow = True

    def __init__(self, catalog: Catalog, query: Query, orders: Sequence[Order[T]], name: Callable[[T], str]) -> None:
        """`name` is what the catalog finds an entry by."""
        self._catalog, self._query, self.orders, self._name = catalog, query, tuple(orders), name

    def arranged(self, pattern: str, order: Order[Any] | None) -> Rows[T]:
        query = replace(self._query, text=pattern)
        if order is not None:
            query = replace(query, order=order.column, is_descending=order.down)
        return _Paged(self._catalog, query, self._catalog.count(query), self._name)


class _Paged(Generic[T]):
    """Rows that are read when they are asked for."""

    def __init__(self, catalog: Catalog, query: Query, count: int, name: Callable[[T], str]) -> None:
        self._catalog, self._query, self._count, self._name = catalog, query, count, name

    def __len__(self) -> int:
        return self._count

    def read(self, begin: int, count: int) -> Sequence[T]:
        return self._catalog.page(self._query, begin, count)

    def place(self, entry: Any) -> int | None:
        return self._catalog.place(self._query, self._name(entry))


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
        self.total = len(self._rows)
        """Entries without any filter."""
        self._begin, self._page = 0, self._rows.read(0, BEHIND)

    def __len__(self) -> int:
        return len(self._rows)

    def at(self, row: int) -> T | None:
        """The entry on a row; None where it has not been read yet."""
        if not 0 <= row - self._begin < len(self._page) and not self.source.is_slow:
            self.hold(*self.around(row))
        place = row - self._begin
        return self._page[place] if 0 <= place < len(self._page) else None

    @property
    def chosen(self) -> T | None:
        """The entry under the cursor."""
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
        """Have those entries at hand."""
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
