"""The lists of a workspace over the board: its runs, and what was skipped. Others open what is behind a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from backends.core.catalog_pages import SkippedEntry
from backends.core.client import RunSummary
from r3d_tui.lang.words import Words
from r3d_tui.screens.lists import Large, Listed, Lists
from r3d_tui.text import figures
from r3d_tui.text.rows import Column, Row, Span, cut, row
from r3d_tui.text.safe import safe
from r3d_tui.views import lists as view
from r3d_tui.views.listing import Listing
from r3d_tui.views.look import Look, facts, paragraph, stage_word


class Runs(Lists):
    """The runs of a workspace; behind each its result, and the histories of its devices."""

    WIDE = 116
    DEFAULT_CSS = """
    Runs { align: center middle; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("h", "back", show=False),
        Binding("p", "devices", show=False),
        Binding("space", "mark", show=False),
    ]

    def __init__(
        self,
        found: Sequence[RunSummary],
        words: Words,
        *,
        result: Callable[..., None],
        devices: Callable[[str], None],
    ) -> None:
        """`result` shows what a run found, beside another where two are given, `devices` what its devices did."""
        super().__init__(words("runs.title"), words)
        self._result, self._devices = result, devices
        self._marked: tuple[RunSummary, ...] = ()
        listing = view.run_listing(found, words)
        self._runs = Listed(
            listing, _mark_columns, self._cells, "runs.none", above=lambda look: view.run_note(found, look)
        )

    @property
    def listed(self) -> Listed:
        """The runs."""
        return self._runs

    @property
    def keys(self) -> list[tuple[str, str, str]]:
        """What is behind a run; of two that are marked, what differs."""
        enter = "runs.compare" if len(self._marked) == 2 else "runs.result"
        return [("Enter", enter, "deeper"), ("Space", "runs.mark", "mark"), ("p", "runs.devices", "devices")]

    def _cells(self, one: RunSummary, look: Look) -> tuple[str | Span, ...]:
        return Span("+" if one in self._marked else " ", "focus"), *view.run_cells(one, look)

    def action_mark(self) -> None:
        """Mark the run to compare it, or take the mark away; of three the oldest mark goes."""
        chosen = self._runs.listing.chosen
        if chosen is None:
            return
        if chosen.top1 is None:
            self.say(self._words("say.run_no_result"))
            return
        others = tuple(one for one in self._marked if one != chosen)
        self._marked = others if chosen in self._marked else (*others, chosen)[-2:]
        self.draw()

    def action_deeper(self) -> None:
        """The run's result, or the two marked runs beside each other."""
        if len(self._marked) == 2:
            before, now = sorted(self._marked, key=lambda one: one.started or 0.0)
            self._result(now.id, before.id)
        elif (chosen := self._runs.listing.chosen) is not None:
            self._result(chosen.id)

    def action_devices(self) -> None:
        """What its devices did."""
        if (chosen := self._runs.listing.chosen) is not None:
            self._devices(chosen.id)


def _mark_columns(look: Look) -> tuple[Column, ...]:
    return Column("", 1), *view.run_columns(look)


class SkippedItems(Lists):
    """What a run skipped, by name, with the reason."""

    DEFAULT_CSS = """
    SkippedItems { align: center middle; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("a", "back", show=False)]

    def __init__(self, found: Listing[SkippedEntry], more: int, words: Words, *, play: Callable[[str], None]) -> None:
        """`more` were skipped and are no longer known by name; `play` shows a video's clips by its name."""
        count = figures.count(len(found) + more)
        super().__init__(f"{words('list.asides')}  {count}" if len(found) else words("list.asides"), words)
        self._more, self._play = more, play
        self._skipped = Listed(found, view.skipped_columns, view.skipped_cells, "list.no_aside", above=self._above)

    @property
    def listed(self) -> Listed:
        """What was skipped."""
        return self._skipped

    @property
    def keys(self) -> list[tuple[str, str, str]]:
        """The whole reason."""
        return [("Enter", "list.whole", "deeper")]

    def _above(self, look: Look) -> list[Row]:
        if not self._more:
            return []
        return [*paragraph(look.words("list.lost", n=figures.count(self._more)), look.width, "dim"), ()]

    def action_deeper(self) -> None:
        """The reason in full, and the video's clips where it has some."""
        chosen = self._skipped.listing.chosen
        if chosen is not None:
            self.app.push_screen(SkippedWhole(chosen, self._words, play=self._play))


class SkippedWhole(Large):
    """One item that was skipped, its reason in full."""

    WIDE = 100
    DEFAULT_CSS = """
    SkippedWhole { align: center middle; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter,b", "play", show=False)]

    def __init__(self, one: SkippedEntry, words: Words, *, play: Callable[[str], None]) -> None:
        super().__init__(safe(one.item), self._whole, words)
        self._one, self._play = one, play

    def _whole(self, look: Look) -> list[Row]:
        rows = facts(look.words("list.item"), safe(self._one.item), look.width, "strong")
        rows += facts(look.words("stages.stage"), stage_word(look.words, self._one.stage), look.width)
        return [*rows, *facts(look.words("list.reason"), look.words.line(self._one.reason), look.width, "warn")]

    def draw(self) -> None:
        if self._body.size.width:
            keys = [("Enter", "results.watch", "play"), ("y/w", "list.take", "copy"), ("q/Esc", "dialog.close", "shut")]
            title = cut(row(Span(self._heading, "focus")), self._body.size.width)
            self._body.show(self._whole(self._look(self._body.size.width)), title, foot=self.keyline(keys))

    def action_play(self) -> None:
        self._play(self._one.item)
