"""Whole numbers of many videos in as few bytes each as the largest of them needs, whatever they count."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

_WIDER = {"B": "H", "H": "I", "I": "Q"}


class Texts:
    """Texts that stand again and again, each kept once under a number from 0 on."""

    def __init__(self) -> None:
        self.known: list[str] = []
        """By number."""
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        """A text's number, a new one where it was not there."""
        number = self._numbers.setdefault(text, len(self.known))
        if number == len(self.known):
            self.known.append(text)
        return number

    def find(self, text: str) -> int | None:
        """The number of a text; None where it is not there."""
        return self._numbers.get(text)


class Column(Sequence[int]):
    """Numbers from 0 on, in the order of adding: one byte each until one needs two, four or eight."""

    def __init__(self, numbers: Iterable[int] = ()) -> None:
        self._held: array[int] = array("B")
        for number in numbers:
            self.append(number)

    def append(self, number: int) -> None:
        """Add a number. OverflowError where it is negative or of more than eight bytes."""
        try:
            self._held.append(number)
        except OverflowError:
            self._widen(number)
            self._held.append(number)

    def __setitem__(self, place: int, number: int) -> None:
        try:
            self._held[place] = number
        except OverflowError:
            self._widen(number)
            self._held[place] = number

    def _widen(self, number: int) -> None:
        if number < 0 or number >> 64:
            raise OverflowError(f"{number} does not fit a column")
        while number >> 8 * self._held.itemsize:
            self._held = array(_WIDER[self._held.typecode], self._held)

    def view(self) -> memoryview:
        """The numbers without a copy. None can be added as long as it is held."""
        return memoryview(self._held)

    def __len__(self) -> int:
        return len(self._held)

    @overload
    def __getitem__(self, place: int) -> int: ...
    @overload
    def __getitem__(self, place: slice) -> array[int]: ...
    def __getitem__(self, place: int | slice) -> int | array[int]:
        return self._held[place]

    def __iter__(self) -> Iterator[int]:
        return iter(self._held)
