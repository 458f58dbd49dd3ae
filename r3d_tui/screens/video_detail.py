"""All about a video, and its clips played as the model sees them, two pixels a cell. The browser opens it."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from backends.core.catalog_pages import ClipFrames, VideoEntry
from backends.core.messages import Line, R3dError
from r3d_tui.lang.words import Words
from r3d_tui.screens.dialog import Large
from r3d_tui.state.browsed_run import Pictures
from r3d_tui.state.feed import ask
from r3d_tui.text.rows import Row, Span, cut, row, safe, width_of
from r3d_tui.views.browser_tables import clip_facts
from r3d_tui.views.look import Look, paragraph

FRAMES_A_SECOND = 8
ROUNDS = 3
"""How often a clip is played before it rests: a screen at rest costs a slow link nothing."""
BESIDE = 30
"""Cells that the facts beside a picture need; with fewer they stand below it."""

Fetch = Callable[[str, int, int], tuple[ClipFrames, Pictures]]
"""A video's clip (from 0) at a side in pixels: its frames, and the same as rows of cells. Slow: called in a thread."""


class VideoDetail(Large):
    """One clip after another of some videos, each played a few times and then at rest."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,n", "clip(1)", show=False),
        Binding("left,N,shift+n", "clip(-1)", show=False),
        Binding("space,enter", "pause", show=False),
        Binding("full_stop", "step(1)", show=False),
        Binding("comma", "step(-1)", show=False),
    ]

    def __init__(self, videos: Sequence[VideoEntry], start: int, words: Words, fetch: Fetch) -> None:
        super().__init__("", self._page, words)
        self._videos, self._place, self._fetch = tuple(videos), start, fetch
        self._clip = self._frame = self._left = 0
        self._frames = 0
        self._pictures: Pictures = ()
        self._asked = ("", 0, 0)
        self._wrong = ""
        """Why there is no picture."""

    def on_mount(self) -> None:
        super().on_mount()
        self.set_interval(1 / FRAMES_A_SECOND, self._tick)

    @property
    def playing(self) -> bool:
        return self._left > 0 and bool(self._pictures)

    @property
    def _video(self) -> VideoEntry:
        return self._videos[self._place]

    def draw(self) -> None:
        """Show the frame, and fetch the clip at another size where the window changed."""
        width = self._body.size.width
        if not width:
            return
        keys = [("j/k", "browse.next_video", "move(1)")] if len(self._videos) > 1 else []
        if self._video.clips:
            keys = [("n/N", "browse.next_clip", "clip(1)"), *keys]
            keys += [("Space", "browse.pause" if self.playing else "browse.play", "pause")]
            keys += [(",/.", "browse.step", "step(1)")]
        keys += [("y/w", "list.take", "copy"), ("q/Esc", "browse.back", "shut")]
        title = cut(row(Span(safe(self._video.video), "strong")), width)
        self._body.show(self._page(self._look(width)), title, foot=self.keyline(keys))
        self._ask()

    def _page(self, look: Look) -> list[Row]:
        facts = clip_facts(self._video, self._clip, self._frame, self._frames, look)
        if not self._video.clips:
            return facts
        if not self._pictures:
            text, role = (self._wrong, "warn") if self._wrong else (look.words("browse.reading_clip"), "dim")
            return [*facts, (), *paragraph(text, look.width, role)]
        picture = self._pictures[self._frame]
        space = look.width - width_of(picture[0]) - 2
        if space < BESIDE:
            return [*picture, *facts]
        beside = clip_facts(self._video, self._clip, self._frame, self._frames, Look(look.words, space, look.height))
        beside += [()] * (len(picture) - len(beside))
        return [(*line, Span("  "), *fact) for line, fact in zip(picture, beside, strict=False)]

    def _ask(self) -> None:
        """Fetch what should be shown, where it is not what was asked for last."""
        width, height = self._body.size.width, self._body.size.height - 2
        if width < 2 or height < 2 or not self._video.clips:
            return
        wanted = (self._video.video, self._clip, max(2, min(112, width, height * 2) // 2 * 2))
        if wanted == self._asked:
            return
        self._asked = wanted

        def take(found: tuple[ClipFrames, Pictures]) -> None:
            if wanted == self._asked:
                self._frames, self._pictures = found[0].frames, found[1]
                self._frame, self._left = 0, ROUNDS * self._frames
                self.draw()

        def failed(error: R3dError | Line) -> None:
            if wanted == self._asked:
                self._wrong = self._words.line(error.line if isinstance(error, R3dError) else error)
                self.draw()

        ask(self, lambda: self._fetch(*wanted), take, failed)

    def _tick(self) -> None:
        if self.playing and not getattr(self.app, "behind", False):
            self._left -= 1
            self._frame = (self._frame + 1) % len(self._pictures)
            self.draw()

    def action_pause(self) -> None:
        self._left = 0 if self.playing else ROUNDS * len(self._pictures)
        self.draw()

    def action_step(self, frames: int) -> None:
        self._left = 0
        if self._pictures:
            self._frame = (self._frame + frames) % len(self._pictures)
            self.draw()

    def action_clip(self, step: int) -> None:
        """The next clip of the video; after its last the next video's first."""
        clip = self._clip + step
        if 0 <= clip < self._video.clips:
            self._clip = clip
            self.draw()
        else:
            self.action_move(step)

    def action_move(self, rows: int) -> None:
        self._place = (self._place + rows) % len(self._videos)
        self._clip = self._frame = self._frames = 0
        self._pictures, self._wrong = (), ""
        self.draw()
