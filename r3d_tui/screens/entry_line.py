"""One line at the foot of the screen to type into: a filter, a search, a folder. What is typed is reported at once."""

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Input

from r3d_tui.text.rows import row, safe
from r3d_tui.widgets.sheet import Sheet


class EntryLine(ModalScreen[str]):
    """Enter or an arrow gives what was typed, Esc "" after it has reported that nothing is typed."""

    DEFAULT_CSS = """
    EntryLine { align: left bottom; background: transparent; }
    EntryLine Sheet { height: 1; padding: 0 1; background: $surface; }
    EntryLine Input, EntryLine Input:focus { height: 1; width: 1fr; border: none; padding: 0 1; background: $panel; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+g", "forget", show=False, priority=True),
        Binding("down,up,tab", "keep", show=False, priority=True),
    ]

    def __init__(
        self, value: str, hint: str, changed: Callable[[str], None] = lambda _: None, question: str = ""
    ) -> None:
        """`hint` stands where nothing is typed, `question` above the line."""
        super().__init__()
        self._changed, self._question = changed, question
        self.entry = Input(value=value, placeholder=hint, select_on_focus=False)

    def compose(self) -> ComposeResult:
        if self._question:
            question = Sheet(focusable=False)
            question.show([row(self._question)])
            yield question
        yield self.entry

    def on_mount(self) -> None:
        self.entry.focus()

    @on(Input.Changed)
    def tell(self, event: Input.Changed) -> None:
        event.stop()
        self._changed(safe(event.value))

    @on(Input.Submitted)
    def keep(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_keep()

    def action_keep(self) -> None:
        self.dismiss(self.entry.value.strip())

    def action_forget(self) -> None:
        self._changed("")
        self.dismiss("")
