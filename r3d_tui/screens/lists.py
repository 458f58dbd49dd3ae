"""A list over the board, of any length: rows are read and drawn when they are seen, filtered with / and ordered with s.

What a source calls slow is asked in a thread, so that keys are answered meanwhile. `listings`, `videos` and `results`
are lists of this kind.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from msgspec import Struct
from textual.binding import Binding, BindingType

from backends.core.catalog_pages import Catalog
from backends.core.errors import R3dError
from r3d_tui.lang.words import Words
from r3d_tui.screens.dialog import Dialog, Rows
from r3d_tui.text import figures
from r3d_tui.text.rows import Column, Row, Span, cut, ends, grid, row, width_of
from r3d_tui.text.safe import safe
from r3d_tui.views.listing import Listing
from r3d_tui.views.look import Look, paragraph
from r3d_tui.widgets.sheet import Sheet

GAP = 2
"""Cells between two keys of the last line."""
TEXT = 5_000
"""Rows that are copied or written down at most."""
NEAR = 100
"""Rows; what is asked for so near to what is being read comes with it."""


class Listed(Struct, frozen=True):
    """A listing, and how its entries are drawn."""

    listing: Listing[Any]
    columns: Callable[[Look], Sequence[Column]]
    cells: Callable[[Any, Look], Sequence[str | Span]]
    none: str = "list.none"
    """Key of the words for a list without entries."""
    finish: Callable[[Row, Any], Row] = lambda line, _: line
    """The last touch to a row that was put together, such as a bar."""
    above: Rows | None = None
    """What stands above the list and scrolls with it."""


class ListSheet(Sheet):
    """Rows that are asked for when they are seen, under a heading that stays."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(id=id, focusable=False)
        self._above = 0
        self._count: int | None = None
        self._draw: Callable[[int], Row] = lambda _: ()
        self.read_all: Callable[[], None] = lambda: None
        """Have the rows at hand that are to be copied."""

    def show_list(
        self,
        above: list[Row],
        count: int,
        draw: Callable[[int], Row],
        title: Row,
        cursor: int,
        foot: Row,
    ) -> None:
        """`count` rows that `draw` gives, under those `above`, the last of which is the heading."""
        self._above, self._count, self._draw = len(above), count, draw
        self._title, self._foot = title, foot
        index = cursor + len(above) if cursor else 0
        if self.page:
            self.top = max(min(self.top, index - (self._above <= index)), index - self.page + 1, 0)
        super().show(above, title, cursor + len(above), foot)

    def show(
        self,
        rows: Sequence[Row],
        title: Row | Callable[[], Row] | None = None,
        cursor: int | None = None,
        foot: Row | None = None,
    ) -> None:
        self._count = None
        super().show(rows, title, cursor, foot)

    @property
    def row_count(self) -> int:
        return super().row_count if self._count is None else self._above + self._count

    def row_at(self, index: int) -> Row:
        """A row; the heading wherever the page begins."""
        if self._count is None:
            return super().row_at(index)
        if index == self.top and index >= self._above:
            return super().row_at(self._above - 1)
        return self._whole_at(index)

    def _whole_at(self, index: int) -> Row:
        return super().row_at(index) if index < self._above else self._draw(index - self._above)

    def reveal(self, index: int) -> None:
        """Scroll so that a row is seen, and not under the heading."""
        if self._count is not None and self._above <= index <= self.top:
            index -= 1
        super().reveal(index)

    def _all_rows(self) -> Iterator[Row]:
        if self._count is None:
            return super()._all_rows()
        self.read_all()
        return map(self._whole_at, range(min(self.row_count, TEXT)))


