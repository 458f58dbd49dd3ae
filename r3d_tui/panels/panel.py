"""What all panels share: a sheet with a title line, drawn from the scene by a view. It refuses to know clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from msgspec import Struct, field
from textual import events

from backends.core.client import Snapshot
from r3d_tui.lang.words import Words
from r3d_tui.state.log_buffer import LogBook
from r3d_tui.text.rows import Row, Span, cells, cut, row
from r3d_tui.views.devices import Arrangement
from r3d_tui.views.layout import PANELS
from r3d_tui.views.look import Look, squeeze
from r3d_tui.views.tracks import Track
from r3d_tui.widgets.sheet import Sheet


class Scene(Struct, frozen=True):
    """All that the panels draw from: the snapshot, and where the person is."""

    snapshot: Snapshot
    words: Words
    now: float
    selected: str
    """The stage."""
    device: str
    """The device under the cursor."""
    current: str
    """The panel."""
    dashboard: bool
    history: Mapping[str, Sequence[float | None]]
    """Clips/s."""
    log: LogBook
    tracks: Mapping[str, Track] = field(default_factory=dict)
    """What the devices' sensors said."""
    arrangement: Arrangement = field(default_factory=Arrangement)
    """Which devices are listed, and in which order."""


class Panel(Sheet):
    """One panel. A subclass names itself and gives rows, and a row for the cursor where it has one."""

    panel: ClassVar[str]
    DEFAULT_CSS = "Panel { padding: 0 1; }"

    def __init__(self) -> None:
        super().__init__(id=self.panel, focusable=False)
        self.scene: Scene | None = None
        self.drawn: list[Row] = []
        """The rows that stand, once blank ones have made room."""

    def rows(self, scene: Scene, look: Look) -> list[Row]:
        """What the panel shows."""
        raise NotImplementedError

    def cursor(self, scene: Scene) -> int | None:  # noqa: ARG002 - for those that have one
        """The row of the cursor."""
        return None

    def info(self, scene: Scene) -> str:  # noqa: ARG002 - for those that have some
        """A word at the right of the title."""
        return ""

    def warning(self, scene: Scene) -> str:  # noqa: ARG002 - for those that have some
        """A word at the right of the title that must not be missed."""
        return ""

    def draw(self, scene: Scene) -> None:
        """Show the scene."""
        self.scene = scene
        if self.size.width < 2:
            return
        look = Look(scene.words, self.size.width, self.size.height - 1, scene.now, scene.selected)
        self.drawn = squeeze(self.rows(scene, look), look.height)
        self.show(self.drawn, lambda: self._head(scene), self.cursor(scene))

    def retitle(self) -> None:
        """Draw the title again: it says what part of the rows is shown."""
        if self.scene is not None:
            self.put_title(self._head(self.scene))

    def scroll_rows(self, rows: int) -> None:
        """Scroll and say so in the title."""
        super().scroll_rows(rows)
        self.retitle()

    def on_resize(self, event: events.Resize) -> None:
        """Another width, other rows."""
        del event
        if self.scene is not None:
            self.draw(self.scene)

    def _head(self, scene: Scene) -> Row:
        here = scene.current == self.panel
        number = f"{PANELS.index(self.panel) + 1} " if self.panel in PANELS else ""
        name = scene.words(f"panel.{self.panel}")
        left = row(Span("▸ " if here else "─ ", "focus" if here else "rule"), Span(number, "key"))
        left += row(Span(name, "focus" if here else "head"), " ")
        parts = [self.info(scene), self._part()]
        right = "  ".join(part for part in parts if part)
        tail = row(Span(f" {right}", "dim")) if right else ()
        if warning := self.warning(scene):
            tail = row(Span(f" {warning}", "warn"), *tail)
        space = self.size.width - sum(cells(span.text) for span in (*left, *tail))
        return cut((*left, Span("─" * max(0, space), "rule"), *tail), self.size.width)

    def _part(self) -> str:
        if self.row_count <= self.page or not self.page:
            return ""
        last = min(self.row_count, self.top + self.page)
        return f"{self.top + 1}–{last}/{self.row_count}"
