"""A video's clips played as the model sees them, two pixels a cell. It is handed the videos and how to fetch them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from backends.core.catalog_pages import ClipFrames, VideoEntry
from r3d_tui.lang.words import Words
from r3d_tui.screens.lists import Large
from r3d_tui.text.rows import Row, Span, cut, row, width_of
from r3d_tui.text.safe import safe
from r3d_tui.views import videos as view
from r3d_tui.views.look import Look, paragraph

FRAMES_A_SECOND = 8
ROUNDS = 3
"""How often a clip is played before it rests: a screen at rest costs a slow link nothing."""
BESIDE = 30
"""Cells that the facts beside a picture need; with fewer they stand in the title alone."""

Pictures = tuple[tuple[Row, ...], ...]
Fetch = Callable[[str, int, int, Callable[[ClipFrames, Pictures], None]], None]
"""Fetch a clip of a video at a side in pixels, and call back with its frames and with the same as rows of cells."""


class Player(Large):
    """One clip after another of some videos, each played a few times and then at rest."""

    DEFAULT_CSS = """
    Player { align: center middle; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,n", "clip(1)", show=False),
        Binding("left,N,shift+n", "clip(-1)", show=False),
        Binding("space,enter", "pause", show=False),
        Binding("full_stop", "step(1)", show=False),
        Binding("comma", "step(-1)", show=False),
    ]

    def __init__(
        self,
        videos: Sequence[VideoEntry],
        start: int,
        words: Words,
        *,
        fetch: Fetch,
    ) -> None:
        """`videos` have one clip at least."""
        super().__init__(words("videos.title"), self._page, words)
        self._videos, self._place, self._fetch = tuple(videos), start, fetch
        self._clip = self._frame = self._left = 0
        self._frames: ClipFrames | None = None
        self._pictures: Pictures = ()
        self._asked = ("", 0, 0)

    def on_mount(self) -> None:
        super().on_mount()
        self.call_after_refresh(self._ask)
        self.set_interval(1 / FRAMES_A_SECOND, self._tick)

    @property
    def playing(self) -> bool:
        return self._left > 0 and bool(self._pictures)

    def draw(self) -> None:
        """Show the frame, and fetch the clip at another size where the window changed."""
        if not self._body.size.width:
            return
        video = self._videos[self._place]
        width = self._body.size.width
        title = cut(row(Span(safe(video.label), "strong"), "  ", view.outcome(video, self._look(40))), width)
        keys = [("n/N", "videos.next_clip", "clip(1)"), ("j/k", "videos.next_video", "move(1)")]
        keys += [
            ("Space", "videos.pause" if self.playing else "videos.play", "pause"),
            (",/.", "videos.step", "step(1)"),
        ]
        keys += [("q/Esc", "videos.back", "shut")]
        self._body.show(self._page(self._look(self._body.size.width)), title, foot=self.keyline(keys))
        self._ask()

    def _page(self, look: Look) -> list[Row]:
        if not self._pictures or self._frames is None:
            return paragraph(look.words("videos.reading"), look.width, "dim")
        video, picture = self._videos[self._place], self._pictures[self._frame]
        space = look.width - width_of(picture[0]) - 2
        if space < BESIDE:
            return list(picture)
        beside = Look(look.words, space, look.height)
        words = view.clip_facts(video, self._clip, self._frame, self._frames.frames, beside)
        words += [()] * (len(picture) - len(words))
        return [(*line, Span("  "), *fact) for line, fact in zip(picture, words, strict=False)]

    def _ask(self) -> None:
        """Fetch what should be shown, where it is not what was asked for last."""
        width, height = self._body.size.width, self._body.size.height - 2
        if width < 2 or height < 2:
            return
        video = self._videos[self._place].video
        wanted = (video, self._clip, max(2, min(112, width, height * 2) // 2 * 2))
        if wanted == self._asked:
            return
        self._asked = wanted

        def take(frames: ClipFrames, pictures: Pictures) -> None:
            if wanted == self._asked:
                self._frames, self._pictures, self._frame, self._left = frames, pictures, 0, ROUNDS * frames.frames
                self.draw()

        self._fetch(*wanted, take)

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
        clip = self._clip + step
        if 0 <= clip < self._videos[self._place].clips:
            self._clip = clip
            self._ask()
        else:
            self.action_move(step)

    def action_move(self, rows: int) -> None:
        self._place = (self._place + rows) % len(self._videos)
        self._clip = 0
        self._ask()
