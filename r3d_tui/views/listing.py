"""A list of any length, filtered and sorted: which entries are shown, in which order, and which one is looked at.

The browser of runs shows such lists; their entries come from a tuple that is all there or from the pages of a catalog.
Whatever asks for entries may take half a second: the screen does that in a thread. Nothing here draws.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from backends.core.catalog_pages import Query

if TYPE_CHECKING:
    from backends.api import SqlCatalog

T = TypeVar("T")
BEFORE, BEHIND = 200, 400
"""Entries that are read around the one that is looked at."""


class SortKey(Struct, Generic[T], frozen=True):
    heading: str
    """Key of the column's heading in the language files."""
    value: Callable[[T], Any]
    """What is compared, a number or a text; None comes last, whichever way."""
    down: bool = False
    """The largest first."""
    column: str = ""
    """Of a catalog, what it sorts by in place of `value`."""

    @property
    def arrow(self) -> str:
        return "↓" if self.down else "↑"


class Arranged(Struct, Generic[T], frozen=True):
    count: int
    read: Callable[[int, int], Sequence[T]]
    """Some of them: the first one's row, and how many."""
    place: Callable[[T], int | None]
    """The row of an entry; None where it is not among them."""


Arrange = Callable[[str, "SortKey[T] | None"], Arranged[T]]
"""The entries that hold every word of a pattern, sorted; None: as they came."""


def chosen(found: Sequence[T], text: Callable[[T], str], pattern: str, key: SortKey[T] | None) -> list[T]:
    """Entries that hold every word of the pattern, sorted; those without a value come last."""
    fits = filter_of(pattern)
    shown = [one for one in found if fits(text(one))]
    if key is None:
        return shown
    known = sorted((one for one in shown if key.value(one) is not None), key=key.value, reverse=key.down)
    return [*known, *(one for one in shown if key.value(one) is None)]


def in_memory(found: Sequence[T], text: Callable[[T], str]) -> Arrange[T]:
    """Entries that are all there, some thousands at most; `text` is what an entry is filtered by."""

    def arrange(pattern: str, key: SortKey[T] | None) -> Arranged[T]:
        shown = chosen(found, text, pattern, key)
        return Arranged(
            len(shown),
            lambda begin, count: shown[begin : begin + count],
            lambda one: shown.index(one) if one in shown else None,
        )

    return arrange


def of_catalog(catalog: "SqlCatalog", query: Query, name: str) -> Arrange[Any]:
    """The entries of a catalog; each is found again by its attribute `name`."""

    def arrange(pattern: str, key: SortKey[Any] | None) -> Arranged[Any]:
        order, down = (key.column, key.down) if key is not None else ("", False)
        wanted = replace(query, text=pattern, order=order, is_descending=down)
        return Arranged(
            catalog.count(wanted),
            lambda begin, count: catalog.page(wanted, begin, count),
            lambda one: catalog.place(wanted, getattr(one, name)),
        )

    return arrange


class Listing(Generic[T]):
    """What is shown of some entries: filter, sort key, cursor, and the entries around it."""

    def __init__(
        self,
        keys: Sequence[SortKey[T]],
        arrange: Arrange[T],
        key: int = -1,
        give_up: Callable[[], None] = lambda: None,
    ) -> None:
        """Asks for the first entries: call it in a thread. `key` is which of `keys` they are sorted by at first.

        `give_up` ends what `arranged` waits for, which then raises an InputError.
        """
        self.give_up = give_up
        self.keys = tuple(keys)
        self._arrange = arrange
        self.pattern = ""
        self.key = key
        """Which of the keys; -1: as the entries came."""
        self.here = 0
        """The row under the cursor."""
        self._shown = arrange("", self.sorted_by)
        self.total = self._shown.count
        """Entries without any filter."""
        self._begin, self._page = 0, self._shown.read(0, BEHIND)

    def __len__(self) -> int:
        return self._shown.count

    def at(self, row: int) -> T | None:
        """The entry on a row; None where it has not been read yet."""
        place = row - self._begin
        return self._page[place] if 0 <= place < len(self._page) else None

    @property
    def chosen(self) -> T | None:
        return self.at(self.here)

    @property
    def near(self) -> Sequence[T]:
        """The entries at hand, around the cursor."""
        return self._page

    @property
    def sorted_by(self) -> SortKey[T] | None:
        """None: as the entries came."""
        return self.keys[self.key] if self.key >= 0 else None

    def read(self, begin: int, count: int) -> Sequence[T]:
        """Entries by their rows. Slow."""
        return self._shown.read(begin, count)

    def around(self, row: int) -> tuple[int, Sequence[T]]:
        """Entries around a row, and the row of the first one. Slow."""
        begin = max(0, row - BEFORE)
        return begin, self._shown.read(begin, BEFORE + BEHIND)

    def hold(self, begin: int, page: Sequence[T]) -> None:
        self._begin, self._page = begin, page

    def arranged(self, pattern: str, key: int) -> Callable[[], None]:
        """Filter and sort; changes nothing before the answer is called. Slow."""
        mine = self.chosen
        shown = self._arrange(pattern, self.keys[key] if key >= 0 else None)
        here = (shown.place(mine) if mine is not None else None) or 0
        begin = max(0, here - BEFORE)
        page = shown.read(begin, BEFORE + BEHIND)

        def put() -> None:
            self.pattern, self.key, self._shown, self.here = pattern, key, shown, here
            self.hold(begin, page)

        return put

    def next_key(self, step: int) -> int:
        """The key after this one (or before it); after the last, as the entries came."""
        count = len(self.keys) + 1
        return (self.key + 1 + step) % count - 1

    def move(self, rows: int) -> None:
        self.here = max(0, min(len(self) - 1, self.here + rows))


def filter_of(pattern: str) -> Callable[[str], bool]:
    """Whether a text holds every word of a pattern; capitals count only in a pattern that has some."""
    words = pattern.split()
    if pattern != pattern.lower():
        return lambda text: all(word in text for word in words)
    return lambda text: all(word in text.lower() for word in words)