class Large(Dialog):
    """A dialog as large as the terminal: what it shows must not jump."""

    WIDE = 130

    def make_body(self) -> Sheet:
        """A sheet for lists of any length."""
        return ListSheet(id="body")

    def _fit(self) -> None:
        width, height = self.app.size
        self._body.styles.width = max(5, min(self.WIDE, width - (4 if width > 84 else 0)))
        self._body.styles.height = max(4, height - (2 if height > 24 else 0))

    def keyline(self, pairs: Sequence[tuple[str, str, str]], state: str = "") -> Row:
        """Keys, words and what a click does at the left, a state at the right; keys go where all do not fit."""
        width = max(1, self._body.size.width)
        if self._notice:
            return cut(row(Span(safe(self._notice), "accent")), width)
        tail = row(Span(f" {state}", "dim")) if state else ()
        kept = [_key(key, self._words(text), action) for key, text, action in pairs]
        while len(kept) > 1 and sum(map(width_of, kept)) - GAP + (width_of(tail) + 1 if tail else 0) > width:
            kept.pop(-2)
        line = tuple(itertools.chain.from_iterable(kept))
        line = (*line[:-1], line[-1]._replace(text=line[-1].text.rstrip()))
        return ends(line, tail, width) if tail else cut(line, width)


def _key(key: str, text: str, action: str) -> Row:
    act = f"screen.{action}" if action else ""
    return Span(key, "key", act), Span(f" {text}  ", "", act)


