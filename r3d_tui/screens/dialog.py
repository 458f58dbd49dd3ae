"""A sheet over the board with a title, a body that scrolls and a line of keys."""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from backends.core.messages import Line, R3dError
from r3d_tui.lang.words import Words
from r3d_tui.screens.host import Host, write_text
from r3d_tui.state.feed import ask
from r3d_tui.terminal.textual_workarounds import bind
from r3d_tui.text.rows import Row, Span, cut, ends, fit, row, safe, width_of
from r3d_tui.views.actions import KeyHint
from r3d_tui.views.look import Look
from r3d_tui.widgets.sheet import Sheet

Rows = Callable[[Look], list[Row]]
NOTICE_S = 4.0
GAP = 2
"""Cells between two keys of the last line."""


class Dialog(ModalScreen[str]):
    """Gives the key of the choice that was made, or "" where it was only closed."""

    DEFAULT_CSS = """
    Dialog { align: center middle; background: transparent; }
    Dialog #body { border: round $primary; background: $surface; padding: 0 1; }
    Dialog.-bad #body { border: round $error; }
    Dialog.-ascii #body { border: ascii $primary; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "shut", show=False),
        Binding("j,down", "move(1)", show=False),
        Binding("k,up", "move(-1)", show=False),
        Binding("pagedown,ctrl+d", "page(1)", show=False),
        Binding("pageup,ctrl+u", "page(-1)", show=False),
        Binding("g,home", "far(-1)", show=False),
        Binding("G,shift+g,end", "far(1)", show=False),
        Binding("tab,shift+tab", "nothing", show=False),
    ]
    _pairs: Sequence[KeyHint] = ()

    def __init__(
        self,
        title: str,
        rows: Rows,
        words: Words,
        *,
        choices: tuple[tuple[str, str], ...] = (),
        also_shuts: str = "",
        width: int = 96,
        bad: bool = False,
        clock: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`choices` are (keys joined by commas, the key of their words); `also_shuts` is the key that opened it."""
        super().__init__(classes="-bad" if bad else "")
        self._heading, self._rows, self._words = title, rows, words
        self._choices, self._wide, self._clock = choices, width, clock
        self._body = self.make_body()
        for keys, _ in choices:
            bind(self, keys, f"choose({keys.split(',')[0]!r})")
        if also_shuts:
            bind(self, also_shuts, "shut")
        self._notice = ""
        if not choices:
            bind(self, "y", "copy")
            bind(self, "w", "write")

    def make_body(self) -> Sheet:
        return Sheet(id="body", focusable=False)

    def compose(self) -> ComposeResult:
        self._fit()
        yield self._body

    def on_mount(self) -> None:
        self.set_class(bool(getattr(self.app, "ascii_only", False)), "-ascii")
        self.call_after_refresh(self.draw)

    def on_resize(self, event: events.Resize) -> None:
        del event
        self._fit()
        self.call_after_refresh(self.draw)

    def draw(self) -> None:
        if not self._body.size.width:
            return
        title = cut(row(Span(self._heading, "focus")), self._body.size.width)
        self._body.show(self._rows(self._look(self._body.size.width)), title, foot=self.keyline(self._keys()))

    def _look(self, width: int) -> Look:
        return Look(self._words, width, self.app.size.height, self._clock())

    def _fit(self) -> None:
        """As wide as agreed and as high as the rows, but no larger than the terminal."""
        width, height = self.app.size
        wide = min(self._wide, width - (4 if width > 70 else 0))
        rows = len(self._rows(self._look(max(2, wide - 4))))
        tall = min(rows + 4, height - (2 if height > 24 else 0))
        self._body.styles.width, self._body.styles.height = max(5, wide), max(4, tall)

    def _keys(self) -> list[KeyHint]:
        shown = [(keys.split(","), text) for keys, text in self._choices]
        keys = [("/".join(named).replace("enter", "Enter"), text, f"choose({named[0]!r})") for named, text in shown]
        keys += [("j/k", "dialog.scroll", ""), *([] if shown else [("y/w", "list.take", "copy")])]
        return [*keys, ("q/Esc", "dialog.close", "shut")]

    def keyline(self, pairs: Sequence[KeyHint], state: str = "") -> Row:
        """Keys, words and what a click does at the left, a state at the right; keys go where all do not fit."""
        width, self._pairs = max(1, self._body.size.width), pairs
        if self._notice:
            return cut(row(Span(safe(self._notice), "accent")), width)
        tail = row(Span(f" {state}", "dim")) if state else ()
        kept = [_key(key, self._words(text), action) for key, text, action in pairs]
        while len(kept) > 1 and sum(map(width_of, kept)) - GAP + (width_of(tail) + 1 if tail else 0) > width:
            kept.pop(-2)
        line = tuple(itertools.chain.from_iterable(kept))
        line = (*line[:-1], line[-1]._replace(text=line[-1].text.rstrip()))
        return ends(line, tail, width) if tail else cut(line, width)

    def action_choose(self, key: str) -> None:
        self.dismiss(key)

    def action_shut(self) -> None:
        self.dismiss("")

    def action_move(self, rows: int) -> None:
        self._body.scroll_rows(rows)

    def action_page(self, pages: int) -> None:
        self._body.scroll_rows(pages * max(1, self._body.page - 1))

    def action_far(self, way: int) -> None:
        self._body.scroll_rows(way * self._body.row_count)

    def with_text(self, then: Callable[[str], None]) -> None:
        """Call `then` with all rows as text, once they are at hand."""
        then(self._body.plain_text())

    def action_copy(self) -> None:
        self.with_text(self.app.copy_to_clipboard)
        self.say(self._words("say.copied"))

    def action_write(self) -> None:
        host = cast(Host, self.app)
        if host.read_only:
            self.say(self._words("say.read_only"))
            return
        name, folder, now = type(self).__name__.lower(), host.client.workspace, host.clock()

        def say(place: Path) -> None:
            self.say(self._words("say.written", path=str(place)))

        self.with_text(lambda text: ask(self, lambda: write_text(folder, name, text, now), say, self.say_error))

    def say_error(self, error: R3dError | Line) -> None:
        self.say(self._words.line(error.line if isinstance(error, R3dError) else error))

    def say(self, text: str) -> None:
        """A notice in place of the keys, for some seconds."""
        self._notice = text
        self.draw()
        self.set_timer(NOTICE_S, self._say_no_more)

    def _say_no_more(self) -> None:
        self._notice = ""
        self.draw()

    def action_nothing(self) -> None:
        """Tab has nowhere to go here."""


class Large(Dialog):
    """A dialog as large as the terminal: what it shows must not jump."""

    WIDE = 130
    BINDINGS: ClassVar[list[BindingType]] = [Binding("question_mark,f1", "keys", show=False)]

    def action_keys(self) -> None:
        """All keys that work now, also those that the last line has no place for."""

        def rows(look: Look) -> list[Row]:
            return [row(Span(fit(key, 10), "key"), " ", look.words(text)) for key, text, _ in self._pairs]

        self.app.push_screen(
            Dialog(self._words("help.title"), rows, self._words, also_shuts="question_mark,f1", width=60)
        )

    def _fit(self) -> None:
        width, height = self.app.size
        self._body.styles.width = max(5, min(self.WIDE, width - (4 if width > 84 else 0)))
        self._body.styles.height = max(4, height - (2 if height > 24 else 0))


def _key(key: str, text: str, action: str) -> Row:
    act = f"screen.{action}" if action else ""
    return Span(key, "key", act), Span(f" {text}  ", "", act)
