"""A list that is filtered while somebody types."""

from __future__ import annotations

import threading
from typing import Any

from textual.app import App, ComposeResult

from backends.core.messages import InputError
from r3d_tui.lang.words import Words
from r3d_tui.panels.list_pane import ListPane
from r3d_tui.views.listing import Arranged, Listing, SortKey, in_memory
from tests.r3d_tui.waiting import until


class OnePane(App[None]):
    """A list pane alone."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn = 0
        self.failed: list[object] = []
        self.pane = ListPane(Words(), self._draw, self.failed.append, lambda: None)

    def _draw(self) -> None:
        self.drawn += 1

    def compose(self) -> ComposeResult:
        yield self.pane


async def test_a_filter_that_is_typed_further_is_given_up() -> None:
    """What nobody waits for any more ends at once, and that it ended is no error."""
    given_up = threading.Event()
    whole = in_memory(("pear", "apple"), str)

    def arrange(pattern: str, key: SortKey[str] | None) -> Arranged[Any]:
        if pattern == "a":
            assert given_up.wait(10)
            raise InputError("interrupted")
        return whole(pattern, key)

    listing = Listing[str]((), arrange, give_up=given_up.set)
    app = OnePane()
    async with app.run_test() as pilot:
        app.pane.rearrange(listing, "a", -1)
        app.pane.rearrange(listing, "a", -1)
        assert not given_up.is_set()
        app.pane.rearrange(listing, "ap", -1)
        await until(pilot, lambda: app.drawn)
        assert ("ap", []) == (listing.pattern, app.failed)


async def test_letters_typed_while_a_filter_is_at_work_cost_one_more() -> None:
    """Of what was asked for meanwhile only the last is done, and only its answer is shown."""
    fruits, asked, go = ("pear", "apple", "apricot"), list[str](), threading.Event()
    whole = in_memory(fruits, str)

    def arrange(pattern: str, key: SortKey[str] | None) -> Arranged[Any]:
        if pattern:
            asked.append(pattern)
            go.wait(10)
        return whole(pattern, key)

    listing = Listing[str]((), arrange)
    app = OnePane()
    async with app.run_test() as pilot:
        for typed in ("a", "ap", "apr", "apri"):
            app.pane.rearrange(listing, typed, -1)
        await until(pilot, lambda: asked == ["a"])
        go.set()
        await until(pilot, lambda: app.drawn)
        assert (["a", "apri"], "apri", ["apricot"], 1) == (asked, listing.pattern, list(listing.near), app.drawn)
