"""A question and one line to type in, over whatever is shown. Gives what was typed, or "" where it was closed."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from r3d_tui.text.rows import Span, cut, row
from r3d_tui.widgets.sheet import Sheet


class Prompt(ModalScreen[str]):
    """A question and a line; Enter gives the line, Esc "" ."""

    DEFAULT_CSS = """
    Prompt { align: center middle; background: transparent; }
    Prompt #edge { border: round $primary; background: $surface; height: 5; padding: 0 1; width: 96; max-width: 100%; }
    Prompt.-ascii #edge { border: ascii $primary; }
    Prompt #entry, Prompt #entry:focus { border: none; background: $panel; padding: 0; height: 1; }
    Prompt Sheet { height: 1; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,ctrl+g", "shut", show=False)]

    def __init__(self, question: str, value: str, keys: str) -> None:
        super().__init__()
        self._question, self._keys = question, keys
        self._head, self._foot = Sheet(focusable=False), Sheet(focusable=False)
        self._entry = Input(value=value, id="entry", select_on_focus=False)

    def compose(self) -> ComposeResult:
        yield Vertical(self._head, self._entry, self._foot, id="edge")

    def on_mount(self) -> None:
        self.set_class(bool(getattr(self.app, "ascii_only", False)), "-ascii")
        self._entry.focus()
        self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        width = self._head.size.width
        self._head.show([cut(row(Span(self._question, "focus")), width)])
        self._foot.show([cut(row(Span(self._keys, "dim")), width)])

    @on(Input.Submitted)
    def take(self, event: Input.Submitted) -> None:
        event.stop()
        self.dismiss(event.value.strip())

    def action_shut(self) -> None:
        self.dismiss("")
