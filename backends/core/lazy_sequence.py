"""Sequences whose elements are made when they are asked for, out of columns or files. It knows no elements."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TypeVar, overload

T = TypeVar("T")


class Made(Sequence[T]):
    """Give `__len__` and `_one`; where making all is quicker than making each, `__iter__` too."""

    @abstractmethod
    def _one(self, place: int) -> T:
        """The element at a place from 0 on, which is there."""

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[T, ...]: ...
    def __getitem__(self, place: int | slice) -> T | tuple[T, ...]:
        if isinstance(place, slice):
            return tuple(self._one(n) for n in range(*place.indices(len(self))))
        return self._one(range(len(self))[place])  # which raises the IndexError

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(mine == its for mine, its in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # it may grow
