"""A sheet of rows: one widget that draws lines itself and sends only the cells that changed. It knows nothing of us.

Rows are drawn as segments, never as markup, and each span passes `safe` once more: whatever a view forgot, no control
character leaves here. Scrolling, selecting text with the mouse and clicking a span's action are handled here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache

from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.color import Color
from textual.geometry import Region, Size
from textual.selection import Selection
from textual.strip import Strip
from textual.widget import Widget

from r3d_tui.terminal.tty import drawn
from r3d_tui.text.rows import ANSI, Row, Span, cells, changed, cut, safe, text_of, width_of

TRUE = {
    "dim": ("r3d-dim", "", ""),
    "good": ("success", "", ""),
    "bad": ("error", "", "bold"),
    "warn": ("warning", "", ""),
    "accent": ("primary", "", ""),
    "strong": ("", "", "bold"),
    "head": ("r3d-dim", "", ""),
    "key": ("accent", "", "bold"),
    "rule": ("r3d-rule", "", ""),
    "focus": ("accent", "", "bold"),
    "chip": ("foreground", "r3d-chip", "bold"),
    "off": ("r3d-rule", "", ""),
    "match": ("foreground", "r3d-match", "bold"),
    "cursor": ("", "r3d-cursor", ""),
}
"""Role: variables of the foreground and the background, and attributes."""
ANSI_LIGHT = {**ANSI, "warn": "bold magenta", "accent": "blue", "key": "bold blue", "focus": "bold blue"}
"""On a light one, where cyan and yellow cannot be read."""


def paint(variables: Mapping[str, str], *, ansi: bool, dark: bool = True) -> dict[str, Style]:
    if ansi:
        return {role: Style.parse(text) for role, text in (ANSI if dark else ANSI_LIGHT).items()}
    return {role: _style(variables, *parts) for role, parts in TRUE.items()}


@lru_cache(maxsize=8192)
def mixed(role: str) -> Style:
    """The style of a role that is itself two colours, `#rrggbb/#rrggbb`: the character's and the one behind it."""
    front, _, back = role.partition("/")
    return Style(color=front or None, bgcolor=back or None)


def _style(variables: Mapping[str, str], front: str, back: str, attributes: str) -> Style:
    colour = _colour(variables[front]) if front in variables else None
    behind = _colour(variables[back]) if back in variables else None
    return Style(color=colour, bgcolor=behind, bold="bold" in attributes or None)


@lru_cache(maxsize=64)
def _colour(text: str) -> str:
    return Color.parse(text).hex6


_PLAIN = Style.null()


