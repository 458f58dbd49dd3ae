"""A video's clips played as the model sees them: in cells, in full pixels where the terminal shows those.

It is handed the videos and a way to fetch a clip's frames; it refuses to know where they come from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region

from backends.core.client import Prediction
from backends.core.clip_entries import ClipFrames, VideoEntry
from r3d_tui.lang.words import Words
from r3d_tui.rows import Row, Span, cut, row, width_of
from r3d_tui.safe import safe
from r3d_tui.screens.lists import Large
from r3d_tui.views import videos as view
from r3d_tui.views.look import Look, paragraph

if TYPE_CHECKING:
    from r3d_tui.pixels.overlay import Overlay

FRAMES_A_SECOND = 8
ROUNDS = 3
"""How often a clip is played before it rests: a screen at rest costs a slow link nothing."""
SLOW_FRAME_S = 0.7
"""A frame of cells that takes so long is not followed by others of itself."""
BESIDE = 30
"""Cells that the facts beside a picture need; with fewer they stand in the title alone."""

Pictures = tuple[tuple[Row, ...], ...]
Draw = Callable[[ClipFrames], Any]
Fetch = Callable[[str, int, int, Callable[[ClipFrames, Any], None], Draw | None], None]
"""Fetch a clip of a video at a side in pixels, and call back with its frames and what draws them in a thread made of
them, which is rows of cells where nothing else is asked for.
"""


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
        Binding("v", "sharp", show=False),
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
        self._insisted = False
        """Playing was asked for by a key."""
        self._overlay: Overlay | None = None
        self._sharp: tuple[str, ...] = ()
        self._asked_sharp = ("", 0, 0, 0)

    def on_mount(self) -> None:
        """Fetch the first clip, find out what the terminal can show, and let time go."""
        super().on_mount()
        self.call_after_refresh(self._ask)
        self.call_after_refresh(self._find)
        self.set_interval(1 / FRAMES_A_SECOND, self._tick)

    def on_unmount(self) -> None:
        """Leave no picture."""
        if self._overlay is not None:
            self._overlay.close()
            self._overlay = None

    def on_resize(self, event: events.Resize) -> None:
        """Another place for the picture."""
        if self._overlay is not None:
            self._overlay.hide()
        super().on_resize(event)

    def on_screen_suspend(self) -> None:
        """Something lies above: pictures would lie above that."""
        self.draw()

    def on_screen_resume(self) -> None:
        """It does not any more."""
        self.call_after_refresh(self.draw)

    @property
    def playing(self) -> bool:
        """Frames follow each other now."""
        return self._left > 0 and bool(self._pictures)

    def draw(self) -> None:
        """Show the frame, and fetch the clip at another size where the window changed."""
        if not self._body.size.width:
            return
        video = self._videos[self._place]
        width = self._body.size.width
        title = cut(
            row(Span(safe(video.label), "strong"), "  ", view.outcome(video, self._found, self._look(40))), width
        )
        keys = [("n/N", "videos.next_clip", "clip(1)"), ("j/k", "videos.next_video", "move(1)")]
        keys += [
            ("Space", "videos.pause" if self.playing else "videos.play", "pause"),
            (",/.", "videos.step", "step(1)"),
        ]
        if self._overlay is not None and self._overlay.painter is not None:
            keys[2:2] = [("v", "videos.blocks" if self._overlay.wanted else "videos.pixels", "sharp")]
        keys += [("q/Esc", "videos.back", "shut")]
        self._body.show(self._page(self._look(self._body.size.width)), title, foot=self.keyline(keys))
        self._ask()
        self._show_sharp()

    @property
    def _found(self) -> Prediction | None:
        return self._predictions.get(self._videos[self._place].video)

    def _page(self, look: Look) -> list[Row]:
        if not self._pictures or self._frames is None:
            return paragraph(look.words("videos.reading"), look.width, "dim")
        video, picture = self._videos[self._place], self._pictures[self._frame]
        if self._sharp_here:
            picture = tuple((Span(" " * width_of(line)),) for line in picture)
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
                self._sharp, self._asked_sharp = (), ("", 0, 0, 0)
                self.draw()
                self._time_cells()
                self._ask_sharp()

        self._fetch(*wanted, take, None)

    def _find(self) -> None:
        """Ask the terminal what it has, where nobody did."""
        from r3d_tui.pixels.overlay import overlay_of

        self._overlay = overlay_of(self.app)  # type: ignore[arg-type]
        if self._overlay is not None:
            line = self._body.content_region
            self._overlay.find(Region(line.x, line.y, line.width, 1), self._ask_sharp)

    def _ask_sharp(self) -> None:
        """Fetch the clip in full pixels, where the terminal shows them."""
        if self._overlay is None or (painter := self._overlay.painter) is None:
            return
        if not self._overlay.wanted or not self._pictures or not self.is_attached:
            self.draw()
            return
        columns, rows = width_of(self._pictures[0][0]), len(self._pictures[0])
        wanted = (*self._asked[:2], columns, rows)
        if wanted == self._asked_sharp:
            return
        self._asked_sharp = wanted

        def take(_: ClipFrames, sharp: tuple[str, ...]) -> None:
            if wanted == self._asked_sharp:
                self._sharp = sharp
                self.draw()

        draw = partial(painter.prepared, columns=columns, rows=rows)
        self._fetch(*wanted[:2], painter.side(columns, rows), take, draw)

    @property
    def _area(self) -> Region:
        """Where the picture is on the screen."""
        body = self._body.content_region
        return Region(body.x, body.y + 1, width_of(self._pictures[0][0]), len(self._pictures[0]))

    @property
    def _sharp_here(self) -> bool:
        """The picture is shown in full pixels: it is there, and nothing lies above it."""
        if self._overlay is None or not (self._sharp and self._overlay.ready and self.is_current):
            return False
        area = self._area
        if self._body.top or not self._body.content_region.contains_region(area) or area.bottom >= self.app.size.height:
            return False
        above = [*self.query("Toast"), *self.query("Tooltip")]
        return not any(widget.region.overlaps(area) for widget in above)

    def _show_sharp(self) -> None:
        if self._overlay is None:
            return
        if self._sharp_here:
            self._overlay.show(self._sharp, self._frame, self._area, self.draw)
        else:
            self._overlay.hide()

    def _tick(self) -> None:
        if getattr(self.app, "behind", False) or (self._overlay is not None and self._overlay.holding):
            return
        if self.playing:
            self._left -= 1
            self._frame = (self._frame + 1) % len(self._pictures)
            self.draw()
            self._time_cells()

    def _time_cells(self) -> None:
        """See how long the terminal takes for a frame of cells."""
        if self._overlay is not None and not self._sharp_here:
            self.call_after_refresh(self._overlay.mark, self._frame_took)

    def _frame_took(self, seconds: float) -> None:
        """Rest where the link is too slow for cells too: keys queue behind frames."""
        if seconds > SLOW_FRAME_S and not self._insisted:
            self._left = 0
            self.draw()

    def action_pause(self) -> None:
        """Rest, or play again."""
        self._insisted = True
        self._left = 0 if self.playing else ROUNDS * len(self._pictures)
        self.draw()

    def action_shut(self) -> None:
        """Close, the picture first."""
        if self._overlay is not None:
            self._overlay.close()
        super().action_shut()

    def action_sharp(self) -> None:
        """Full pixels, or cells again."""
        if self._overlay is None or self._overlay.painter is None:
            self.app.notify(self._words("videos.blocks_only"), markup=False, timeout=4)
            return
        self._overlay.wanted = not self._overlay.wanted
        self._ask_sharp()
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
