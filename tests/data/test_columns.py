"""A column of numbers is the list of the same numbers, however wide they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.core.columns import Column, Texts

numbers = st.one_of(st.integers(0, 300), st.integers(0, 1 << 33), st.integers(0, (1 << 64) - 1))


@given(given_=st.lists(numbers), later=st.lists(st.tuples(st.integers(0, 50), numbers)))
def test_it_is_the_list_of_its_numbers(given_: list[int], later: list[tuple[int, int]]) -> None:
    """By place, slice and in turn, also where a later number needs more bytes than all before."""
    found, expected = Column(given_), list(given_)
    for place, number in later:
        if place < len(expected):
            found[place] = expected[place] = number
    assert (expected, len(expected), expected[1:5]) == (list(found), len(found), list(found[1:5]))
    assert expected == [found[place] for place in range(len(expected))]


def test_it_takes_as_little_as_the_largest_needs() -> None:
    """One byte each up to 255, two up to 65,535."""
    assert [1, 2, 4, 8] == [Column([0, n])[:].itemsize for n in (255, 256, 1 << 16, 1 << 32)]


@pytest.mark.parametrize("number", [-1, 1 << 64])
def test_what_fits_no_column_is_refused(number: int) -> None:
    """And what is there stays as it was."""
    column = Column([7])
    with pytest.raises(OverflowError):
        column.append(number)
    with pytest.raises(OverflowError):
        column[0] = number
    assert [7] == list(column)


def test_a_text_that_stands_again_has_its_number() -> None:
    """Each text is kept once, in the order in which it came."""
    texts = Texts()
    assert [0, 1, 0, 2] == [texts.number(text) for text in ("wave", "run", "wave", "")]
    assert ["wave", "run", ""] == texts.known
    assert (1, None) == (texts.find("run"), texts.find("jump"))
