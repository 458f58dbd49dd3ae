"""One line at the foot of the screen to type a filter into; what is typed is told at once. It knows no list."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Input

from r3d_tui.text.safe import safe


class FilterLine(ModalScreen[None]):
    """Enter or an arrow keeps the filter, Esc forgets it."""

    DEFAULT_CSS = """
    FilterLine { align: left bottom; background: transparent; }
    FilterLine Input, FilterLine Input:focus { height: 1; width: 1fr; border: none; padding: 0 1; background: $panel; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+g", "forget", show=False, priority=True),
        Binding("down,up,tab", "keep", show=False, priority=True),
    ]

    def __init__(self, value: str, hint: str, changed: Callable[[str], None]) -> None:
        super().__init__()
        self._changed = changed
        self._entry = Input(value=value, placeholder=hint, select_on_focus=False)

    def compose(self) -> ComposeResult:
        yield self._entry

    def on_mount(self) -> None:
        self._entry.focus()

    @on(Input.Changed)
    def tell(self, event: Input.Changed) -> None:
        event.stop()
        self._changed(safe(event.value))

    @on(Input.Submitted)
    def keep(self, event: Input.Submitted) -> None:
        event.stop()
        self.dismiss(None)

    def action_keep(self) -> None:
        self.dismiss(None)

    def action_forget(self) -> None:
        self._changed("")
        self.dismiss(None)
