"""The results large: the confusion matrix, the classes, the worst videos, another run beside this one, and the export.

`browsing` hands it what a run found and ways to ask for more.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.color import Color

from backends.core.catalog_pages import Change
from backends.core.client import RunResult, RunSummary
from backends.core.values import ClassScore, VideoScore
from r3d_tui.lang.words import Words
from r3d_tui.screens.lists import Listed, Lists
from r3d_tui.screens.prompt import Prompt
from r3d_tui.text.rows import Row, Span, cut, width_of
from r3d_tui.text.safe import safe
from r3d_tui.views import result as view
from r3d_tui.views.compare import Comparison, above, change_cells, change_columns
from r3d_tui.views.listing import Listing, entries
from r3d_tui.views.look import Look, paragraph
from r3d_tui.views.matrix import Heat, matrix

PAGES = ("matrix", "classes", "worst", "compare")

Load = Callable[[str, Callable[[Comparison], None]], None]
Export = Callable[[Path], None]
Play = Callable[[str], None]


class Results(Lists):
    """Four pages about one run. `load` fetches another run's result, `export` writes this one's to a folder."""

    WIDE = 190
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

        `load` gives the comparison with another run, `play` shows a video's clips by its name.
        """
        super().__init__(words("results.title", run=safe(found.run.id)), words)
        self._found, self._earlier = found, earlier
        self._load, self._export, self._play, self._folder = load, export, play, folder
        self._here = 0
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
        """Draw, and fetch the run before this one."""
        super().on_mount()
        self.action_earlier(1)

    @property
    def listed(self) -> Listed | None:
        """The list of the page, where it is one."""
        return self._lists.get(PAGES[self._here]) if self._found.report or PAGES[self._here] == "compare" else None

    @property
    def keys(self) -> list[tuple[str, str, str]]:
        """Those of the page."""
        page = PAGES[self._here]
        pairs = [("Tab", "results.page", "turn(1)"), ("x", "results.export", "export")]
        if page in ("worst", "compare") and self.listed is not None:
            pairs.append(("Enter", "results.watch", "deeper"))
        if page == "classes":
            pairs.append(("Enter", "results.of_class", "deeper"))
        if len(self._earlier) > 1 and page == "compare":
            pairs.append(("c", "results.other", "earlier(1)"))
        return pairs

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

    def _take_earlier(self, found: Comparison) -> None:
        if found.before.run.id == self._earlier[self._other].id:
            self._compared = found
            rows = found.listing or Listing(entries((), (), str))
            self._lists["compare"] = Listed(
                rows, change_columns, change_cells, "", above=lambda look: above(found, look)
            )
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

    def action_deeper(self) -> None:
        """Show the clips of the video under the cursor; of a class, its wrong videos."""
        listed = self.listed
        chosen = listed.listing.chosen if listed is not None else None
        if isinstance(chosen, VideoScore | Change):
            self._play(chosen.video)
        elif isinstance(chosen, ClassScore):
            self.action_page_at(PAGES.index("worst"))
            worst = self._lists["worst"].listing
            self.rearrange(worst, chosen.label, worst.order)

    def title_row(self) -> Row:
        """The pages, and the run where there is room."""
        spans = [Span(f"{self._heading}  ", "focus")]
        if self._found.run.simulated:
            spans.append(Span(f"{self._words('sim.chips')}  ", "warn"))
        tabs: list[Span] = []
        for place, page in enumerate(PAGES):
            text = f" {place + 1} {self._words(f'results.{page}')} "
            tabs.append(Span(text, "chip" if place == self._here else "dim", f"screen.page_at({place})"))
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
        return matrix(report, look, max(1, self._body.size.height - 2), self._heat())

    def _heat(self) -> Heat | None:
        """The theme's colours; None where the terminal has only its own sixteen, or none."""
        app = self.app
        if app.native_ansi_color or app.no_color or getattr(app, "ascii_only", False):
            return None
        names = ("surface", "primary", "error", "foreground")
        ground, right, wrong, ink = (Color.parse(app.theme_variables[name]).rgb for name in names)
        return Heat(ground, right, wrong, ink)
