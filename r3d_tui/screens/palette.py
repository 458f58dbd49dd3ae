"""The command palette: what is typed narrows the list, Enter does the marked one."""

from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from r3d_tui.lang.words import Words
from r3d_tui.text.rows import Row, Span, cells, fit, row, shorten
from r3d_tui.views.actions import Action, all_shown
from r3d_tui.widgets.sheet import Sheet

WIDE = 76


class Palette(ModalScreen[str]):
    """Gives the name of an action, or ""."""

    DEFAULT_CSS = """
    Palette { align: center middle; background: transparent; }
    Palette #edge { border: round $primary; background: $surface; }
    Palette.-ascii #edge { border: ascii $primary; }
    Palette #entry { border: none; background: $surface; padding: 0 1; height: 1; }
    Palette #entry:focus { border: none; }
    Palette #list { background: $surface; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+p,ctrl+g", "shut", show=False),
        Binding("down,ctrl+n,tab", "move(1)", show=False, priority=True),
        Binding("up,shift+tab", "move(-1)", show=False, priority=True),
        Binding("enter", "take", show=False, priority=True),
    ]

    def __init__(self, actions: tuple[Action, ...], words: Words) -> None:
        super().__init__()
        self._all = [(action, words(f"action.{action.name}")) for action in actions]
        self._keys = 2 + max((cells(all_shown(action)) for action in actions), default=0)
        self._words = words
        self._shown = list(self._all)
        self._here = 0
        self.entry = Input(placeholder=words("palette.hint"), id="entry", select_on_focus=False)
        self._list = Sheet(id="list", focusable=False)
        self._edge = Vertical(self.entry, self._list, id="edge")

    def compose(self) -> ComposeResult:
        self._fit()
        yield self._edge

    def on_mount(self) -> None:
        self.set_class(bool(getattr(self.app, "ascii_only", False)), "-ascii")
        self.entry.focus()
        self.call_after_refresh(self._draw)

    def on_resize(self, event: events.Resize) -> None:
        del event
        self._fit()
        self.call_after_refresh(self._draw)

    @on(Input.Changed)
    def narrow(self, event: Input.Changed) -> None:
        """Keep the actions that hold every word typed; an empty line after `q` or Esc closes."""
        words = event.value.lower().split()
        self._shown = [pair for pair in self._all if all(word in self._haystack(pair) for word in words)]
        self._here = 0
        self._draw()

    def _haystack(self, pair: tuple[Action, str]) -> str:
        return f"{pair[0].name.replace('_', ' ')} {pair[1]}".lower()

    def _fit(self) -> None:
        width, height = self.app.size
        self._edge.styles.width = max(4, min(WIDE, width))
        self._edge.styles.height = max(4, min(len(self._all) + 3, height))

    def _draw(self) -> None:
        width = max(2, self._list.size.width)
        self._list.show([self._row(n, pair, width) for n, pair in enumerate(self._shown)], cursor=self._here)
        self._list.reveal(self._here)

    def _row(self, number: int, pair: tuple[Action, str], width: int) -> Row:
        action, text = pair
        mark = "› " if number == self._here else "  "
        keys = fit(all_shown(action), self._keys)
        return row(
            Span(mark, "focus"),
            Span(keys, "key"),
            Span(shorten(text, width - self._keys - 2), "", f"screen.pick({number})"),
        )

    def action_pick(self, number: int) -> None:
        self._here = number
        self.action_take()

    def action_take(self) -> None:
        self.dismiss(self._shown[self._here][0].name if self._shown else "")

    def action_move(self, step: int) -> None:
        if self._shown:
            self._here = (self._here + step) % len(self._shown)
            self._draw()

    def action_shut(self) -> None:
        self.dismiss("")
