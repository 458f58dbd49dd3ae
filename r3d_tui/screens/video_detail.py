"""All about a video, and its clips played as the model sees them, two pixels a cell. The browser opens it."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import ClassVar

from textual.binding import Binding, BindingType

from backends.core.catalog_pages import VideoEntry
from r3d_tui.lang.words import Words
from r3d_tui.screens.clip_player import ROUNDS, ClipPlayer, Fetch
from r3d_tui.screens.dialog import Large
from r3d_tui.text.rows import Row, Span, cut, row, safe, width_of
from r3d_tui.views.browser_tables import clip_facts
from r3d_tui.views.look import Look, paragraph

BESIDE = 30
"""Cells that the facts beside a picture need; with fewer they stand below it."""


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
        self._clip = 0

    def on_mount(self) -> None:
        self._player = ClipPlayer(self, self._words, self._fetch, self.draw)
        super().on_mount()

    @property
    def playing(self) -> bool:
        return self._player.playing

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
        if self._video.clips:
            self._player.show(self._video.video, self._clip, width, self._body.size.height - 2)

    def _page(self, look: Look) -> list[Row]:
        player = self._player

        def facts(width: int) -> list[Row]:
            beside = Look(look.words, width, look.height)
            return clip_facts(self._video, self._clip, player.frame, player.frames, beside)

        if not self._video.clips:
            return facts(look.width)
        picture = player.picture
        if not picture:
            text, role = (player.wrong, "warn") if player.wrong else (look.words("browse.reading_clip"), "dim")
            return [*facts(look.width), (), *paragraph(text, look.width, role)]
        space = look.width - width_of(picture[0]) - 2
        if space < BESIDE:
            return [*picture, *facts(look.width)]
        return [(*line, Span("  "), *fact) for line, fact in zip_longest(picture, facts(space), fillvalue=())]

    def action_pause(self) -> None:
        self._player.play(0 if self.playing else ROUNDS)

    def action_step(self, frames: int) -> None:
        self._player.step(frames)

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
        self._clip = 0
        self.draw()
