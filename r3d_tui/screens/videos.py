"""The data set, class by class and video by video. It refuses to know where the videos that it is handed come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from backends.core.clip_entries import VideoEntry
from r3d_tui.lang.words import Words
from r3d_tui.screens.heavy import let_go
from r3d_tui.screens.lists import Listed, Lists
from r3d_tui.screens.player import Fetch, Player
from r3d_tui.text.rows import Row, Span, row
from r3d_tui.text.safe import safe
from r3d_tui.views import videos as view
from r3d_tui.views.look import Look

NEAR = 2_000
"""Videos before and behind the chosen one that a player goes through: some milliseconds to look up."""


class Videos(Lists):
    """Classes, and behind each its videos, and behind each its clips."""

    DEFAULT_CSS = """
    Videos { align: center middle; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("b,left", "back", show=False)]

    def __init__(
        self, groups: Sequence[view.ClassEntry], predictions: view.Predictions, words: Words, *, fetch: Fetch
    ) -> None:
        super().__init__(words("videos.title"), words)
        self._predictions, self._fetch = predictions, fetch
        self._all = list(groups)
        self._groups = Listed(view.class_listing(self._all), view.class_columns, view.class_cells, "videos.none")
        self._inside: view.ClassEntry | None = None
        self._entries = self._groups

    def on_unmount(self) -> None:
        """Hundreds of thousands of videos go bit by bit."""
        let_go(self._all)

    @property
    def listed(self) -> Listed:
        """The classes, or the videos of one."""
        return self._entries if self._inside else self._groups

    @property
    def keys(self) -> list[tuple[str, str, str]]:
        """Deeper."""
        return [("Enter", "videos.play" if self._inside else "videos.enter", "deeper")]

    def title_row(self) -> Row:
        """Where one is."""
        title = row(Span(self._heading, "focus"))
        if self._inside is None:
            return title
        return title + row(Span(f" › {safe(self._inside.label) or self._words('videos.unknown')}", "strong"))

    def action_deeper(self) -> None:
        """Into the class, or to the video's clips."""
        if self._inside is None:
            if (group := self._groups.listing.chosen) is not None:
                self._enter(group)
            return
        listing = self._entries.listing
        chosen = listing.chosen
        if chosen is None:
            return
        if not chosen.clips:
            self.app.notify(self._words("videos.no_clips"), markup=False, timeout=4)
            return
        near = range(max(0, listing.here - NEAR), min(len(listing), listing.here + NEAR + 1))
        playable = [row for row in near if listing.at(row).clips]
        videos, start = [listing.at(row) for row in playable], playable.index(listing.here)
        self.app.push_screen(Player(videos, start, self._predictions, self._words, fetch=self._fetch))

    def _enter(self, group: view.ClassEntry) -> None:
        listing = view.video_listing(group.videos, self._predictions, self._words)

        def cells(video: VideoEntry, look: Look) -> tuple[str | Span, ...]:
            return view.video_cells(video, self._predictions, look)

        self._inside, self._entries = group, Listed(listing, view.video_columns, cells)
        self._body.top = 0
        self.draw()

    def action_back(self) -> None:
        """Out of the class, or close."""
        if self._inside is None:
            self.dismiss("")
            return
        self._inside = None
        self._body.top = 0
        self.draw()
