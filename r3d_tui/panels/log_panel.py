"""The log of the selected stage: its end, as it grows, or what was searched for."""

from r3d_tui.panels.panel import Panel, Scene, View
from r3d_tui.state.log_buffer import level, log_row
from r3d_tui.text import figures
from r3d_tui.text.rows import Row
from r3d_tui.views import stages
from r3d_tui.views.look import Look, paragraph, stage_word


class LogPanel(Panel):
    """Rows are asked for one by one, so that a long log costs what is seen of it."""

    def __init__(self) -> None:
        super().__init__(View("log", lambda _scene, _look: [], _info))
        self.at_end = True
        """The end is shown, and stays shown as the log grows."""
        self._wrapped: list[tuple[int, str]] = []
        self._wrapped_of: list[str] = []
        """The lines that were wrapped: a stage that starts again gives the log others before this panel is drawn."""

    def rows(self, scene: Scene, look: Look) -> list[Row]:
        """Only the words for an empty log; lines come from `row_at`."""
        book = scene.state.book
        self._wrapped = book.wrapped(look.width) if book.stage == scene.selected else []
        self._wrapped_of = book.lines
        if self.at_end:
            self.top = 1 << 40  # `show` takes it back to the last page
        if not self._wrapped and book.only and book.lines:
            return paragraph(scene.words("list.no_match", pattern=book.pattern), look.width, "dim")
        return [] if self._wrapped else stages.notes(scene.snapshot, look)

    @property
    def row_count(self) -> int:
        """Lines of the log in pieces of the panel's width."""
        return len(self._wrapped) or super().row_count

    def row_at(self, index: int) -> Row:
        if not self._wrapped or self.scene is None:
            return super().row_at(index)
        line, piece = self._wrapped[index]
        return log_row(piece, self.scene.state.book.pattern, level(self._wrapped_of[line]))

    def scroll_rows(self, rows: int) -> None:
        """Scrolling back lets go of the end; scrolling to the end takes hold of it again."""
        super().scroll_rows(rows)
        ends = self.top >= self.last_top
        if ends != self.at_end:
            self.at_end = ends
            super().scroll_rows(0)  # the title says which

    def show_line(self, line: int) -> None:
        if self.scene is not None and self._wrapped:
            self.at_end = False
            self.scroll_rows(self.scene.state.book.row_of(line) - self.top - self.page // 2)

    def _part(self) -> str:
        """Whether the panel follows the log's end; where not, which lines it shows."""
        if not self._wrapped or self.scene is None:
            return super()._part()
        if self.at_end:
            return self.scene.words("log.following")
        return f"{super()._part()}  {self.scene.words('log.paused')}"

    def draw(self, scene: Scene) -> None:
        """Show the scene, the match that is looked at under the cursor."""
        super().draw(scene)
        here = scene.state.book.here
        if here is not None and self._wrapped:
            self.put_cursor(scene.state.book.row_of(here))


def _info(scene: Scene, _look: Look) -> str:
    book = scene.state.book
    name = stage_word(scene.words, scene.selected)
    if book.dropped:
        name = f"{name}  {scene.words('log.older', n=figures.count(book.dropped))}"
    if not book.pattern:
        return name
    place = f"{book.place + 1}/{figures.count(len(book.found))}"
    only = f" {scene.words('log.only')}" if book.only else ""
    return f"{name}  /{book.pattern}{only}  {place}"
