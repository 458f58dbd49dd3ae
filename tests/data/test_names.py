"""The packed column of names is the list of the same names, and finds what a dict would find."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.core.name_table import Names

texts = st.text(st.characters(codec=None), max_size=6)


@given(names=st.lists(texts), asked=st.lists(texts))
def test_it_is_the_list_of_its_names(names: list[str], asked: list[str]) -> None:
    """By place, slice, iteration, comparison and look-up, whatever the names hold and however often they stand."""
    found = Names(names)
    places = {name: place for place, name in enumerate(names)}
    assert (names, len(names), names[1:4]) == (found, len(found), list(found[1:4]))
    assert found.repeat() == (len(places) < len(names))
    assert [places.get(name, -1) for name in [*names, *asked, *names]] == [
        found.find(name) for name in [*names, *asked, *names]
    ]
    assert all((name in found) == (name in places) for name in asked)
    assert found != [*names, "one more"]


@pytest.mark.parametrize("prepared", [False, True])
@given(steps=st.lists(st.tuples(st.booleans(), st.sampled_from("abcdef")), max_size=60))
def test_looking_up_and_adding_may_take_turns(prepared: bool, steps: list[tuple[bool, str]]) -> None:
    """A name is found from the moment it is added, and the later one of two; so with a table made beforehand."""
    found, places = Names(), dict[str, int]()
    if prepared:
        found.prepare()
    for add, name in steps:
        if add:
            places[name] = len(found)
            found.append(name)
        else:
            assert places.get(name, -1) == found.find(name)


def test_in_order_no_table_is_needed() -> None:
    """Ten thousand names take their letters and four bytes each, before and after each was found in turn."""
    names = [f"video {n:06d}" for n in range(10_000)]
    found = Names(names)
    for _ in range(2):
        assert all(found.find(name) == place for place, name in enumerate(names))
    assert 10_000 * (12 + 4) <= found.held < 10_000 * 20
    assert found._slots is None
    with pytest.raises(IndexError):
        found[10_000]
