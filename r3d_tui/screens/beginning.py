"""The part of the board that begins: the first picture shows the first snapshot, and only what it shows is made before.

Textual 8.2 draws a screen as soon as it has a size, so a console's first picture would be blank and the second the
first to show anything. It refuses to know what is shown.
"""

from __future__ import annotations

from collections.abc import Iterable

from textual.app import ComposeResult

from r3d_tui.screens.seeking import Seeking
from r3d_tui.views.layout import Box
from r3d_tui.widgets.sheet import Sheet
from r3d_tui.widgets.tiles import Tiles

FIRST_S = 0.4
"""So long the first snapshot is waited for before a picture without it is drawn."""
REST_S = 0.1
"""Panels that the first picture does not show come so long after it."""


class Beginning(Seeking):
    """A screen that draws nothing before `begin`. `Board` has the sheets and their places."""

    _rest: tuple[Sheet, ...] = ()

    def sheets(self) -> Iterable[Sheet]:
        """The board's."""
        raise NotImplementedError

    def boxes(self) -> dict[str, Box]:
        """The board's."""
        raise NotImplementedError

    def _place(self, width: int, height: int) -> dict[str, Box]:
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        """What the first picture shows; the rest comes behind it."""
        boxes, sheets = self.boxes(), tuple(self.sheets())
        self._rest = tuple(sheet for sheet in sheets if sheet.id not in boxes)
        self._tiles = Tiles(*(sheet for sheet in sheets if sheet.id in boxes), place=self._place)
        yield self._tiles

    def begin_in_time(self) -> None:
        """Begin without a snapshot where none comes: the disk may be slow."""
        self.set_timer(FIRST_S, self.begin)

    def begin(self) -> None:
        """Draw from here on."""
        if self.begun:
            return
        self.begun = True
        self.refresh()
        self.draw()
        self.set_timer(REST_S, self._mount_rest)

    def _mount_rest(self) -> None:
        rest, self._rest = self._rest, ()
        self._tiles.mount_all(rest)
