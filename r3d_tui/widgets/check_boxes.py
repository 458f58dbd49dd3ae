"""A row of check boxes on one line: arrows move, Space turns one. It knows nothing of what they stand for."""

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from r3d_tui.text.rows import Span, row
from r3d_tui.widgets.sheet import Sheet


class CheckBoxes(Sheet):
    """`chosen` are the keys of the boxes that are on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "turn", show=False),
        Binding("right", "move(1)", show=False),
        Binding("left", "move(-1)", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(id=id)
        self.keys: tuple[int, ...] = ()
        self.chosen: set[int] = set()
        self._here = 0

    def offer(self, keys: Sequence[int], chosen: Sequence[int]) -> None:
        self.keys, self.chosen, self._here = tuple(keys), set(chosen), 0
        self.draw()

    def draw(self) -> None:
        spans = []
        for place, key in enumerate(self.keys):
            text = f"[{'x' if key in self.chosen else ' '}] {key}"
            spans.append(Span(text, "chip" if place == self._here and self.has_focus else ""))
            spans.append(Span("  "))
        self.show([row(*spans)])

    def on_focus(self) -> None:
        self.draw()

    def on_blur(self) -> None:
        self.draw()

    def action_move(self, step: int) -> None:
        if self.keys:
            self._here = (self._here + step) % len(self.keys)
            self.draw()

    def action_turn(self) -> None:
        if self.keys:
            self.chosen ^= {self.keys[self._here]}
            self.draw()
