"""What stands around a page of the browser: its tabs in the title, and where one is in its list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from r3d_tui.lang.words import Words
from r3d_tui.text import figures
from r3d_tui.text.rows import Row, Span, cut, width_of
from r3d_tui.views.listing import Listing

TABS = (" {n} {word} ", "{n} {word} ", "{n} ")
"""A page's tab where there is room, where there is little, and where only the page that is shown has its word."""


def browser_title(
    about: Sequence[Span], narrowed: str, pages: Sequence[str], here: str, words: Words, width: int
) -> Row:
    """What the page is about, what it is narrowed to, and the tabs; where all do not fit the first goes first."""
    kept = (Span(f"{narrowed}  ", "strong"),) if narrowed else ()
    forms = ((*kept, *_tabs(form, pages, here, words)) for form in TABS)
    line = next((line for line in forms if width_of(line) <= width), kept)
    spans = list(about)
    while spans and width_of((*spans, *line)) > width:
        spans.pop(0)
    return cut((*spans, *line), width)


def _tabs(form: str, pages: Sequence[str], here: str, words: Words) -> Row:
    spans = []
    for number, page in enumerate(pages, 1):
        shape = TABS[1] if page == here and form == TABS[-1] else form
        text = shape.format(n=number, word=words(f"page.{page}"))
        spans.append(Span(text, "chip" if page == here else "dim", f"screen.show({page!r})"))
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
