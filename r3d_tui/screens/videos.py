"""The data set, class by class and video by video, and a video's clips played as the model sees them.

It is handed the videos and a way to fetch a clip's frames; it refuses to know where they come from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from backends.contract.client import Prediction
from backends.contract.clips import ClipFrames, VideoEntry
from r3d_tui.lang.words import Words
from r3d_tui.rows import Row, Span, cut, row, width_of
from r3d_tui.safe import safe
from r3d_tui.screens.dialog import Dialog
from r3d_tui.views import videos as view
from r3d_tui.views.look import Look, paragraph

FRAMES_A_SECOND = 8
ROUNDS = 3
"""How often a clip is played before it rests: a screen at rest costs a slow link nothing."""
BESIDE = 30
"""Cells that the facts beside a picture need; with fewer they stand in the title alone."""

Pictures = tuple[tuple[Row, ...], ...]
Fetch = Callable[[str, int, int, Callable[[ClipFrames, Pictures], None]], None]
"""Fetch a clip of a video at a side in pixels, and call back with its frames and their pictures."""


class Large(Dialog):
    """A dialog as large as the terminal: what it shows must not jump."""

    WIDE = 130

    def _fit(self) -> None:
        width, height = self.app.size
        self._body.styles.width = max(5, min(self.WIDE, width - (4 if width > 84 else 0)))
        self._body.styles.height = max(4, height - (2 if height > 24 else 0))

    def _keyline(self, pairs: Sequence[tuple[str, str, str]]) -> Row:
        spans: list[Span] = []
        for key, text, action in pairs:
            spans += [Span(key, "key", f"screen.{action}"), Span(f" {self._words(text)}   ", "", f"screen.{action}")]
        return cut(tuple(spans), max(1, self._body.size.width))


class Videos(Large):
    """Classes, and behind each its videos, and behind each its clips."""

    DEFAULT_CSS = """
    Videos { align: center middle; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,b,left", "back", show=False),
        Binding("enter,right", "deeper", show=False),
    ]

    def __init__(
        self, videos: Sequence[VideoEntry], predictions: view.Predictions, words: Words, *, fetch: Fetch
    ) -> None:
        super().__init__(words("videos.title"), self._table, words)
        self._groups = view.classes(videos)
        self._predictions, self._fetch = predictions, fetch
        self._inside: view.ClassEntry | None = None
        self._class_here = self._video_here = 0

    @property
    def _here(self) -> int:
        return self._video_here if self._inside else self._class_here

    @property
    def _count(self) -> int:
        return len(self._inside.videos) if self._inside else len(self._groups)

    def _table(self, look: Look) -> list[Row]:
        if not self._groups:
            return paragraph(look.words("videos.none"), look.width, "dim")
        if self._inside:
            return view.video_table(self._inside.videos, self._predictions, look)
        return view.class_table(self._groups, self._predictions, look)

    def draw(self) -> None:
        """Show the table, its cursor and its keys."""
        if not self._body.size.width:
            return
        title = row(Span(self._heading, "focus"))
        if self._inside:
            title += row(Span(f" › {safe(self._inside.label) or self._words('videos.unknown')}", "strong"))
        cursor = self._here + 1 if self._groups else None
        rows = self._table(self._look(self._body.size.width))
        keys = [("Enter", "videos.play" if self._inside else "videos.enter", "deeper")]
        keys += [
            ("q/Esc", "videos.back" if self._inside else "dialog.close", "back"),
            ("j/k", "videos.choose", "move(1)"),
        ]
        self._body.show(rows, title, cursor, self._keyline(keys))

    def action_move(self, rows: int) -> None:
        """Move the cursor."""
        place = max(0, min(self._count - 1, self._here + rows))
        if self._inside:
            self._video_here = place
        else:
            self._class_here = place
        self.draw()
        self._body.reveal(place + 1 if place else 0)

    def action_page(self, pages: int) -> None:
        """Move the cursor by what is seen."""
        self.action_move(pages * max(1, self._body.page - 1))

    def action_far(self, way: int) -> None:
        """To an end."""
        self.action_move(way * self._count)

    def action_deeper(self) -> None:
        """Into the class, or to the video's clips."""
        if not self._groups:
            return
        if self._inside is None:
            self._inside, self._video_here = self._groups[self._class_here], 0
            self._body.top = 0
            self.draw()
            return
        if not self._inside.videos[self._video_here].clips:
            self.app.notify(self._words("videos.no_clips"), markup=False, timeout=4)
            return
        playable = [video for video in self._inside.videos if video.clips]
        start = playable.index(self._inside.videos[self._video_here])
        self.app.push_screen(Player(playable, start, self._predictions, self._words, fetch=self._fetch))

    def action_back(self) -> None:
        """Out of the class, or close."""
        if self._inside is None:
            self.dismiss("")
            return
        self._inside = None
        self._body.top = 0
        self.draw()
        self._body.reveal(self._class_here + 1)


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
        predictions: view.Predictions,
        words: Words,
        *,
        fetch: Fetch,
    ) -> None:
        """`videos` have one clip at least."""
        super().__init__(words("videos.title"), self._page, words)
        self._videos, self._place, self._predictions, self._fetch = tuple(videos), start, predictions, fetch
        self._clip = self._frame = self._left = 0
        self._frames: ClipFrames | None = None
        self._pictures: Pictures = ()
        self._asked = ("", 0, 0)

    def on_mount(self) -> None:
        """Fetch the first clip and let time go."""
        super().on_mount()
        self.call_after_refresh(self._ask)
        self.set_interval(1 / FRAMES_A_SECOND, self._tick)

    @property
    def playing(self) -> bool:
        """Frames follow each other now."""
        return self._left > 0 and bool(self._pictures)

    def draw(self) -> None:
        """Show the frame, and fetch the clip at another size where the window changed."""
        if not self._body.size.width:
            return
        video = self._videos[self._place]
        title = row(Span(safe(video.label), "strong"), "  ", view.outcome(video, self._found, self._look(40)))
        keys = [("n/N", "videos.next_clip", "clip(1)"), ("j/k", "videos.next_video", "move(1)")]
        keys += [
            ("Space", "videos.pause" if self.playing else "videos.play", "pause"),
            (",/.", "videos.step", "step(1)"),
        ]
        keys += [("q/Esc", "videos.back", "shut")]
        self._body.show(self._page(self._look(self._body.size.width)), title, foot=self._keyline(keys))
        self._ask()

    @property
    def _found(self) -> Prediction | None:
        return self._predictions.get(self._videos[self._place].video)

    def _page(self, look: Look) -> list[Row]:
        if not self._pictures or self._frames is None:
            return paragraph(look.words("videos.reading"), look.width, "dim")
        video, picture = self._videos[self._place], self._pictures[self._frame]
        space = look.width - width_of(picture[0]) - 2
        if space < BESIDE:
            return list(picture)
        beside = Look(look.words, space, look.height)
        words = view.clip_facts(video, self._clip, self._frame, self._frames.frames, self._found, beside)
        words += [()] * (len(picture) - len(words))
        return [(*line, Span("  "), *told) for line, told in zip(picture, words, strict=False)]

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
        if self.playing:
            self._left -= 1
            self._frame = (self._frame + 1) % len(self._pictures)
            self.draw()

    def action_pause(self) -> None:
        """Rest, or play again."""
        self._left = 0 if self.playing else ROUNDS * len(self._pictures)
        self.draw()

    def action_step(self, frames: int) -> None:
        """Rest at the next frame."""
        self._left = 0
        if self._pictures:
            self._frame = (self._frame + frames) % len(self._pictures)
            self.draw()

    def action_clip(self, step: int) -> None:
        """The next clip of the video; after its last the next video's first."""
        clip = self._clip + step
        if 0 <= clip < self._videos[self._place].clips:
            self._clip = clip
            self._ask()
        else:
            self.action_move(step)

    def action_move(self, rows: int) -> None:
        """The next video."""
        self._place = (self._place + rows) % len(self._videos)
        self._clip = 0
        self._ask()
