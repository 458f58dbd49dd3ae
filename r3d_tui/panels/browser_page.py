"""What the browser of runs shows around and in place of a page's list: tabs, columns, notes, keys."""

from typing import Any

from r3d_tui.lang.words import Words
from r3d_tui.state.browsed_run import LISTS, PAGES
from r3d_tui.state.browser_state import BrowserState
from r3d_tui.text import figures
from r3d_tui.text.rows import Row, Span, cut, safe, width_of
from r3d_tui.views.actions import KeyHint
from r3d_tui.views.browser_tables import RUNS, Field, runs_note
from r3d_tui.views.compare import above
from r3d_tui.views.listing import Listing
from r3d_tui.views.look import Look, paragraph

TABS = (" {n} {word} ", "{n} {word} ", "{n} ")
"""A page's tab where there is room, where there is little, and where only the page that is shown has its word."""


def fields(state: BrowserState) -> tuple[Field, ...]:
    if state.page == "runs":
        return Field("", 1, lambda one, _: Span("+" if one in state.marked else " ", "focus")), *RUNS
    is_of_class = state.page == "videos" and state.narrowed is not None
    return tuple(one for one in LISTS[state.page].fields if not (is_of_class and one.sorts == "label"))


def notes(state: BrowserState, look: Look) -> list[Row]:
    """What stands over the list and scrolls with it."""
    if state.page == "runs":
        return runs_note(state.runs, look)
    if state.page == "compare" and state.comparison is not None:
        return [*above(state.comparison, look), ()]
    if state.page == "skipped" and state.listing is not None and state.run is not None:
        more = state.run.skipped_count() - state.listing.total
        text = look.words("list.lost", n=figures.count(more))
        return [*paragraph(text, look.width, "dim"), ()] if more > 0 else []
    return []


def nothing(state: BrowserState, look: Look) -> list[Row]:
    """Why the page has no list."""
    page, listing = state.page, state.listing
    if page in state.failed:
        return paragraph(state.failed[page], look.width, "warn")
    if state.run is None:
        key = "runs.none"
    elif page == "compare" and not state.others:
        key = "compare.none"
    elif listing is None:
        key = "browse.reading"
    elif listing.total:
        return paragraph(look.words("list.no_match", pattern=listing.pattern), look.width, "dim")
    else:
        key = LISTS[page].none
    return paragraph(look.words(key), look.width, "dim") if key else []


def browser_title(state: BrowserState, words: Words, width: int) -> Row:
    """The run, what its videos are narrowed to, and the tabs; where all do not fit the first goes first."""
    about: list[Span] = []
    if state.run is not None:
        about.append(Span(f"{words('browse.run', run=safe(state.run.id))}  ", "focus"))
        if state.run.result.run.simulated:
            about.append(Span(f"{words('sim.chips')}  ", "warn"))
    kept: Row = ()
    if state.page == "videos" and (found := state.narrowed) is not None:
        arrow = f" → {safe(found.predicted)}" if found.predicted is not None else ""
        kept = (Span(f"{safe(found.label) or words('browse.unknown')}{arrow}  ", "strong"),)
    forms = ((*kept, *_tabs(form, state, words)) for form in TABS)
    line = next((line for line in forms if width_of(line) <= width), kept)
    while about and width_of((*about, *line)) > width:
        about.pop(0)
    return cut((*about, *line), width)


def _tabs(form: str, state: BrowserState, words: Words) -> Row:
    spans = []
    for number, page in enumerate(PAGES, 1):
        shape = TABS[1] if page == state.page and form == TABS[-1] else form
        text = shape.format(n=number, word=words(f"page.{page}"))
        spans.append(Span(text, "chip" if page == state.page else "dim", f"screen.show({page!r})"))
    return tuple(spans)


def list_state(listing: Listing[Any] | None, words: Words) -> str:
    """What a list is filtered and sorted by, and where one is in it."""
    if listing is None or not listing.total:
        return ""
    key = listing.sorted_by
    parts = [
        f"/{listing.pattern}" if listing.pattern else "",
        f"{key.arrow}{words(key.heading)}" if key else "",
        f"{figures.count(min(listing.here + 1, len(listing)))}/{figures.count(len(listing))}",
        words("list.of", n=figures.count(listing.total)) if listing.pattern else "",
    ]
    return " ".join(part for part in parts if part)


def keys_of(state: BrowserState) -> list[KeyHint]:
    """Those that work on the page now."""
    listing, keys = state.listing, _page_keys(state)
    if listing is not None and listing.total:
        keys[1:1] = [("/", "list.filter", "filter"), ("s", "list.order", "sort(1)")]
        if listing.pattern or listing.key >= 0:
            keys.append(("u", "list.clear", "all"))
    keys.append(("Tab", "browse.next", "turn(1)"))
    if state.cursor is not None:
        keys.append(("x", "browse.export", "export"))
    return [*keys, ("j/k", "dialog.scroll", ""), ("y/w", "list.take", "copy"), ("q/Esc", "dialog.close", "back")]


def _page_keys(state: BrowserState) -> list[KeyHint]:
    if state.page == "runs":
        enter = "runs.compare" if len(state.marked) == 2 else "runs.result"
        return [("Enter", enter, "deeper"), ("Space", "runs.mark", "mark"), ("p", "runs.devices", "devices")]
    if state.page == "matrix":
        return [("Enter", "browse.enter", "deeper"), ("h/j/k/l", "matrix.move", "")]
    keys = [("Enter", LISTS[state.page].enter, "deeper")] if state.listing else []
    if state.page == "compare" and len(state.others) > 1:
        keys.append(("c", "browse.other", "other(1)"))
    return keys
