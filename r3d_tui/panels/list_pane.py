"""A list of any length under a heading that stays: rows are read and drawn when they are seen, filtered and sorted.

The browser of runs shows its lists in one. What takes its time is asked in threads: keys are answered meanwhile.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from backends.core.messages import Line, R3dError
from r3d_tui.lang.words import Words
from r3d_tui.state.feed import ask
from r3d_tui.text.rows import Grid, Row, Span, grid
from r3d_tui.views.browser_tables import Field
from r3d_tui.views.listing import Listing
from r3d_tui.views.look import Look
from r3d_tui.widgets.sheet import Sheet

COPIED = 5_000
"""Rows that are copied or written down at most."""
NEAR = 100
"""Rows; what is asked for so near to what is being read comes with it."""


class ListPane(Sheet):
    def __init__(
        self,
        words: Words,
        changed: Callable[[], None],
        failed: Callable[[R3dError | Line], None],
        entered: Callable[[], None],
    ) -> None:
        """`changed` draws again, `failed` shows an error, `entered` is called for a click on the row of the cursor."""
        super().__init__(id="body", focusable=False)
        self._words, self._changed, self._failed, self._entered = words, changed, failed, entered
        self._listing: Listing[Any] | None = None
        self._fields: tuple[Field, ...] = ()
        self._look = Look(words, 0)
        self._grid: Grid = grid((), 0)
        self._above = 0
        self._wanted: tuple[Any, str, int] = (None, "", -1)
        self._is_arranging = False
        self._reading: tuple[Listing[Any], int] | None = None

    def show_listing(
        self, listing: Listing[Any], fields: tuple[Field, ...], look: Look, above: list[Row], title: Row, foot: Row
    ) -> None:
        """Its entries in columns, under the rows `above`, which scroll with it."""
        self._listing, self._fields, self._look = listing, fields, look
        self._grid = grid([one.column(look) for one in fields], look.width)
        key = listing.sorted_by
        head = tuple(map(self._sorting, self._grid.head(self._words(key.heading) if key else "")))
        self._above, here = len(above) + 1, listing.here
        self._title, self._foot = title, foot
        index = here + self._above if here else 0
        if self.page:
            self.top = max(min(self.top, index - (self._above <= index)), index - self.page + 1, 0)
        super().show([*above, head], title, here + self._above, foot)

    def _sorting(self, span: Span) -> Span:
        for place, key in enumerate(self._listing.keys if self._listing is not None else ()):
            if self._words(key.heading) == span.text.strip():
                return span._replace(action=f"sort_by({place})")
        return span

    def show(
        self,
        rows: Sequence[Row],
        title: Row | Callable[[], Row] | None = None,
        cursor: int | None = None,
        foot: Row | None = None,
    ) -> None:
        """Rows that are all there."""
        self._listing = None
        super().show(rows, title, cursor, foot)

    @property
    def row_count(self) -> int:
        return super().row_count if self._listing is None else self._above + len(self._listing)

    def row_at(self, index: int) -> Row:
        """A row; the heading wherever the page begins."""
        if self._listing is None:
            return super().row_at(index)
        if index == self.top and index >= self._above:
            return super().row_at(self._above - 1)
        return self._whole_at(index)

    def _whole_at(self, index: int) -> Row:
        return super().row_at(index) if index < self._above else self._drawn(index - self._above)

    def reveal(self, index: int) -> None:
        """Scroll so that a row is seen, and not under the heading."""
        if self._listing is not None and self._above <= index <= self.top:
            index -= 1
        super().reveal(index)

    def _drawn(self, index: int) -> Row:
        listing = self._listing
        entry = listing.at(index) if listing is not None else None
        if entry is None:
            self._read_around(index)
            return ()
        line = self._grid.row([field.cell(entry, self._look) for field in self._fields])
        return tuple(span._replace(action=f"pick({index})") for span in line)

    def _read_around(self, index: int) -> None:
        listing, reading = self._listing, self._reading
        if listing is None or (reading and reading[0] is listing and abs(reading[1] - index) < NEAR):
            return
        self._reading = listing, index

        def take(found: tuple[int, Sequence[Any]]) -> None:
            self._reading = None
            listing.hold(*found)
            self._changed()

        ask(self, lambda: listing.around(index), take, self._failed)

    def _all_rows(self) -> Iterator[Row]:
        return super()._all_rows() if self._listing is None else map(self._whole_at, range(min(self.row_count, COPIED)))

    def when_read(self, then: Callable[[], None]) -> None:
        """Call `then` once the rows that are copied or written down are at hand."""
        if (listing := self._listing) is None:
            then()
            return

        def take(found: Sequence[Any]) -> None:
            listing.hold(0, found)
            then()

        ask(self, lambda: listing.read(0, COPIED), take, self._failed)

    def rearrange(self, listing: Listing[Any], pattern: str, key: int) -> None:
        """Filter and sort. What is asked for meanwhile ends what is being done; of several the last one alone is."""
        before, self._wanted = self._wanted, (listing, pattern, key)
        if not self._is_arranging:
            self._arrange(*self._wanted)
        elif before != self._wanted:
            listing.give_up()

    def _arrange(self, listing: Listing[Any], pattern: str, key: int) -> None:
        self._is_arranging = True

        def take(put: Callable[[], None] | None) -> None:
            self._is_arranging = False
            if self._wanted != (listing, pattern, key):
                self._arrange(*self._wanted)
            elif put is not None:
                put()
                self._changed()

        def failed(error: R3dError | Line) -> None:
            if self._wanted == (listing, pattern, key):
                self._failed(error)
            take(None)

        ask(self, lambda: listing.arranged(pattern, key), take, failed)

    def action_sort_by(self, key: int) -> None:
        """By a column, or no more by it."""
        if (listing := self._listing) is not None:
            self.rearrange(listing, listing.pattern, -1 if listing.key == key else key)

    def action_pick(self, index: int) -> None:
        """A click on a row: the cursor goes there; on the cursor's row, deeper."""
        if (listing := self._listing) is None:
            return
        if listing.here == index:
            self._entered()
            return
        listing.move(index - listing.here)
        self._changed()
