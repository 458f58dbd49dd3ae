"""The run that the browser looks at: its result, its catalog, a listing for each page. All is slow: use threads."""

import contextlib
import threading
from collections.abc import Callable
from typing import Any, Literal

from msgspec import Struct

from backends.core.catalog_pages import Catalog, Change, Query, SkippedEntry, VideoEntry
from backends.core.client import Client, RunResult, RunSummary
from backends.core.messages import InputError
from r3d_tui.views import browser_tables as tables
from r3d_tui.views.browser_tables import Field, sort_keys
from r3d_tui.views.compare import Comparison
from r3d_tui.views.listing import Listing, in_memory, of_catalog

Page = Literal["runs", "matrix", "classes", "videos", "wrong", "skipped", "compare"]
PAGES: tuple[Page, ...] = ("runs", "matrix", "classes", "videos", "wrong", "skipped", "compare")
OpenCatalog = Callable[[str], Catalog]
"""The catalog of a run by its id, or of the latest run that made clips; InputError where there is none."""


class PageList(Struct, frozen=True):
    """How a page lists its entries."""

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

    def __init__(self, client: Client, open_catalog: OpenCatalog, run_id: str, catalog: Catalog | None = None) -> None:
        """InputError where there is no such run. `catalog` is the run's, where it is open already."""
        self.result: RunResult = client.result(run_id)
        self.id = run_id
        self._client, self._open, self._opened = client, open_catalog, catalog
        self._opening = threading.Lock()

    @property
    def catalog(self) -> Catalog:
        """InputError where it cannot be had."""
        with self._opening:
            if self._opened is None:
                self._opened = self._open(self.id)
            return self._opened

    def listing(self, page: Page, narrowed: Narrowed | None) -> Listing[Any]:
        """The entries of a page; of the videos those that are asked for, the wrong ones first."""
        form = LISTS[page]
        keys, query, first = sort_keys(form.fields), form.query, form.sorted_by
        if page == "videos" and narrowed is not None:
            query, first = Query("videos", label=narrowed.label, predicted=narrowed.predicted), "outcome"
        key = next((place for place, one in enumerate(keys) if one.column == first), -1)
        return Listing(keys, of_catalog(self.catalog, query, form.name), key)

    def compared(self, other: RunSummary) -> tuple[Comparison, Listing[Change]]:
        """This run beside another, and the videos whose best label differs."""
        before = self._client.result(other.id)
        try:
            counts = self.catalog.compare(other.id)
        except InputError:
            return Comparison(self.result, before, None), Listing((), in_memory((), str))
        return Comparison(self.result, before, counts), self.listing("compare", None)

    def skipped_count(self) -> int:
        """How many items the run skipped, named or not."""
        return sum(stage.set_aside_count for stage in self.result.state.stages)

    def video(self, one: VideoEntry | SkippedEntry | Change) -> VideoEntry:
        """All that is known of an entry's video."""
        if isinstance(one, VideoEntry):
            return one
        known = tables.as_video(one)
        return self.catalog.video(known.video) or known

    def close(self) -> None:
        """Let go of the catalog."""
        if self._opened is not None:
            with contextlib.suppress(InputError):
                self._opened.close()


def find_run(
    page: Page, client: Client, open_catalog: OpenCatalog, wanted: str = ""
) -> tuple[tuple[RunSummary, ...], BrowsedRun | None]:
    """All runs, and the one that a page is opened on: that of results the latest with one, that of classes the latest
    that made clips, else the latest. None where there is none.
    """
    runs = client.runs()
    if page == "classes" and not wanted:
        catalog = open_catalog("")
        run_id = catalog.run_id or (runs[0].id if runs else "")
        return runs, BrowsedRun(client, open_catalog, run_id, catalog) if run_id else None
    fits = [one for one in runs if wanted in ("", one.id) and (page != "matrix" or one.top1 is not None)]
    scored = [one for one in fits if one.top1 is not None] if page == "runs" else []
    chosen = next(iter(scored or fits), None)
    return runs, BrowsedRun(client, open_catalog, chosen.id) if chosen else None