class Lists(Large):
    """Shows `listed`; where that is None, `rows_here` in full."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "escape", show=False),
        Binding("q", "back", show=False),
        Binding("slash", "filter", show=False),
        Binding("s", "order", show=False),
        Binding("S,shift+s", "order_back", show=False),
        Binding("u", "all", show=False),
        Binding("enter,right", "deeper", show=False),
    ]

    def __init__(self, title: str, words: Words, *, also_shuts: str = "") -> None:
        super().__init__(title, lambda _: [], words, also_shuts=also_shuts)
        self._wanted: tuple[Listing[Any], str, int] | None = None
        self._reading: tuple[Listing[Any], int] | None = None
        self.sources: list[Catalog] = []
        """Closed with the screen."""

    def on_unmount(self) -> None:
        for catalog in self.sources:
            catalog.close()

    @property
    def listed(self) -> Listed | None:
        """The list that is shown now."""
        raise NotImplementedError

    @property
    def keys(self) -> list[tuple[str, str, str]]:
        """Keys of one's own: key, key of its words, action."""
        return []

    def title_row(self) -> Row:
        """The title."""
        return row(Span(self._heading, "focus"))

    def rows_here(self, look: Look) -> list[Row]:
        """What is shown where there is no list."""
        del look
        return []

    def draw(self) -> None:
        """Show the list, its cursor, its state and its keys."""
        width = self._body.size.width
        if not width or not isinstance(self._body, ListSheet):
            return
        look, listed = self._look(width), self.listed
        title = cut(self.title_row(), width)
        if listed is None or not len(listed.listing):
            rows = self.rows_here(look) if listed is None else self._nothing(listed, look)
            self._body.show(rows, title, foot=self._foot(listed))
            return
        listing, settled = listed.listing, grid(listed.columns(look), width)
        above = listed.above(look) if listed.above else []
        head = settled.head(self._words(order.heading) if (order := listing.ordered_by) else "")
        head = tuple(self._sorting(span, listing) for span in head)

        def one(index: int) -> Row:
            entry = listing.at(index)
            if entry is None:
                self._read(listing, index)
                return ()
            line = listed.finish(settled.row(listed.cells(entry, look)), entry)
            return tuple(span._replace(action=f"screen.pick({index})") for span in line)

        self._body.read_all = lambda: listing.hold(0, listing.read(0, TEXT))
        self._body.show_list([*above, head], len(listing), one, title, listing.here, self._foot(listed))

    def _read(self, listing: Listing[Any], index: int) -> None:
        """Read the entries around a row in a thread, and draw them."""
        if self._reading is not None and self._reading[0] is listing and abs(self._reading[1] - index) < NEAR:
            return
        self._reading = listing, index

        def take(found: tuple[int, Sequence[Any]]) -> None:
            self._reading = None
            listing.hold(*found)
            self.draw()

        self.in_thread(lambda: listing.around(index), take)

    def in_thread(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Ask something that may take its time."""

        def run() -> None:
            try:
                found = work()
            except R3dError as error:
                text = self._words.line(error.line)
                self.call_later(self.say, text)
                return
            self.call_later(then, found)

        threading.Thread(target=run, name="list", daemon=True).start()

    def _sorting(self, span: Span, listing: Listing[Any]) -> Span:
        """A click on a heading orders by it."""
        for place, order in enumerate(listing.source.orders):
            if self._words(order.heading) == span.text.strip():
                return span._replace(action=f"screen.order_by({place})")
        return span

    def _nothing(self, listed: Listed, look: Look) -> list[Row]:
        above = listed.above(look) if listed.above else []
        if listed.listing.total:
            text = look.words("list.no_match", pattern=listed.listing.pattern)
        else:
            text = look.words(listed.none) if listed.none else ""
        return [*above, *paragraph(text, look.width, "dim")]

    def _foot(self, listed: Listed | None) -> Row:
        keys = list(self.keys)
        if listed is not None and listed.listing.total:
            keys[1:1] = [("/", "list.filter", "filter"), ("s", "list.order", "order")]
            if listed.listing.pattern or listed.listing.order >= 0:
                keys.append(("u", "list.clear", "all"))
        keys += [("j/k", "dialog.scroll", ""), ("y/w", "list.take", "copy"), ("q/Esc", "dialog.close", "back")]
        return self.keyline(keys, self.state(listed))

    def state(self, listed: Listed | None) -> str:
        """What the list is filtered by and ordered by, and where one is in it."""
        if listed is None or not listed.listing.total:
            return ""
        listing, order = listed.listing, listed.listing.ordered_by
        parts = [
            f"/{listing.pattern}" if listing.pattern else "",
            f"{order.arrow}{self._words(order.heading)}" if order else "",
            f"{figures.count(min(listing.here + 1, len(listing)))}/{figures.count(len(listing))}",
            self._words("list.of", n=figures.count(listing.total)) if listing.pattern else "",
        ]
        return " ".join(part for part in parts if part)

    def action_filter(self) -> None:
        from r3d_tui.screens.filter import FilterLine  # 20 ms that nobody else needs

        if (listed := self.listed) is not None:
            listing = listed.listing
            changed = lambda text: self.rearrange(listing, text, listing.order)  # noqa: E731
            self.app.push_screen(FilterLine(listing.pattern, self._words("list.hint"), changed))

    def action_order(self) -> None:
        """The next column to order by; after the last, as the entries came."""
        if (listed := self.listed) is not None:
            self.rearrange(listed.listing, listed.listing.pattern, listed.listing.turned(1))

    def action_order_back(self) -> None:
        if (listed := self.listed) is not None:
            self.rearrange(listed.listing, listed.listing.pattern, listed.listing.turned(-1))

    def action_order_by(self, place: int) -> None:
        if (listed := self.listed) is not None:
            self.rearrange(listed.listing, listed.listing.pattern, -1 if listed.listing.order == place else place)

    def action_all(self) -> None:
        if (listed := self.listed) is not None:
            self.rearrange(listed.listing, "", -1)

    def rearrange(self, listing: Listing[Any], pattern: str, order: int) -> None:
        """Filter and order a list; of several that are asked for at once the last one counts."""
        wanted = (listing, pattern, order)
        self._wanted = wanted

        def take(put: Callable[[], None]) -> None:
            if self._wanted == wanted:
                put()
                self.draw()

        if listing.source.is_slow:
            self.in_thread(lambda: listing.arranged(pattern, order), take)
        else:
            take(listing.arranged(pattern, order))

    def action_pick(self, index: int) -> None:
        """A click on a row: the cursor goes there; on the cursor's row, deeper."""
        listed = self.listed
        if listed is not None and listed.listing.here == index:
            self.action_deeper()
        elif listed is not None:
            listed.listing.move(index - listed.listing.here)
            self.draw()

    def action_deeper(self) -> None:
        """What is behind the row."""

    def action_back(self) -> None:
        self.dismiss("")

    def action_escape(self) -> None:
        listed = self.listed
        if listed is not None and listed.listing.pattern:
            self.rearrange(listed.listing, "", listed.listing.order)
        else:
            self.action_back()

    def action_move(self, rows: int) -> None:
        listed = self.listed
        if listed is None or not len(listed.listing):
            super().action_move(rows)
            return
        listed.listing.move(rows)
        self.draw()

    def action_page(self, pages: int) -> None:
        self.action_move(pages * max(1, self._body.page - 2))

    def action_far(self, way: int) -> None:
        listed = self.listed
        self.action_move(way * (self._body.row_count if listed is None else len(listed.listing)))
