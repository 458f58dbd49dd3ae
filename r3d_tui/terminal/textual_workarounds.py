"""All that leans on private parts of Textual, written for 8.2: look here first when another version misbehaves.

- `LeanUpdate`: pictures in fewer bytes. Textual 8.2 sends a changed line from the left edge of its widget, the whole
  screen whenever a panel moves, and names all colours again for each piece of text; here only cells that differ from
  what the terminal shows are sent, and only colours that differ from those before them.
- `ConsoleBase`: shows such pictures, asks the terminal how far it has come, and parses no style sheet twice.
- `HeldScreen`: draws nothing before it has something to show; Textual 8.2 draws a blank picture first.
- `place_again`, `bind`: what Textual 8.2 has no public way for.

Whoever else writes to the terminal has to call `forget_screen`.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.app import App
from textual.filter import Monochrome, NoColor
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from r3d_tui.terminal.flow_control import LOST_S, QUESTION, Pace

_ENDS = {"1": "22", "2": "22", "3": "23", "4": "24", "5": "25", "6": "25", "7": "27", "8": "28", "9": "29"} | {
    "21": "24", "51": "54", "52": "54", "53": "55",
}  # fmt: skip
"""What switches an attribute off."""
_ON_BLANKS = frozenset({"4", "7", "9", "21", "51", "52", "53"})
"""Attributes that are seen where there is no glyph."""
_NEAR = 6
"""So many cells that did not change cost no more than going past them."""


class Pen(NamedTuple):
    """How the terminal draws: codes of attributes, foreground and background. No foreground: it is not seen."""

    attributes: frozenset[str] = frozenset()
    front: str = "39"
    back: str = "49"


PLAIN = Pen()
Cell = tuple[str, Pen]
"""What stands in a cell; "" behind a wide character."""
Piece = tuple[int, int, int, Iterable[Segment]]
"""Column, line and width of what is drawn, and what that is."""


class Lean:
    """What one terminal shows, and how it gets from there to the next picture."""

    def __init__(self) -> None:
        self._shown: dict[int, list[Cell | None]] = {}

    def forget(self) -> None:
        """The terminal may show anything now: draw it whatever it is."""
        self._shown.clear()

    def of(self, update: Any) -> Any:
        """The update in fewer bytes; what is not one of Textual's two pictures comes back as it is."""
        return LeanUpdate(update, self._shown) if type(update) in (ChopsUpdate, LayoutUpdate) else update


class LeanUpdate(CompositorUpdate):
    """A picture, or the changed parts of one."""

    def __init__(self, update: ChopsUpdate | LayoutUpdate, shown: dict[int, list[Cell | None]]) -> None:
        self._update = update
        self._shown = shown
        self._text: str | None = None
        self.sent = 0
        """Bytes, once it was rendered."""

    def render_segments(self, console: Console) -> str:
        """The sequences for the terminal, made once. They begin and end with plain colours."""
        if self._text is None:
            self._text = self._rendered(console)
            self.sent = len(self._text)
        return self._text

    def _rendered(self, console: Console) -> str:
        system = console._color_system or ColorSystem.TRUECOLOR  # noqa: SLF001 - as Textual's own does
        pieces = _changed(self._update) if isinstance(self._update, ChopsUpdate) else _whole(self._update)
        out: list[str] = []
        pen, place = PLAIN, (-1, -1)
        for x, y, wide, segments in pieces:
            line = self._shown.setdefault(y, [])
            if len(line) < x + wide:
                line += [None] * (x + wide - len(line))
            cells = _cells(segments, system)
            if len(cells) != wide:  # characters that join, or links: nothing is known of single cells
                out.append(_moved(x, y) + _turned(pen, PLAIN) + "".join(_raw(segments, system)))
                pen, place = PLAIN, (-1, -1)
                line[x : x + wide] = [None] * wide
                continue
            for first, last in _differing(line[x : x + wide], cells):
                if place != (x + first, y):
                    out.append(_moved(x + first, y))
                pen = _drawn(cells[first:last], pen, out)
                place = (x + last, y)
            line[x : x + wide] = cells
        if pen != PLAIN:
            out.append("\x1b[0m")
        return "".join(out)


