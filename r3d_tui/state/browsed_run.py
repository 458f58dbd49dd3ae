"""The run that the browser looks at: its result, its catalog, a listing for each page. All is slow: use threads."""

import contextlib
import threading
from functools import partial
from typing import Any, Literal

from msgspec import Struct

from backends import api
from backends.core.catalog_pages import Change, ClipFrames, Query, VideoEntry
from backends.core.client import Client, RunResult, RunSummary
from backends.core.events import ItemSetAside
from backends.core.messages import InputError
from r3d_tui.lang.words import Words
from r3d_tui.text.rows import Row
from r3d_tui.views import browser_tables as tables
from r3d_tui.views.browser_tables import Field, sort_keys
from r3d_tui.views.compare import Comparison
from r3d_tui.views.listing import Listing, in_memory, of_catalog

Page = Literal["runs", "matrix", "classes", "videos", "wrong", "skipped", "compare"]
PAGES: tuple[Page, ...] = ("runs", "matrix", "classes", "videos", "wrong", "skipped", "compare")
Pictures = tuple[tuple[Row, ...], ...]
"""Frames as rows of cells."""


class PageList(Struct, frozen=True):
    fields: tuple[Field, ...]
    query: Query
    name: str
    """The attribute that an entry is found by."""
    none: str
    """Key of the words for a list without entries."""
    enter: str = "browse.watch"
    """Key of the words for what Enter does."""
    sorted_by: str = ""
    """The column that it is sorted by at first."""


LISTS: dict[Page, PageList] = {
    "classes": PageList(
        tables.CLASSES, Query("classes"), "label", "browse.no_video", "browse.enter", sorted_by="accuracy"
    ),
    "videos": PageList(tables.VIDEOS, Query("videos"), "video", "browse.no_video"),
    "wrong": PageList(tables.WRONG, Query("videos", is_wrong=True), "video", "browse.all_right", sorted_by="score"),
    "skipped": PageList(tables.SKIPPED, Query("skipped"), "item", "list.no_aside", "list.whole"),
    "compare": PageList(tables.CHANGES, Query("changes"), "video", ""),
}


class Narrowed(Struct, frozen=True):
    """The videos of one class, or of one cell of the matrix."""

    label: str
    predicted: str | None = None


class BrowsedRun:
    """One run; its catalog is opened when a page first needs it."""

    def __init__(self, reader: "RunReader", run_id: str, catalog: "api.SqlCatalog | None" = None) -> None:
        """InputError where there is no such run. `catalog` is the run's, where it is open already."""
        self.result: RunResult = reader.client.result(run_id)
        self.id = run_id
        self._reader, self._opened = reader, catalog
        self._opening = threading.Lock()

    @property
    def catalog(self) -> "api.SqlCatalog":
        """InputError where it cannot be had."""
        with self._opening:
            if self._opened is None:
                self._opened = self._reader.catalog(self.id)
            return self._opened

    def listing(self, page: Page, narrowed: Narrowed | None) -> Listing[Any]:
        """The entries of a page; of the videos those that are asked for, the wrong ones first."""
        form = LISTS[page]
        keys, query, first = sort_keys(form.fields), form.query, form.sorted_by
        if page == "videos" and narrowed is not None:
            query, first = Query("videos", label=narrowed.label, predicted=narrowed.predicted), "outcome"
        key = next((place for place, one in enumerate(keys) if one.column == first), -1)
        catalog = self.catalog
        return Listing(keys, of_catalog(catalog, query, form.name), key, partial(catalog.give_up, query))

    def compared(self, other: RunSummary) -> tuple[Comparison, Listing[Change]]:
        """This run beside another, and the videos whose best label differs."""
        before = self._reader.client.result(other.id)
        try:
            counts = self.catalog.compare(other.id)
        except InputError:
            return Comparison(self.result, before, None), Listing((), in_memory((), str))
        return Comparison(self.result, before, counts), self.listing("compare", None)

    def skipped_count(self) -> int:
        """How many items the run skipped, named or not."""
        return sum(stage.set_aside_count for stage in self.result.state.stages)

    def video(self, one: VideoEntry | ItemSetAside | Change) -> VideoEntry:
        """All that is known of an entry's video."""
        if isinstance(one, VideoEntry):
            return one
        known = tables.as_video(one)
        return self.catalog.video(known.video) or known

    def close(self) -> None:
        if self._opened is not None:
            with contextlib.suppress(InputError):
                self._opened.close()


class RunReader:
    def __init__(self, client: Client, words: Words, *, is_read_only: bool, has_colours: bool) -> None:
        """Reasons are worded, and so found and sorted by, in the language of `words`."""
        self.client, self.is_read_only = client, is_read_only
        self._words, self._has_colours = words, has_colours

    def catalog(self, run_id: str) -> "api.SqlCatalog":
        """Of a run, or of the latest that made clips. InputError where there is none."""
        catalog = api.open_catalog(self.client.workspace, run_id, keep=not self.is_read_only)
        catalog.say(self._words.line)
        return catalog

    def find(self, page: Page) -> tuple[tuple[RunSummary, ...], BrowsedRun | None]:
        """All runs, and the one that a page is opened on: that of results the latest with one, that of classes the
        latest that made clips, else the latest. None where there is none.
        """
        runs = self.client.runs()
        if page == "classes":
            catalog = self.catalog("")
            run_id = catalog.run_id or (runs[0].id if runs else "")
            return runs, BrowsedRun(self, run_id, catalog) if run_id else None
        scored = [one for one in runs if one.top1 is not None]
        fits = scored if page == "matrix" else (scored or runs) if page == "runs" else runs
        return runs, BrowsedRun(self, fits[0].id) if fits else None

    def pictures(self, run_id: str, video: str, clip: int, side: int) -> tuple[ClipFrames, Pictures]:
        """A run's clip of a video (from 0) at a side in pixels: its frames, and the same as rows of cells."""
        from r3d_tui.views.picture import pictures

        frames = api.clip_frames(self.client.workspace, video, clip, side, run_id)
        return frames, pictures(frames, colours=self._has_colours)
