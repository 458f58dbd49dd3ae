"""A clip as it is played: asked for in a thread, shown a few rounds, then at rest. Board and browser have one each."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from textual.screen import Screen

from backends.core.catalog_pages import ClipFrames
from backends.core.messages import Line, R3dError
from r3d_tui.lang.words import Words
from r3d_tui.screens.host import Host, has_colours
from r3d_tui.state.browsed_run import Pictures, RunReader
from r3d_tui.state.feed import ask
from r3d_tui.text.rows import Row

FRAMES_A_SECOND = 8
ROUNDS = 3
"""How often a clip is played before it rests: a screen at rest costs a slow link nothing."""
MOST = 112
"""Pixels of a side that a model sees."""

Fetch = Callable[[str, int, int], tuple[ClipFrames, Pictures]]
"""A video's clip (from 0) at a side in pixels: its frames, and the same as rows of cells. Slow: called in a thread."""


class ClipPlayer:
    def __init__(self, screen: Screen[Any], words: Words, fetch: Fetch, draw: Callable[[], None]) -> None:
        """`screen` is mounted; `draw` is called for each frame and where there is none."""
        self._screen, self._words, self._fetch, self._draw = screen, words, fetch, draw
        self._timer = screen.set_interval(1 / FRAMES_A_SECOND, self._tick, pause=True)
        self._asked = ("", 0, 0)
        self._pictures: Pictures = ()
        self._left = 0
        self.frame = 0
        self.wrong = ""
        """Why there is no picture."""

    @property
    def frames(self) -> int:
        return len(self._pictures)

    @property
    def playing(self) -> bool:
        return self._left > 0

    @property
    def picture(self) -> tuple[Row, ...]:
        """The frame; empty as long as there is none."""
        return self._pictures[self.frame] if self._pictures else ()

    def show(self, video: str, clip: int, width: int, height: int) -> None:
        """Fetch a clip for so many cells, where it is not what was asked for last."""
        if width < 2 or height < 2:
            return
        wanted = (video, clip, max(2, min(MOST, width, height * 2) // 2 * 2))
        if wanted == self._asked:
            return
        if video != self._asked[0]:
            self._pictures, self._left, self.frame, self.wrong = (), 0, 0, ""
        self._asked = wanted

        def take(found: tuple[ClipFrames, Pictures]) -> None:
            if wanted == self._asked:
                self._pictures, self.frame = found[1], 0
                self.play(ROUNDS)

        def failed(error: R3dError | Line) -> None:
            if wanted == self._asked:
                self.wrong = self._words.line(error.line if isinstance(error, R3dError) else error)
                self._draw()

        ask(self._screen, lambda: self._fetch(*wanted), take, failed)

    def play(self, rounds: int) -> None:
        """From this frame on; no round: rest."""
        self._left = rounds * self.frames
        self._timer.resume() if self._left else self._timer.pause()
        self._draw()

    def step(self, frames: int) -> None:
        if self._pictures:
            self.frame = (self.frame + frames) % self.frames
            self.play(0)

    def _tick(self) -> None:
        app = self._screen.app
        if app.screen is not self._screen or getattr(app, "behind", False):
            return
        self._left -= 1
        self.frame = (self.frame + 1) % max(1, self.frames)
        if not self.playing:
            self._timer.pause()
        self._draw()


def run_player(screen: Screen[Any], run_id: str, draw: Callable[[], None]) -> ClipPlayer:
    """Of the clips of a run, beside its result."""
    app = screen.app
    host = cast(Host, app)
    reader = RunReader(host.client, host.words, is_read_only=host.read_only, has_colours=has_colours(app))
    return ClipPlayer(screen, host.words, partial(reader.pictures, run_id), draw)