class Sheet(Widget, can_focus=True):
    """Rows under an optional title line and above an optional foot line, which do not scroll."""

    DEFAULT_CSS = "Sheet { height: 1fr; width: 1fr; }"

    def __init__(
        self,
        *,
        id: str | None = None,  # noqa: A002 - Textual's word
        classes: str | None = None,
        focusable: bool = True,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.can_focus = focusable
        self.boxed = False
        """Title and foot are the edges of a box, and rows stand between its sides."""
        self.top = 0
        """First row that is shown."""
        self._rows: list[Row] = []
        self._title: Row | None = None
        self._foot: Row | None = None
        self._cursor: int | None = None
        self._styles_by_role: dict[str, Style] = {}
        self._painted: list[tuple[Row, bool]] = []
        self._extent = Size(0, 0)
        self._marked: Selection | None = None

    def show(
        self,
        rows: Sequence[Row],
        title: Row | Callable[[], Row] | None = None,
        cursor: int | None = None,
        foot: Row | None = None,
    ) -> None:
        """Replace what is shown; only lines that differ are drawn again. A title may be asked for once rows stand."""
        self._rows = list(rows)
        self._foot, self._cursor = foot, cursor
        self._title = () if callable(title) else title
        self.top = max(0, min(self.top, self.last_top))
        if callable(title):
            self._title = title()
        self._refresh_changed()

    def put_cursor(self, cursor: int) -> None:
        self._cursor = cursor
        self._refresh_changed()

    def put_title(self, title: Row) -> None:
        self._title = title
        self._refresh_changed()

    @property
    def page(self) -> int:
        return max(0, self.size.height - (self._title is not None) - (self._foot is not None))

    @property
    def row_count(self) -> int:
        return len(self._rows)

    def row_at(self, index: int) -> Row:
        return self._rows[index]

    @property
    def last_top(self) -> int:
        """The largest `top` that leaves no blank line behind the end."""
        return max(0, self.row_count - self.page)

    def scroll_rows(self, rows: int) -> None:
        self.top = max(0, min(self.top + rows, self.last_top))
        self._refresh_changed()

    def reveal(self, index: int) -> None:
        if index < self.top:
            self.top = index
        elif self.page and index >= self.top + self.page:
            self.top = index - self.page + 1
        self._refresh_changed()

    def plain_text(self) -> str:
        """All rows as text, to copy or write down."""
        return "\n".join(text_of(line).rstrip() for line in self._all_rows()) + "\n"

    def render_lines(self, crop: Region) -> list[Strip]:
        """As Textual does; what it asks of all ancestors is asked once, and not for each line."""
        self._extent, self._marked = self.size, self.text_selection
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        width, height = self._extent
        line, is_cursor = self._lines(height, y, y + 1)[0]
        base = self._style("")
        if is_cursor:
            base += self._style("cursor")
        strip = self._strip(line, base, width)
        index = self.top + y - (self._title is not None)
        if self._title is None or y:
            strip = self._with_selection(strip, index)
            strip = strip.apply_offsets(0, index)
        return strip

    def _strip(self, line: Row, base: Style, width: int) -> Strip:
        """The row in exactly `width` cells; neighbours of one style are one segment."""
        segments: list[Segment] = []
        texts: list[str] = []
        pen, used = base, 0
        for text, role, _ in (*line, Span(" " * width)):
            shown = drawn(safe(text))
            size = len(shown) if shown.isascii() else cells(shown)
            if used + size > width:
                shown, size = set_cell_size(shown, width - used), width - used
            style = base + self._style(role) if role else base
            if style is not pen and texts:
                segments.append(Segment("".join(texts), pen))
                texts = []
            if size:
                pen = style
                texts.append(shown)
                used += size
        if texts:
            segments.append(Segment("".join(texts), pen))
        return Strip(segments, width)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """What the mouse has marked, for Textual's copying."""
        return selection.extract("\n".join(drawn(safe(text_of(self._sided(line)))) for line in self._all_rows())), "\n"

    def selection_updated(self, selection: Selection | None) -> None:  # noqa: ARG002 - Textual's signature
        self.refresh()

    def notify_style_update(self) -> None:
        self._styles_by_role = {}
        super().notify_style_update()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.scroll_rows(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.scroll_rows(-3)

    async def on_click(self, event: events.Click) -> None:
        place = event.get_content_offset(self)  # a dialog's sheet has a border
        if place is None:
            return
        line, _ = self._lines(self.size.height, place.y, place.y + 1)[0]
        span = _span_at(line, place.x)
        if span is not None and span.action:
            event.stop()
            await self.run_action(span.action)

    def _style(self, role: str) -> Style:
        if not self._styles_by_role:
            self._styles_by_role = paint(
                self.app.theme_variables, ansi=self.app.native_ansi_color, dark=self.app.current_theme.dark
            )
            self._styles_by_role[""] = self.rich_style  # Textual walks all ancestors for it each time
        return mixed(role) if role[:1] == "#" else self._styles_by_role.get(role, _PLAIN)

    def _lines(self, height: int, first: int, end: int) -> list[tuple[Row, bool]]:
        titled, count = self._title is not None, self.row_count
        page = height - titled - (self._foot is not None)
        found: list[tuple[Row, bool]] = []
        for y in range(first, end):
            index = self.top + y - titled
            if titled and y == 0:
                found.append((self._title or (), False))
            elif self._foot is not None and y == height - 1:
                found.append((self._foot, False))
            elif y - titled < page and 0 <= index < count:
                found.append((self._sided(self.row_at(index)), index == self._cursor))
            else:
                found.append((self._sided(()), False))
        return found

    def _sided(self, line: Row) -> Row:
        """A row between the sides of the box, which are drawn like its title's end."""
        if not self.boxed or not self._foot:
            return line
        side = Span("│", self._foot[0].role)
        room = max(0, self.size.width - 4)
        line = cut(line, room)
        return (side, Span(" "), *line, Span(" " * (room - width_of(line) + 1)), side)

    def _all_rows(self) -> Iterator[Row]:
        return (self.row_at(index) for index in range(self.row_count))

    def _refresh_changed(self) -> None:
        width, height = self.size
        before, self._painted = self._painted, self._lines(height, 0, height)
        if not width:
            return
        regions = []
        for y, (line, is_cursor) in enumerate(self._painted):
            old, was_cursor = before[y] if y < len(before) else (None, False)
            place = (0, width) if is_cursor != was_cursor else changed(old, line)
            if place is not None and place[0] < width:
                regions.append(Region(place[0], y, min(place[1], width - place[0]), 1))
        if regions:
            self.refresh(*regions)

    def _with_selection(self, strip: Strip, index: int) -> Strip:
        if self._marked is None or (span := self._marked.get_span(index)) is None:
            return strip
        start, end = span
        end = strip.cell_length if end == -1 else end
        style = self.screen.get_component_rich_style("screen--selection")
        parts = list(strip.divide([start, end, strip.cell_length]))
        return Strip.join([*parts[:1], *(part.apply_style(style) for part in parts[1:2]), *parts[2:]])


def _span_at(line: Row, x: int) -> Span | None:
    for span in line:
        size = cells(span.text)
        if x < size:
            return span
        x -= size
    return None
