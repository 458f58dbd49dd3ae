"""What all panels share: a sheet drawn from the scene by a view, in a box where there is room for one."""

from collections.abc import Callable

from msgspec import Struct
from textual import events

from backends.core.client import Snapshot
from backends.core.values import VideoScore
from r3d_tui.lang.words import Words
from r3d_tui.state.board_state import BoardState
from r3d_tui.text.rows import Row, Span, cells, cut, row, shorten
from r3d_tui.views.devices import Device
from r3d_tui.views.look import Look, squeeze
from r3d_tui.views.matrix import Heat
from r3d_tui.widgets.sheet import Sheet


class ShownClip(Struct, frozen=True):
    """The misclassified video that is chosen in the result, and a frame of its first clip."""

    video: VideoScore
    picture: tuple[Row, ...] = ()
    wrong: str = ""
    """Why there is no picture."""


class Scene(Struct, frozen=True):
    """All that the panels draw from: the board's state, and what of it is worked out once for a picture."""

    state: BoardState
    snapshot: Snapshot
    words: Words
    now: float
    selected: str
    """The stage."""
    devices: tuple[Device, ...]
    """All of them, by number."""
    listed: tuple[Device, ...]
    """Those that are shown, in order."""
    boxed: bool = False
    read_only: bool = False
    clip: ShownClip | None = None
    """Where it has a place beside the result."""
    heat: Heat | None = None
    """Of a matrix; None without colours."""


class View(Struct, frozen=True):
    """What one panel shows. `rows` is pure; the others say what stands in its title."""

    name: str
    rows: Callable[[Scene, Look], list[Row]]
    info: Callable[[Scene, Look], str] | None = None
    """At the right of the title."""
    cursor: Callable[[Scene, list[Row]], int | None] | None = None
    title: Callable[[Scene], str] | None = None
    """In place of the panel's own name."""


class Panel(Sheet):
    DEFAULT_CSS = "Panel { padding: 0; }"

    def __init__(self, view: View) -> None:
        super().__init__(id=view.name, focusable=False)
        self.view = view
        self.scene: Scene | None = None

    def rows(self, scene: Scene, look: Look) -> list[Row]:
        return self.view.rows(scene, look)

    def look(self, scene: Scene, width: int, height: int) -> Look:
        """The room for rows in a box of this size."""
        inner = (width - 4, height - 2) if scene.boxed else (width, height - self._titled(scene))
        return Look(scene.words, max(2, inner[0]), max(1, inner[1]), scene.now, scene.selected)

    def draw(self, scene: Scene) -> None:
        self.scene, self.boxed = scene, scene.boxed
        if self.size.width < 4:
            return
        look = self.look(scene, *self.size)
        drawn = squeeze(self.rows(scene, look), look.height)
        title = (lambda: self._head(scene)) if scene.boxed or self._titled(scene) else None
        foot = self._bottom(scene) if scene.boxed else None
        self.show(drawn, title, self.view.cursor(scene, drawn) if self.view.cursor else None, foot)

    def _titled(self, scene: Scene) -> bool:
        """Outside a box only what takes the whole body has a line for its title."""
        return scene.boxed or self.view.name not in ("main", "chips")

    def scroll_rows(self, rows: int) -> None:
        super().scroll_rows(rows)
        if self.scene is not None and self._titled(self.scene):
            self.put_title(self._head(self.scene))

    def on_resize(self, event: events.Resize) -> None:
        del event
        if self.scene is not None:
            self.draw(self.scene)

    def _head(self, scene: Scene) -> Row:
        here = scene.state.current == self.view.name
        look = self.look(scene, *self.size)
        name = self.view.title(scene) if self.view.title is not None else scene.words(f"panel.{self.view.name}")
        right = "  ".join(
            part for part in (self.view.info(scene, look) if self.view.info else "", self._part()) if part
        )
        corner, end = ("╭ ", " ─╮" if right else "─╮") if scene.boxed else ("─ ", "")
        role = "focus" if here else "rule"
        name = shorten(name, max(4, self.size.width - cells(right) - 8))
        left = row(Span(corner, role), Span(name, "focus" if here else "head"), " ")
        tail = row(Span(f" {right}" if right else "", "dim"), Span(end, role))
        space = self.size.width - sum(cells(span.text) for span in (*left, *tail))
        return cut((*left, Span("─" * max(0, space), role), *tail), self.size.width)

    def _bottom(self, scene: Scene) -> Row:
        role = "focus" if scene.state.current == self.view.name else "rule"
        return row(Span(f"╰{'─' * max(0, self.size.width - 2)}╯", role))

    def _part(self) -> str:
        if self.row_count <= self.page or not self.page:
            return ""
        last = min(self.row_count, self.top + self.page)
        return f"{self.top + 1}–{last}/{self.row_count}"
