"""A list of any length: filter, sort keys, cursor, the entries at hand."""

from __future__ import annotations

from typing import Any

import pytest

from backends.core.catalog_pages import Query, VideoEntry
from backends.data.catalog import memory_catalog
from r3d_tui.views.listing import Arrange, Arranged, Listing, SortKey, filter_of, in_memory, of_catalog

Fruit = tuple[str, float | None]


FRUITS: tuple[Fruit, ...] = (("pear", 3.0), ("Apple", None), ("fig", 1.0), ("apricot", 2.0))


KEYS: tuple[SortKey[Fruit], ...] = (
    SortKey("result.label", lambda one: one[0]),
    SortKey("result.score", lambda one: one[1], down=True),
)


FRUIT: Arrange[Fruit] = in_memory(FRUITS, lambda one: one[0])


MANY = 12_000


def _fruits() -> Listing[Fruit]:
    return Listing(KEYS, FRUIT)


def _names(rows: Arranged[Fruit]) -> list[str]:
    return [one[0] for one in rows.read(0, rows.count)]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("", 4), ("ap", 2), ("AP", 0), ("Ap", 1), ("p r", 2), ("  ", 4), ("nothing", 0)],
)
def test_a_filter_holds_every_word(pattern: str, expected: int) -> None:
    """Small letters find capitals too, capitals only themselves; every word must be there, in any order."""
    fits = filter_of(pattern)
    assert expected == sum(fits(name) for name, _ in FRUITS)


def test_an_order_puts_what_is_not_known_last() -> None:
    """Up and down alike; without an order entries stand as they came."""
    orders = [_names(FRUIT("", key)) for key in (None, *KEYS)]
    assert [name for name, _ in FRUITS] == orders[0]
    assert ["Apple", "apricot", "fig", "pear"] == orders[1]
    assert ["pear", "apricot", "fig", "Apple"] == orders[2]


def test_the_cursor_stays_on_its_entry() -> None:
    """Filtered or ordered, the entry under the cursor keeps it where it is still shown."""
    listing = _fruits()
    listing.move(3)
    assert ("apricot", 2.0) == listing.chosen
    listing.arranged("ap", 0)()
    assert ("apricot", 2.0) == listing.chosen
    listing.arranged("fig", -1)()
    assert ("fig", 1.0) == listing.chosen
    listing.arranged("x", -1)()
    assert listing.chosen is None
    listing.move(1)
    assert 0 == listing.here


def test_a_long_list_has_only_a_page_at_hand() -> None:
    """Entries of a catalog come with their page; what is not there yet is None until it has been read."""
    catalog = memory_catalog((VideoEntry(f"v{n:05d}", "wave") for n in range(MANY)), ())
    keys = (SortKey[Any]("result.video", lambda _: None, column="video"),)
    listing = Listing(keys, of_catalog(catalog, Query("videos", label="wave"), "video"))
    assert (MANY, "v00000") == (len(listing), listing.at(0).video)  # type: ignore[union-attr]
    assert listing.at(MANY - 1) is None
    listing.hold(*listing.around(MANY - 1))
    assert ("v11999", None) == (listing.at(MANY - 1).video, listing.at(0))  # type: ignore[union-attr]
    listing.here = MANY - 1
    listing.arranged("", 0)()
    assert (MANY - 1, "v11999") == (listing.here, listing.chosen.video)  # type: ignore[union-attr]
