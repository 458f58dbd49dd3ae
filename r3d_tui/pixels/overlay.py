"""Pictures over the cells of one application's terminal: asks once what it has, paints a frame again where text went
over it, takes it away, and keeps to what the link carries. It refuses to know what is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from textual._compositor import ChopsUpdate
from textual.geometry import Region

from r3d_tui.pixels import kitty
from r3d_tui.pixels.answers import Answers
from r3d_tui.pixels.asking import Asking
from r3d_tui.pixels.painters import Frames, Kitty, Painter, Sixel, cell_size, may_ask

if TYPE_CHECKING:
    from r3d_tui.app import ConsoleApp

LIMIT_S = 1.0
"""How long the first answer is waited for."""
LOST_S = 8.0
"""An answer to a frame that took so long does not come any more."""
EMPTY_S = 0.3
"""What of its time is put down to distance; the rest was spent behind other bytes."""
PADS = (2048, 8192, 32768)
"""Bytes that show nothing, to see what the link carries before a frame of up to a hundred thousand is sent."""
SLOW_S = 0.2
"""So much longer than an empty question, and the link is too slow for pictures."""
FRAME_S = 1.5
"""A frame that takes longer is one too many."""
_COLOURS_AND_CELL = "\x1b[?1;1;0S\x1b[16t"


class Overlay:
    """One terminal's."""

    def __init__(self, app: ConsoleApp) -> None:
        self._app = app
        self._asking = Asking(app.put, app.answered)
        self._found: list[Callable[[], None]] | None = []
        self._empty = 0.0
        self._told = Answers()
        self._want: tuple[Frames, int, Region] | None = None
        self._painted: tuple[Frames, int, Region] | None = None
        self._area: Region | None = None
        self._dirty = self._measuring = False
        self._touched: Callable[[], None] = lambda: None
        self.painter: Painter | None = None
        """What the terminal has; None: nothing, or not known yet."""
        self.wanted = True
        """Not switched off by a key, or by a link that is too slow."""
        self.slow = False
        """The link was too slow."""

    @property
    def expecting(self) -> bool:
        """An answer is on its way."""
        return self._asking.since < LOST_S

    @property
    def holding(self) -> bool:
        """The next frame has to wait: for the one before, or because the link is being measured."""
        return self._asking.busy and (self._measuring or self._painted is not None)

    @property
    def ready(self) -> bool:
        """Pictures can be shown and are wanted."""
        return self.painter is not None and self.wanted

    def find(self, place: Region, then: Callable[[], None]) -> None:
        """Call `then` once it is known what the terminal has. Asked at `place`: what it prints there is drawn over."""
        if self._found is None:
            then()
            return
        self._found.append(then)
        if len(self._found) > 1:
            return

        def first(answers: Answers | None, seconds: float) -> None:
            self._again(place)
            self._empty, self._told = min(seconds, EMPTY_S), answers or Answers()
            if not (self._told.kitty or 4 in self._told.attributes):
                self._know(None)
                return
            self._measuring = True
            self._pad(0, Answers())

        self._asking.ask(f"\x1b[{place.y + 1};{place.x + 1}H{kitty.QUESTION}", first, LIMIT_S)

    def _pad(self, step: int, told: Answers) -> None:
        """Ask again behind ever more bytes."""

        def then(answers: Answers | None, seconds: float) -> None:
            known = told if step else answers
            self.slow = answers is None or seconds - self._empty > SLOW_S
            if known is None:
                self._know(None)
            elif not self.slow and step + 1 < len(PADS):
                self._pad(step + 1, known)
            else:
                self.wanted = not self.slow
                self._know(self._painter(known))

        question = "" if step or self._told.kitty else _COLOURS_AND_CELL
        self._asking.ask(question + "\x1b[0m" * (PADS[step] // 4), then, LOST_S)

    def mark(self, then: Callable[[float], None]) -> None:
        """Hold the next frame until the terminal has come as far as now, and tell how long that took."""
        if not self._told.complete or self._asking.busy:
            return

        def come(_: Answers | None, seconds: float) -> None:
            self._measuring = False
            then(seconds - self._empty)

        self._measuring = True
        self._asking.ask("", come, LOST_S)

    def _painter(self, told: Answers) -> Painter | None:
        if self._told.kitty:
            return Kitty()
        if not all(cell_size(told.cell)):
            return None
        return Sixel(lambda: cell_size(told.cell), told.colours)

    def _know(self, painter: Painter | None) -> None:
        self.painter, self._measuring = painter, False
        waiting, self._found = self._found or [], None
        for then in waiting:
            then()

    def show(self, frames: Frames, number: int, area: Region, touched: Callable[[], None]) -> None:
        """Paint a frame over an area of blank cells; `touched` is called once something was drawn over it."""
        self._want, self._area, self._touched = (frames, number, area), area, touched
        if self._painted is not None and self._painted[2] != area:
            self._take_away()
        self._paint()

    def _paint(self) -> None:
        if self.painter is None or self._want is None or self._asking.busy:
            return
        if self._want == self._painted and not self._dirty:
            return
        self._painted, self._dirty = self._want, False
        self._asking.ask(self.painter.paint(*self._want), self._shown, LOST_S)

    def _shown(self, answers: Answers | None, seconds: float) -> None:
        if answers is None or (seconds > FRAME_S and not self.slow):
            self.wanted, self.slow = False, True
            self.hide()
            self._touched()
        else:
            self._paint()

    def after(self, update: Any) -> None:
        """Textual has drawn this: cells may be over the picture now, or what lay over it is gone."""
        if self._area is not None and _touches(update, self._area):
            self._dirty = True
            self._app.call_later(self._touched)

    def hide(self) -> None:
        """Show no picture."""
        self._want = None
        self._take_away()

    def _take_away(self) -> None:
        """Its cells have to be drawn again."""
        if self.painter is not None and self._painted is not None:
            self._app.put(self.painter.take_away())
            self._again(self._painted[2])
        self._painted = None

    def close(self) -> None:
        """Show no picture, and let the terminal keep none."""
        self.hide()
        self._area = None
        if self.painter is not None:
            self._app.put(self.painter.forget())

    def _again(self, area: Region) -> None:
        self._app.lost(area)


def overlay_of(app: ConsoleApp) -> Overlay | None:
    """The application's; None where there may be none: no colours or no signs wanted, a browser, tmux, no terminal."""
    if app.overlay is None and may_ask() and not (app.is_headless or app.is_web or app.no_color or app.ascii_only):
        app.overlay = Overlay(app)
    return app.overlay


def _touches(update: Any, area: Region) -> bool:
    if isinstance(update, ChopsUpdate):
        return any(
            area.y <= y < area.bottom and left < area.right and right > area.x for y, left, right in update.spans
        )
    return update is not None
