"""The data set, class by class and video by video, out of a catalog."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from backends.core.catalog_pages import Catalog, ClassEntry, VideoEntry
from r3d_tui.lang.words import Words
from r3d_tui.screens.lists import Listed, Lists
from r3d_tui.screens.player import Fetch, Player
from r3d_tui.text.rows import Row, Span, row
from r3d_tui.text.safe import safe
from r3d_tui.views import videos as view
from r3d_tui.views.listing import BEFORE, BEHIND, Listing


class Videos(Lists):
    """Classes, and behind each its videos, and behind each its clips."""

    DEFAULT_CSS = """
    Videos { align: center middle; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("b,left", "back", show=False)]

    def __init__(self, catalog: Catalog, classes: Listing[ClassEntry], words: Words, *, fetch: Fetch) -> None:
        """`classes` are those of the catalog, which is closed with the screen."""
        super().__init__(words("videos.title"), words)
        self._catalog, self._fetch = catalog, fetch
        self.sources.append(catalog)
        self._labels = Listed(classes, view.class_columns, view.class_cells, "videos.none")
        self._inside: Listed | None = None
        self._label = ""

    @property
    def listed(self) -> Listed:
        return self._inside or self._labels

    @property
    def keys(self) -> list[tuple[str, str, str]]:
        return [("Enter", "videos.play" if self._inside else "videos.enter", "deeper")]

    def title_row(self) -> Row:
        title = row(Span(self._heading, "focus"))
        if self._inside is None:
            return title
        return title + row(Span(f" › {safe(self._label) or self._words('videos.unknown')}", "strong"))

    def action_deeper(self) -> None:
        listing = self.listed.listing
        chosen = listing.chosen
        if isinstance(chosen, ClassEntry):
            self.in_thread(
                lambda: view.video_listing(self._catalog, chosen.label), lambda found: self._enter(chosen.label, found)
            )
        elif isinstance(chosen, VideoEntry) and not chosen.clips:
            self.say(self._words("videos.no_clips"))
        elif isinstance(chosen, VideoEntry):
            near = map(listing.at, range(max(0, listing.here - BEFORE), listing.here + BEHIND))
            playable = [video for video in near if video is not None and video.clips]
            self.app.push_screen(Player(playable, playable.index(chosen), self._words, fetch=self._fetch))

    def _enter(self, label: str, found: Listing[VideoEntry]) -> None:
        self._label, self._inside = label, Listed(found, view.video_columns, view.video_cells)
        self._body.top = 0
        self.draw()

    def action_back(self) -> None:
        if self._inside is None:
            self.dismiss("")
            return
        self._inside = None
        self._body.top = 0
        self.draw()
