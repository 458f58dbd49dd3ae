"""Where one is in the browser of runs: which run and page, what was read for it, and the way back. It draws nothing."""

from collections.abc import Callable, Sequence
from typing import Any

from backends.core.client import RunSummary
from backends.core.values import Confusion, Report
from r3d_tui.lang.words import Words
from r3d_tui.state.browsed_run import PAGES, BrowsedRun, Narrowed, Page
from r3d_tui.text.rows import Row
from r3d_tui.views.browser_tables import RUNS, arranged_runs, sort_keys
from r3d_tui.views.compare import Comparison
from r3d_tui.views.listing import Listing
from r3d_tui.views.look import Look
from r3d_tui.views.matrix import Drawing, Heat, Place, matrix


class MatrixCursor:
    """The cursor in one run's matrix; it begins on the most frequent mistake."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._at: Place | None = None
        self._drawing = Drawing()

    def rows(self, look: Look, room: int, heat: Heat | None) -> list[Row]:
        """The matrix in `room` lines."""
        if self._at is None:
            first = matrix(self._report, look, room, heat)
            self._at = first.place(self._report.confusions[0]) if self._report.confusions else (0, 0)
        self._drawing = matrix(self._report, look, room, heat, self._at)
        return list(self._drawing.rows)

    def move(self, rows: int, columns: int) -> None:
        y, x = self._at or (0, 0)
        self._at = self._drawing.kept((y + rows, x + columns))

    @property
    def pair(self) -> Confusion | None:
        """The classes of the cell, and how many videos it counts."""
        return self._drawing.at(self._at or (0, 0))


Read = tuple[Comparison | None, Listing[Any]]


class BrowserState:
    """Changed in the event loop alone; what `question` gives is asked in a thread."""

    def __init__(self, page: Page, runs: Sequence[RunSummary], run: BrowsedRun | None, words: Words) -> None:
        """`runs` are all, latest first; `run` is the one that the other pages are about."""
        self.page, self.runs = page, tuple(runs)
        self.run: BrowsedRun | None = None
        self.narrowed: Narrowed | None = None
        self.marked: tuple[RunSummary, ...] = ()
        """Runs to compare, two at most."""
        self.comparison: Comparison | None = None
        self.cursor: MatrixCursor | None = None
        self.lists: dict[Page, Listing[Any]] = {"runs": Listing(sort_keys(RUNS), arranged_runs(runs, words))}
        self.failed: dict[Page, str] = {}
        self._trail: list[Page] = []
        """The pages that one came from."""
        self._other = 0
        self._asked: dict[Page, object] = {}
        """What each page is being read for: of several answers the one to the last question counts."""
        if run is not None:
            self.change_run(run)

    @property
    def listing(self) -> Listing[Any] | None:
        """The list of the page; None where it has none, or not yet."""
        return self.lists.get(self.page)

    @property
    def chosen(self) -> Any:
        """The entry under the cursor of the list."""
        return self.listing.chosen if self.listing is not None else None

    @property
    def others(self) -> list[RunSummary]:
        """What the run may be compared with, latest first."""
        mine = self.run.id if self.run is not None else ""
        return [one for one in self.runs if one.top1 is not None and one.id != mine]

    def change_run(self, found: BrowsedRun, beside: RunSummary | None = None) -> None:
        """The pages are about another run, compared with the latest other one or with the one given."""
        if self.run is not None:
            self.run.close()
        self.run, self.narrowed, self.comparison = found, None, None
        self.cursor = MatrixCursor(found.result.report) if found.result.report is not None else None
        self._other = self.others.index(beside) if beside is not None else 0
        self.lists = {"runs": self.lists["runs"]}
        self.failed, self._asked = {}, {}

    def compare_next(self, step: int) -> None:
        self._other += step
        self.lists.pop("compare", None)

    def narrow(self, narrowed: Narrowed | None) -> None:
        """Which videos the page of videos lists; None: all."""
        if self.narrowed != narrowed:
            self.narrowed = narrowed
            self.lists.pop("videos", None)

    def enter(self, page: Page) -> None:
        """Deeper: `back` comes back from there."""
        self._trail.append(self.page)
        self.page = page

    def enter_videos(self, of: Confusion | str) -> None:
        """The videos of a cell or of a class."""
        self.narrow(Narrowed(of) if isinstance(of, str) else Narrowed(of.label, of.predicted))
        self.enter("videos")

    def turn(self, step: int) -> Page:
        return PAGES[(PAGES.index(self.page) + step) % len(PAGES)]

    def back(self) -> bool:
        """Where one came from; False: out of the browser."""
        if not self._trail:
            return False
        if self.page == "videos":
            self.narrow(None)
        self.page = self._trail.pop()
        return True

    def mark(self, run: RunSummary) -> None:
        """Mark a run, or take its mark away; of three the oldest mark goes."""
        others = tuple(one for one in self.marked if one != run)
        self.marked = others if run in self.marked else (*others, run)[-2:]

    def question(self) -> tuple[Callable[[], Read], Callable[[Read | str], bool]] | None:
        """What to ask for the page, and what takes the answer, or why there is none; None where nothing is to be asked.

        The second gives False where the answer came too late.
        """
        page, run, narrowed, others = self.page, self.run, self.narrowed, self.others
        if run is None or page in ("runs", "matrix") or page in self.lists or (page == "compare" and not others):
            return None
        other = others[self._other % len(others)] if page == "compare" else None
        question = (run.id, narrowed if page == "videos" else None, other)
        if self._asked.get(page) == question:
            return None
        self._asked[page] = question
        self.failed.pop(page, None)

        def take(found: Read | str) -> bool:
            if self._asked.get(page) != question:
                return False
            del self._asked[page]
            if isinstance(found, str):
                self.failed[page] = found
            elif other is not None:
                self.comparison, self.lists[page] = found
            else:
                self.lists[page] = found[1]
            return True

        return (lambda: run.compared(other) if other is not None else (None, run.listing(page, narrowed))), take
