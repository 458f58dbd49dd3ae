"""A container that puts its children where a function says; a child without a place is not shown."""

from collections.abc import Callable, Mapping

from textual.geometry import NULL_OFFSET, NULL_SPACING, Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.widget import Widget

from r3d_tui.terminal.textual_workarounds import place_again

Place = Callable[[int, int], Mapping[str, tuple[int, int, int, int]]]


class _Placed(Layout):
    name = "placed"

    def __init__(self, place: Place) -> None:
        self._place = place

    def arrange(
        self,
        parent: Widget,
        children: list[Widget],
        size: Size,
        greedy: bool = True,
    ) -> ArrangeResult:
        del greedy
        parent.pre_layout(self)
        boxes = self._place(size.width, size.height)
        return [
            WidgetPlacement(Region(*boxes[child.id]), NULL_OFFSET, NULL_SPACING, child)
            for child in children
            if child.id is not None and child.id in boxes
        ]


class Tiles(Widget):
    """Children by id at the boxes of `place(width, height)`."""

    DEFAULT_CSS = "Tiles { height: 1fr; width: 1fr; }"

    def __init__(self, *children: Widget, place: Place) -> None:
        super().__init__(*children)
        self._placed = _Placed(place)

    def place_again(self) -> None:
        place_again(self)

    @property
    def layout(self) -> Layout:
        return self._placed
