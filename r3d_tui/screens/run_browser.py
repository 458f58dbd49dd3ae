"""The browser of runs: their list, and of one run the matrix, classes, videos, skipped items, and a comparison.

`opening.open_browser` puts it over the board at any page. What a page lists is asked for in a thread; filter, sort and
cursor work alike on each.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from textual.binding import Binding, BindingType

from backends.core.catalog_pages import ClassEntry
from backends.core.client import RunSummary
from backends.core.messages import R3dError
from r3d_tui.lang.words import Words
from r3d_tui.panels.browser_page import browser_title, fields, keys_of, list_state, notes, nothing
from r3d_tui.panels.list_pane import ListPane
from r3d_tui.screens.dialog import Large
from r3d_tui.screens.entry_line import EntryLine
from r3d_tui.screens.host import heat_of
from r3d_tui.screens.video_detail import VideoDetail
from r3d_tui.state.browsed_run import PAGES, BrowsedRun, Page, RunReader
from r3d_tui.state.browser_state import BrowserState, Read
from r3d_tui.state.feed import ask
from r3d_tui.text.rows import Row
from r3d_tui.views.look import Look, paragraph

FAR = 1 << 20
JUMPS = (("o", "matrix"), ("b", "classes"), ("a", "skipped"))
"""The keys that open pages from the board; h is one too where it does not move in the matrix."""


class RunBrowser(Large):
    """One page at a time; Enter goes deeper, q comes back."""

    WIDE = 190
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "escape", show=False),
        Binding("q", "back", show=False),
        Binding("slash", "filter", show=False),
        Binding("s", "sort(1)", show=False),
        Binding("S,shift+s", "sort(-1)", show=False),
        Binding("u", "all", show=False),
        Binding("enter", "deeper", show=False),
        Binding("tab", "turn(1)", show=False, priority=True),
        Binding("shift+tab", "turn(-1)", show=False, priority=True),
        Binding("right,l", "across(1)", show=False),
        Binding("left", "across(-1)", show=False),
        Binding("h", "left_or_runs", show=False),
        *(Binding(key, f"jump({page!r})", show=False) for key, page in JUMPS),
        *(Binding(str(number), f"show({page!r})", show=False) for number, page in enumerate(PAGES, 1)),
        Binding("space", "mark", show=False),
        Binding("p", "devices", show=False),
        Binding("c", "other(1)", show=False),
        Binding("C,shift+c", "other(-1)", show=False),
        Binding("x", "export", show=False),
    ]

    def __init__(
        self,
        page: Page,
        runs: Sequence[RunSummary],
        run: BrowsedRun | None,
        words: Words,
        reader: RunReader,
        devices: Callable[[str], None],
    ) -> None:
        """`devices` shows what the devices of a run did."""
        super().__init__("", lambda _: [], words)
        self.state = BrowserState(page, runs, run, words)
        self._reader, self._devices = reader, devices

    def make_body(self) -> ListPane:
        self._pane = ListPane(self._words, self.draw, self.say_error, self.action_deeper)
        return self._pane

    def on_mount(self) -> None:
        super().on_mount()
        self._read()

    def on_unmount(self) -> None:
        if self.state.run is not None:
            self.state.run.close()

    def draw(self) -> None:
        width, listing = self._body.size.width, self.state.listing
        if not width:
            return
        state, look = self.state, self._look(width)
        title = browser_title(state, self._words, width)
        foot = self.keyline(keys_of(state), list_state(listing, self._words))
        if state.page == "matrix":
            self._pane.show(self._matrix(look), title, foot=foot)
        elif listing is None or not len(listing):
            self._pane.show([*notes(state, look), *nothing(state, look)], title, foot=foot)
        else:
            self._pane.show_listing(listing, fields(state), look, notes(state, look), title, foot)

    def _matrix(self, look: Look) -> list[Row]:
        if self.state.cursor is None:
            return paragraph(look.words("say.run_no_result"), look.width, "warn")
        return self.state.cursor.rows(look, max(1, self._body.size.height - 2), heat_of(self.app))

    def _read(self) -> None:
        if (question := self.state.question()) is None:
            return
        work, take = question

        def put(found: Read | str) -> None:
            if take(found):
                self.draw()

        ask(self, work, put, lambda error: put(self._words.line(error.line if isinstance(error, R3dError) else error)))

    def with_text(self, then: Callable[[str], None]) -> None:
        self._pane.when_read(lambda: then(self._pane.plain_text()))

    def action_show(self, page: Page) -> None:
        """A page; that of videos with all of them."""
        if page == "videos":
            self.state.narrow(None)
        self.state.page = page
        self._turned()

    def _turned(self) -> None:
        self._body.top = 0
        self._read()
        self.draw()

    def action_jump(self, page: Page) -> None:
        """The page by the key that opens it from the board; again, and it is left."""
        self.action_back() if page == self.state.page else self.action_show(page)

    def action_turn(self, step: int) -> None:
        self.action_show(self.state.turn(step))

    def action_across(self, step: int) -> None:
        """The next column of the matrix; elsewhere the next page."""
        if self.state.page == "matrix" and self.state.cursor is not None:
            self.state.cursor.move(0, step)
            self.draw()
        else:
            self.action_turn(step)

    def action_left_or_runs(self) -> None:
        """The column to the left in the matrix, elsewhere the list of runs."""
        self.action_across(-1) if self.state.page == "matrix" else self.action_jump("runs")

    def action_back(self) -> None:
        if self.state.back():
            self._turned()
        else:
            self.dismiss("")

    def action_escape(self) -> None:
        listing = self.state.listing
        if listing is not None and listing.pattern:
            self._pane.rearrange(listing, "", listing.key)
        else:
            self.action_back()

    def action_deeper(self) -> None:
        """What is behind the row: a run's result, a class's or a cell's videos, a video's clips and all about it."""
        state, chosen = self.state, self.state.chosen
        if state.page == "runs" and chosen is not None:
            self._enter_run(chosen)
        elif isinstance(chosen, ClassEntry):
            state.enter_videos(chosen.label)
            self._turned()
        elif chosen is not None:
            self._open(chosen)
        elif state.cursor is not None and state.page == "matrix" and (pair := state.cursor.pair) and pair.videos:
            state.enter_videos(pair)
            self._turned()
        elif state.page == "matrix":
            self.say(self._words("browse.no_video"))

    def _enter_run(self, chosen: RunSummary) -> None:
        """The run's matrix; of two marked runs the later beside the earlier; of one without a result its classes."""
        pair = sorted(self.state.marked, key=lambda one: one.started or 0.0) if len(self.state.marked) == 2 else None
        wanted = pair[1] if pair else chosen

        def take(found: BrowsedRun) -> None:
            self.state.change_run(found, pair[0] if pair else None)
            self.state.enter("compare" if pair else "classes" if wanted.top1 is None else "matrix")
            self._turned()

        ask(self, partial(BrowsedRun, self._reader, wanted.id), take, self.say_error)

    def _open(self, chosen: Any) -> None:
        """A video's clips and all about it; from lists of videos those near it follow."""
        run, listing = self.state.run, self.state.listing
        if run is None or listing is None:
            return
        pictures = partial(self._reader.pictures, run.id)

        def show(videos: Sequence[Any]) -> None:
            place = videos.index(chosen) if chosen in videos else 0
            self.app.push_screen(VideoDetail(videos, place, self._words, pictures))

        if self.state.page in ("videos", "wrong"):
            show(listing.near)
        else:
            ask(self, lambda: [run.video(chosen)], show, self.say_error)

    def action_filter(self) -> None:
        if (listing := self.state.listing) is not None:
            changed = lambda text: self._pane.rearrange(listing, text, listing.key)  # noqa: E731
            self.app.push_screen(EntryLine(listing.pattern, self._words("list.hint"), changed))

    def action_sort(self, step: int) -> None:
        """By the next column; after the last, as the entries came."""
        if (listing := self.state.listing) is not None:
            self._pane.rearrange(listing, listing.pattern, listing.next_key(step))

    def action_all(self) -> None:
        if (listing := self.state.listing) is not None:
            self._pane.rearrange(listing, "", -1)

    def action_mark(self) -> None:
        chosen = self.state.chosen if self.state.page == "runs" else None
        if chosen is not None and chosen.top1 is None:
            self.say(self._words("say.run_no_result"))
        elif chosen is not None:
            self.state.mark(chosen)
            self.draw()

    def action_devices(self) -> None:
        if self.state.page == "runs" and self.state.chosen is not None:
            self._devices(self.state.chosen.id)

    def action_other(self, step: int) -> None:
        if self.state.page == "compare":
            self.state.compare_next(step)
            self._read()

    def action_export(self) -> None:
        run, words, client = self.state.run, self._words, self._reader.client
        if run is None or self.state.cursor is None:
            return
        if self._reader.is_read_only:
            self.say(words("say.read_only"))
            return

        def chosen(text: str | None) -> None:
            if text:
                folder = client.workspace / Path(text).expanduser()
                said = words("say.exported", path=str(folder))
                ask(self, partial(client.export, run.id, folder), lambda _: self.say(said), self.say_error)

        place = str(client.workspace / f"result-{run.id}")
        self.app.push_screen(EntryLine(place, "", question=words("browse.where")), chosen)

    def action_move(self, rows: int) -> None:
        """Another row of the matrix, or of the list; else scroll."""
        state = self.state
        if state.page == "matrix" and state.cursor is not None:
            state.cursor.move(rows, 0)
        elif state.listing:
            state.listing.move(rows)
        else:
            super().action_move(rows)
        self.draw()

    def action_page(self, pages: int) -> None:
        self.action_move(pages * max(1, self._body.page - 2))

    def action_far(self, way: int) -> None:
        self.action_move(way * FAR)
