"""The results large: the confusion matrix, the classes, the worst videos, another run beside this one, and the export.

`browsing` hands it what a run found and ways to ask for more.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.color import Color

from backends.core.catalog_pages import Change, VideoEntry
from backends.core.client import RunResult, RunSummary
from backends.core.values import ClassScore, Confusion, VideoScore
from r3d_tui.lang.words import Words
from r3d_tui.screens.lists import Listed, Lists
from r3d_tui.screens.prompt import Prompt
from r3d_tui.text.rows import Row, Span, cut, width_of
from r3d_tui.text.safe import safe
from r3d_tui.views import result as view
from r3d_tui.views.compare import Comparison, above, change_cells, change_columns
from r3d_tui.views.listing import Listing, entries
from r3d_tui.views.look import Look, paragraph
from r3d_tui.views.matrix import Drawing, Heat, Place, matrix
from r3d_tui.views.videos import video_cells, video_columns

PAGES = ("matrix", "classes", "worst", "compare")

Load = Callable[[str, Callable[[Comparison], None]], None]
Export = Callable[[Path], None]
Play = Callable[[str], None]
Cell = Callable[[Confusion, Callable[[Listing[VideoEntry]], None]], None]


class Results(Lists):
    """Four pages about one run, and behind a cell of the matrix its videos."""

    WIDE = 190
    DEFAULT_CSS = """
    Results { align: center middle; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "shut", show=False),
        Binding("tab", "turn(1)", show=False, priority=True),
        Binding("shift+tab", "turn(-1)", show=False, priority=True),
        Binding("right,l", "across(1)", show=False, priority=True),
        Binding("left,h", "across(-1)", show=False, priority=True),
        *(Binding(str(number), f"page_at({number - 1})", show=False) for number in range(1, len(PAGES) + 1)),
        Binding("c", "earlier(1)", show=False),
        Binding("C,shift+c", "earlier(-1)", show=False),
        Binding("x", "export", show=False),
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
        cell: Cell,
        folder: Path,
        page: str = PAGES[0],
    ) -> None:
        """`earlier` are the other runs with a result, latest first; `folder` is where an export goes by default.

        `load` gives the comparison with another run, `export` writes the result to a folder, `play` shows a video's
        clips by its name, `cell` gives the videos of a class that were predicted as another.
        """
        super().__init__(words("results.title", run=safe(found.run.id)), words)
        self._found, self._earlier = found, earlier
        self._load, self._export, self._play, self._folder = load, export, play, folder
        self._cell = cell
        self._here = PAGES.index(page)
        self._at: Place | None = None
        self._picture = Drawing()
        self._inside: tuple[Confusion, Listed] | None = None
        """The cell whose videos are listed in place of the matrix."""
        self._other = -1
        self._compared: Comparison | None = None
        self._lists = {
            "classes": Listed(
                view.class_listing(found.report), view.class_columns, view.class_cells, "compare.gone", view.with_bar
            ),
            "worst": Listed(
                view.worst_listing(found.report), view.worst_columns, view.worst_cells, "results.all_right"
            ),
        }

    def on_mount(self) -> None:
        super().on_mount()
        self.action_earlier(1)

    @property
    def listed(self) -> Listed | None:
        """The list of the page, where it is one."""
        if PAGES[self._here] == "matrix" and self._inside is not None:
            return self._inside[1]
        return self._lists.get(PAGES[self._here]) if self._found.report or PAGES[self._here] == "compare" else None

    @property
    def keys(self) -> list[tuple[str, str, str]]:
        page = PAGES[self._here]
        pairs = [("Tab", "results.page", "turn(1)"), ("x", "results.export", "export")]
        if page in ("worst", "compare") and self.listed is not None:
            pairs.append(("Enter", "results.watch", "deeper"))
        if page == "matrix":
            pairs.append(("Enter", "results.watch" if self._inside else "videos.enter", "deeper"))
            if self._inside is None:
                pairs.append(("h/j/k/l", "matrix.move", ""))
        if page == "classes":
            pairs.append(("Enter", "results.of_class", "deeper"))
        if len(self._earlier) > 1 and page == "compare":
            pairs.append(("c", "results.other", "earlier(1)"))
        return pairs

    def action_turn(self, step: int) -> None:
        self.action_page_at((self._here + step) % len(PAGES))

    def action_across(self, step: int) -> None:
        if self._on_matrix:
            self._move_to(0, step)
        else:
            self.action_turn(step)

    def action_move(self, rows: int) -> None:
        if self._on_matrix:
            self._move_to(rows, 0)
        else:
            super().action_move(rows)

    def action_far(self, way: int) -> None:
        self.action_move(way * (1 << 20)) if self._on_matrix else super().action_far(way)

    @property
    def _on_matrix(self) -> bool:
        return PAGES[self._here] == "matrix" and self.listed is None and self._at is not None

    def _move_to(self, rows: int, columns: int) -> None:
        y, x = self._at or (0, 0)
        self._at = self._picture.kept((y + rows, x + columns))
        self.draw()

    def action_back(self) -> None:
        if PAGES[self._here] != "matrix" or self._inside is None:
            super().action_back()
            return
        self._inside = None
        self._body.top = 0
        self.draw()

    def action_page_at(self, place: int) -> None:
        self._here = place
        self._body.top = 0
        self.draw()

    def action_earlier(self, step: int) -> None:
        if not self._earlier:
            return
        self._other = (self._other + step) % len(self._earlier)
        self._load(self._earlier[self._other].id, self._take_earlier)

    def _take_earlier(self, found: Comparison) -> None:
        if found.before.run.id == self._earlier[self._other].id:
            self._compared = found
            rows = found.listing or Listing(entries((), (), str))
            self._lists["compare"] = Listed(
                rows, change_columns, change_cells, "", above=lambda look: above(found, look)
            )
            self.draw()

    def action_export(self) -> None:

        def chosen(text: str | None) -> None:
            if text:
                self._export(self._folder / Path(text).expanduser())

        words = self._words
        keys = f"Enter {words('results.export')}   Esc {words('dialog.close')}"
        place = str(self._folder / f"result-{self._found.run.id}")
        self.app.push_screen(Prompt(words("results.where"), place, keys), chosen)

    def action_deeper(self) -> None:
        """Show the clips of the video under the cursor; of a class its wrong videos, of a cell all that it counts."""
        if self._on_matrix and (pair := self._picture.at(self._at or (0, 0))) is not None:
            if pair.videos:
                self._cell(pair, lambda found: self._enter(pair, found))
            else:
                self.say(self._words("list.none"))
            return
        listed = self.listed
        chosen = listed.listing.chosen if listed is not None else None
        if isinstance(chosen, VideoScore | VideoEntry | Change):
            self._play(chosen.video)
        elif isinstance(chosen, ClassScore):
            self.action_page_at(PAGES.index("worst"))
            worst = self._lists["worst"].listing
            self.rearrange(worst, chosen.label, worst.order)

    def _enter(self, pair: Confusion, found: Listing[VideoEntry]) -> None:
        self._inside = pair, Listed(found, video_columns, video_cells)
        self._body.top = 0
        self.draw()

    def title_row(self) -> Row:
        """The pages, and the run where there is room."""
        spans = [Span(f"{self._heading}  ", "focus")]
        if self._found.run.simulated:
            spans.append(Span(f"{self._words('sim.chips')}  ", "warn"))
        tabs: list[Span] = []
        for place, page in enumerate(PAGES):
            text = f" {place + 1} {self._words(f'results.{page}')} "
            tabs.append(Span(text, "chip" if place == self._here else "dim", f"screen.page_at({place})"))
        if PAGES[self._here] == "matrix" and self._inside is not None:
            pair = self._inside[0]
            spans.append(Span(f"{safe(pair.label)} → {safe(pair.predicted)}  ", "strong"))
        width = self._body.size.width
        while spans and width_of((*spans, *tabs)) > width:
            spans.pop(0)
        return cut((*spans, *tabs), width)

    def rows_here(self, look: Look) -> list[Row]:
        """The matrix, or what stands in place of a list that is not there."""
        report = self._found.report
        if PAGES[self._here] == "compare":
            key = "compare.none" if not self._earlier else "compare.reading"
            return paragraph(look.words(key), look.width, "dim")
        if report is None:
            return paragraph(look.words("compare.gone"), look.width, "warn")
        room, heat = max(1, self._body.size.height - 2), self._heat()
        if self._at is None:  # first on the most frequent mistake
            first = matrix(report, look, room, heat)
            self._at = first.place(report.confusions[0]) if report.confusions else (0, 0)
        self._picture = matrix(report, look, room, heat, self._at)
        return list(self._picture.rows)

    def _heat(self) -> Heat | None:
        """The theme's colours; None where the terminal has only its own sixteen, or none."""
        app = self.app
        if app.native_ansi_color or app.no_color or getattr(app, "ascii_only", False):
            return None
        names = ("surface", "primary", "error", "foreground")
        ground, right, wrong, ink = (Color.parse(app.theme_variables[name]).rgb for name in names)
        return Heat(ground, right, wrong, ink)