def _whole(update: LayoutUpdate) -> Iterator[Piece]:
    for y, line in enumerate(update.strips, update.region.y):
        x = update.region.x
        for strip in line:
            yield x, y, strip.cell_length, list(strip)
            x += strip.cell_length


def _changed(update: ChopsUpdate) -> Iterator[Piece]:
    """What lies inside the update's spans, cut at both ends."""
    for y, left, right in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if strip is None or x >= right or end <= left:
                continue
            first, last = max(x, left), min(end, right)
            yield first, y, last - first, list(_cut(strip, first - x, last - x))


def _cut(strip: Strip, first: int, last: int) -> Iterator[Segment]:
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


def _cells(segments: Iterable[Segment], system: ColorSystem) -> list[Cell]:
    """One cell for each column; none or another number where characters join or where there are links."""
    cells: list[Cell] = []
    for text, style, _ in segments:
        if style is not None and style.link:
            return []
        pen = PLAIN if style is None else pen_of(_codes(style, system))
        blank = pen if pen.attributes & _ON_BLANKS else Pen(frozenset(), "", pen.back)
        if text.isascii():
            cells += [(char, blank if char == " " else pen) for char in text]
            continue
        for char in text:
            if not (size := cell_len(char)):
                return []
            cells.append((char, blank if char == " " else pen))
            cells += [("", pen)] * (size - 1)
    return cells


def _raw(segments: Iterable[Segment], system: ColorSystem) -> Iterator[str]:
    for text, style, _ in segments:
        yield text if style is None else Strip.render_style(style, text, system)


def _differing(old: list[Cell | None], new: list[Cell]) -> Iterator[tuple[int, int]]:
    """Where the two differ, as first and behind the last; what lies near is taken along."""
    if old == new:
        return
    first = last = -1
    for place, cell in enumerate(new):
        if cell == old[place]:
            continue
        if first < 0:
            first = place
        elif place - last > _NEAR:
            yield _from_its_head(new, first), last
            first = place
        last = place + 1
    yield _from_its_head(new, first), last


def _from_its_head(cells: list[Cell], place: int) -> int:
    """A wide character is drawn from its first cell."""
    while place and not cells[place][0]:
        place -= 1
    return place


def _drawn(cells: list[Cell], pen: Pen, out: list[str]) -> Pen:
    """Append the cells' sequences; gives how the terminal draws after them."""
    for char, wanted in cells:
        if wanted is not pen and wanted != pen:
            after = wanted if wanted.front else Pen(pen.attributes - _ON_BLANKS, pen.front, wanted.back)
            if after != pen:
                out.append(_turned(pen, after))
                pen = after
        out.append(char)
    return pen


def _codes(style: Style, system: ColorSystem) -> str:
    return style._ansi or Strip.render_ansi(style, system)  # noqa: SLF001 - kept there by Textual and Rich


@lru_cache(maxsize=4096)
def pen_of(codes: str) -> Pen:
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


def _moved(x: int, y: int) -> str:
    return f"\x1b[{y + 1};{x + 1}H"


@lru_cache(maxsize=4096)
def _turned(before: Pen, after: Pen) -> str:
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


QUEUED = 12
"""Writes that may wait to be written before what comes by itself is not drawn; at thirty Textual 8.2 stands still."""
ANSWER_S = 0.6
"""How long the terminal's answer is waited for before it is handed to somebody else."""


