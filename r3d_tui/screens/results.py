"""The results large: the confusion matrix, the classes, the worst videos, another run beside this one, and the export.

It is handed what a run found and two ways to ask for more; it refuses to know clients.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.color import Color

from backends.contract.client import RunResult, RunSummary
from r3d_tui.lang.words import Words
from r3d_tui.rows import Row, Span, cells, cut
from r3d_tui.safe import safe
from r3d_tui.screens.dialog import Dialog
from r3d_tui.screens.prompt import Prompt
from r3d_tui.views import result as view
from r3d_tui.views.compare import compare
from r3d_tui.views.look import Look, paragraph
from r3d_tui.views.matrix import Heat, matrix

PAGES = ("matrix", "classes", "worst", "compare")
WIDE = 190

Load = Callable[[str, Callable[[RunResult], None]], None]
Export = Callable[[Path], None]
Play = Callable[[str], None]


class Results(Dialog):
    """Four pages about one run. `load` fetches another run's result, `export` writes this one's to a folder."""

    DEFAULT_CSS = """
    Results { align: center middle; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "shut", show=False),
        Binding("tab,right", "turn(1)", show=False, priority=True),
        Binding("shift+tab,left", "turn(-1)", show=False, priority=True),
        *(Binding(str(number), f"page_at({number - 1})", show=False) for number in range(1, len(PAGES) + 1)),
        Binding("c", "earlier(1)", show=False),
        Binding("C,shift+c", "earlier(-1)", show=False),
        Binding("x", "export", show=False),
        Binding("enter", "play", show=False),
    ]

    def __init__(
        self,
        found: RunResult,
        earlier: tuple[RunSummary, ...],
        words: Words,
        *,
        load: Load,
        export: Export,
        play: Play,
        folder: Path,
    ) -> None:
        """`earlier` are the other runs with a result, latest first; `folder` is where an export goes by default.

        `play` shows a video's clips by its name.
        """
        super().__init__(words("results.title", run=safe(found.run.id)), self._page_rows, words)
        self._found, self._earlier = found, earlier
        self._load, self._export, self._play, self._folder = load, export, play, folder
        self._here = self._row = 0
        self._other = -1
        self._before: RunResult | None = None

    def on_mount(self) -> None:
        """Draw, and fetch the run before this one."""
        super().on_mount()
        self.action_earlier(1)

    def action_turn(self, step: int) -> None:
        """The next page."""
        self.action_page_at((self._here + step) % len(PAGES))

    def action_page_at(self, place: int) -> None:
        """A page by its number."""
        self._here = place
        self._body.top = 0
        self.draw()

    def action_earlier(self, step: int) -> None:
        """Compare with the next earlier run."""
        if not self._earlier:
            return
        self._other = (self._other + step) % len(self._earlier)
        self._load(self._earlier[self._other].id, self._take_earlier)

    def _take_earlier(self, before: RunResult) -> None:
        if before.run.id == self._earlier[self._other].id:
            self._before = before
            self.draw()

    def action_export(self) -> None:
        """Ask for a folder, then copy the result there."""

        def chosen(text: str | None) -> None:
            if text:
                self._export(self._folder / Path(text).expanduser())

        words = self._words
        keys = f"Enter {words('results.export')}   Esc {words('dialog.close')}"
        place = str(self._folder / f"result-{self._found.run.id}")
        self.app.push_screen(Prompt(words("results.where"), place, keys), chosen)

    def _fit(self) -> None:
        """As large as the terminal: pages must not jump."""
        width, height = self.app.size
        self._body.styles.width = max(5, min(WIDE, width - (4 if width > 84 else 0)))
        self._body.styles.height = max(4, height - (2 if height > 24 else 0))

    def draw(self) -> None:
        """Show the page under its tabs."""
        if not self._body.size.width:
            return
        look = self._look(self._body.size.width)
        cursor = self._row + 1 if self._listing else None
        self._body.show(self._page_rows(look), self._tabs(), cursor, self._keys())

    @property
    def _listing(self) -> bool:
        """The page with a cursor is shown, and has something to put it on."""
        return PAGES[self._here] == "worst" and self._found.report is not None and bool(self._found.report.worst)

    def action_move(self, rows: int) -> None:
        """Move the cursor where there is one, else scroll."""
        if not self._listing or self._found.report is None:
            super().action_move(rows)
            return
        self._row = max(0, min(len(self._found.report.worst) - 1, self._row + rows))
        self.draw()
        self._body.reveal(self._row + 1 if self._row else 0)

    def action_page(self, pages: int) -> None:
        """Move or scroll by what is seen."""
        self.action_move(pages * max(1, self._body.page - 1))

    def action_far(self, way: int) -> None:
        """To an end."""
        self.action_move(way * self._body.row_count)

    def action_play(self) -> None:
        """Show the clips of the video under the cursor."""
        if self._listing and self._found.report is not None:
            self._play(self._found.report.worst[self._row].video)

    def _tabs(self) -> Row:
        spans = [Span(f"{self._heading}  ", "focus")]
        for place, page in enumerate(PAGES):
            text = f" {place + 1} {self._words(f'results.{page}')} "
            spans.append(Span(text, "chip" if place == self._here else "dim", f"screen.page_at({place})"))
        over = sum(cells(span.text) for span in spans) > self._body.size.width
        return cut(tuple(spans[1:] if over else spans), self._body.size.width)

    def _keys(self) -> Row:
        words = self._words
        pairs = [("Tab", words("results.page"), "turn(1)"), ("x", words("results.export"), "export")]
        if self._listing:
            pairs.append(("Enter", words("results.watch"), "play"))
        if len(self._earlier) > 1 and PAGES[self._here] == "compare":
            pairs.append(("c", words("results.other"), "earlier(1)"))
        pairs.append(("q/Esc", words("dialog.close"), "shut"))
        spans = []
        for key, text, action in pairs:
            spans += [Span(key, "key", f"screen.{action}"), Span(f" {text}   ")]
        spans += [Span("j/k", "key"), Span(f" {words('dialog.scroll')}")]
        return cut(tuple(spans), max(1, self._body.size.width))

    def _page_rows(self, look: Look) -> list[Row]:
        report = self._found.report
        page = PAGES[self._here]
        if page == "compare":
            return compare(self._found, self._before, look)
        if report is None:
            return paragraph(look.words("compare.gone"), look.width, "warn")
        if page == "matrix":
            return matrix(report, look, max(1, self._body.size.height - 4), self._heat())
        if page == "classes":
            return view.class_rows(report, look)
        return view.worst_rows(report, look, len(report.worst)) or paragraph(
            look.words("results.all_right"), 60, "good"
        )

    def _heat(self) -> Heat | None:
        """The theme's colours; None where the terminal has only its own sixteen, or none."""
        app = self.app
        if app.native_ansi_color or app.no_color or getattr(app, "ascii_only", False):
            return None
        names = ("surface", "primary", "error", "foreground")
        ground, right, wrong, ink = (Color.parse(app.theme_variables[name]).rgb for name in names)
        return Heat(ground, right, wrong, ink)
