"""Sequences whose elements are made when they are asked for."""

from __future__ import annotations

import pytest

from backends.core.lazy_sequence import Made


class _Squares(Made[int]):
    def __init__(self, count: int) -> None:
        self.asked: list[int] = []
        self._count = count

    def __len__(self) -> int:
        return self._count

    def _one(self, place: int) -> int:
        self.asked.append(place)
        return place * place


def test_elements_are_made_as_a_tuple_has_them() -> None:
    """By place from either end, by slice, one after another; and only those that are asked for."""
    squares = _Squares(5)
    assert (0, 16, 16, 9) == (squares[0], squares[4], squares[-1], squares[-2])
    assert [0, 4, 4, 3] == squares.asked
    assert (1, 4) == squares[1:3]
    assert (16, 4, 0) == squares[::-2]
    assert [0, 1, 4, 9, 16] == list(squares)
    for place in (5, -6):
        with pytest.raises(IndexError):
            squares[place]


def test_it_is_equal_to_any_sequence_of_the_same() -> None:
    """Of its own kind or not; a text is none, and none can be a key."""
    assert _Squares(3) == [0, 1, 4]
    assert _Squares(3) == _Squares(3)
    assert _Squares(3) != (0, 1)
    assert _Squares(0) != ""
    with pytest.raises(TypeError):
        hash(_Squares(1))
