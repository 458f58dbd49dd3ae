"""Names in one packed column: their bytes and four more each, where a list of str takes a hundred a name. No files."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from backends.core.cooperative import giving_way


class Names(Sequence[str]):
    """Names in the order of adding; a name may stand more than once.

    Looking up is for those who ask in the order of the column, as every stage does with the annotation's order: the
    place behind the last one found is looked at first. A name that is not there makes a table of eight to sixteen
    bytes a name.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._text = bytearray()
        self._ends = array("I", [0])
        self._slots: array[int] | None = None
        self._next = 0
        self._single = True
        """No name stands twice, as far as was looked."""
        for name in names:
            self.append(name)

    def append(self, name: str) -> None:
        """Add a name at the end."""
        self._text += name.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._text))
        if self._slots is not None:
            self._enter(len(self) - 1)
        else:
            self._single = False

    def find(self, name: str) -> int:
        """The place of a name, the last one where it stands more than once; -1 where it is none."""
        wanted = name.encode("utf-8", "surrogatepass")
        if self._slots is None and not self._single:
            self._single = not self.repeat()
        if self._single:
            here = self._next if self._next < len(self) else 0
            if here < len(self) and self._bytes(here) == wanted:
                self._next = here + 1
                return here
        if self._slots is None:
            self._rebuild()
        return self._slot(wanted)[1]

    def prepare(self) -> None:
        """Make the table for looking up now, for those who ask in any order. Other threads get their turn."""
        if self._slots is None:
            self._rebuild(giving_way(range(len(self))))

    def repeat(self) -> bool:
        """Whether any name stands more than once. It takes some six bytes a name, for a moment."""
        bits = 16 * len(self) + 1
        seen, met = bytearray(bits // 8 + 1), bytearray(bits // 8 + 1)
        for name in self._each():
            slot = hash(name) % bits
            byte, bit = slot >> 3, 1 << (slot & 7)
            if seen[byte] & bit:
                met[byte] |= bit
            seen[byte] |= bit
        del seen
        close, different = 0, set[int]()  # those few that meet another in their bit, by their whole hash
        for name in self._each() if any(met) else ():
            slot = hash(name) % bits
            if met[slot >> 3] & 1 << (slot & 7):
                close += 1
                different.add(hash(name))
        return close != len(different) and len(set(self._each())) != len(self)

    @property
    def held(self) -> int:
        """Bytes that the names themselves take: text and ends as they are held, without the table for looking up."""
        return sys.getsizeof(self._text) + sys.getsizeof(self._ends)

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[str, ...]: ...
    def __getitem__(self, place: int | slice) -> str | tuple[str, ...]:
        if isinstance(place, slice):
            return tuple(self[n] for n in range(*place.indices(len(self))))
        place = place if place >= 0 else range(len(self))[place]
        return self._text[self._ends[place] : self._ends[place + 1]].decode("utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        return (name.decode("utf-8", "surrogatepass") for name in self._each())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.find(name) >= 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(mine == its for mine, its in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # it grows

    def _bytes(self, place: int) -> bytes:
        return bytes(self._text[self._ends[place] : self._ends[place + 1]])

    def _each(self) -> Iterator[bytes]:
        return (self._bytes(place) for place in range(len(self)))

    def _rebuild(self, places: Iterable[int] | None = None) -> None:
        size = 16
        while size < 2 * len(self) + 2:
            size *= 2
        self._slots, self._single = array("i", [-1]) * size, True
        for place in range(len(self)) if places is None else places:
            self._enter(place)

    def _enter(self, place: int) -> None:
        """Take a name into the table; of equal names the later one stays."""
        assert self._slots is not None
        if 2 * place + 2 > len(self._slots):
            self._rebuild()
            return
        slot, before = self._slot(self._bytes(place))
        self._slots[slot] = place
        self._single = self._single and before < 0

    def _slot(self, wanted: bytes) -> tuple[int, int]:
        """The slot of a name and the place in it; -1 where the slot is free for it."""
        assert self._slots is not None
        mask = len(self._slots) - 1
        slot = hash(wanted) & mask
        while (place := self._slots[slot]) >= 0 and self._bytes(place) != wanted:
            slot = (slot + 1) & mask
        return slot, place