class ConsoleBase(App[int]):
    """An application whose pictures take few bytes, and that knows how far the terminal is behind."""

    def __init__(self) -> None:
        super().__init__()
        self._lean = Lean()
        self._pace = Pace()
        self._once_answered: list[Callable[[], None]] = []
        self._deaf_until = 0.0
        self.running_loop: asyncio.AbstractEventLoop | None = None

    def without_colours(self) -> None:
        """NO_COLOR: Textual 8.2 chose the filter for its own first theme, greys instead of no colour."""
        if self.no_color:
            self._filters = [NoColor() if isinstance(one, Monochrome) else one for one in self._filters]

    def ignore_keys_before_answer(self) -> None:
        """An answer that Textual 8.2 takes for keys is on its way, and one that it knows, the cursor's, behind it."""
        self._deaf_until = time.monotonic() + LOST_S

    async def on_event(self, event: events.Event) -> None:
        """But for keys that are none."""
        if isinstance(event, events.CursorPosition):
            self._deaf_until = 0.0
        if not isinstance(event, events.Key) or time.monotonic() >= self._deaf_until:
            await super().on_event(event)

    def refresh_css(self, animate: bool = True) -> None:
        """Of what is there; at the start Textual 8.2 parses its own sheet for a theme, and then once more."""
        if self.running_loop is not None:
            super().refresh_css(animate=animate)
        else:
            self.stylesheet.set_variables(self.get_css_variables())

    @property
    def fault(self) -> Exception | None:
        return self._exception

    def _fatal_error(self) -> None:
        """Only end: whoever runs the application words its `fault`. Textual 8.2 prints every local of every frame."""
        self._close_messages_no_wait()

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        update = self._lean.of(renderable)
        if self._draws_nothing(update):
            self.post_display_hook()
            return
        super()._display(screen, update)
        if self._driver is not None and self._pace.sent(getattr(update, "sent", 0), time.monotonic()):
            self._driver.write(QUESTION)

    def _draws_nothing(self, update: Any) -> bool:
        """A layout that moved nothing, with the cursor where it was: Textual 8.2 writes the sequences around it."""
        if not isinstance(update, LeanUpdate) or self.is_headless or self._batch_count or not self._running:
            return False
        cursor = self.screen.outer_size.clamp_offset(self.cursor_position)
        return cursor == self._previous_cursor_position and not update.render_segments(self.console)

    def on_terminal_supports_synchronized_output(self) -> None:
        """The terminal has come as far as it was asked."""
        self._pace.answered()
        self.caught_up()
        self._answered()

    def caught_up(self) -> None:
        """The terminal shows what was sent."""

    def _answered(self) -> None:
        waiting, self._once_answered = self._once_answered, []
        for then in waiting:
            then()

    @property
    def behind(self) -> bool:
        """The terminal has not shown yet what was sent: what comes by itself waits."""
        queue = getattr(getattr(self._driver, "_writer_thread", None), "_queue", None)
        unwritten = queue.qsize() if queue is not None else 0
        return self._pace.behind(time.monotonic()) or unwritten > QUEUED

    def when_answered(self, then: Callable[[], None]) -> None:
        """Call `then` once no answer of the terminal is out, which whoever has it next would take for typed."""
        if not self._pace.behind(time.monotonic()):
            then()
            return
        self._once_answered.append(then)
        self.set_timer(ANSWER_S, self._answered)

    def forget_screen(self) -> None:
        """Somebody else had the terminal, or it moved what it showed."""
        self._lean.forget()


class HeldScreen(Screen[None]):
    """A screen that draws nothing before `begun`; Textual 8.2 draws as soon as it has a size, so a blank picture."""

    begun = False

    def _compositor_refresh(self) -> None:
        if self.begun:
            super()._compositor_refresh()


def place_again(widget: Widget) -> None:
    """The places of a widget's children changed; Textual 8.2 clears the caches of ancestors only."""
    widget._clear_arrangement_cache()  # noqa: SLF001
    widget.refresh(layout=True)


def bind(screen: Screen[Any], keys: str, action: str) -> None:
    """A key of one screen alone, decided when it is made."""
    screen._bindings.bind(keys, action, show=False)  # noqa: SLF001
