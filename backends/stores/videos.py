"""Annotated videos as columns: 100,000 of them take little more than their names. It refuses to know files."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload


@dataclass(frozen=True, slots=True)
class Video:
    """One annotated video; frames are numbered from `first` up to, not including, `end`."""

    id: str
    label: str
    subset: str
    first: int
    end: int

    @property
    def frames(self) -> int:
        """Number of frames in the segment."""
        return max(0, self.end - self.first)


class VideoTable(Sequence[Video]):
    """Videos in order; each is made when it is asked for, and equals any sequence of the same videos."""

    def __init__(self, videos: Iterable[Video] = ()) -> None:
        self.ids: list[str] = []
        self._numbers: dict[str, int] = {}
        self._words: list[str] = []
        self._labels = array("I")
        self._subsets = array("I")
        self._firsts = array("q")
        self._ends = array("q")
        for video in videos:
            self.append(video.id, self.word(video.label), self.word(video.subset), video.first, video.end)

    def word(self, text: str) -> int:
        """The number of a label or subset: they stand again and again and are kept once."""
        number = self._numbers.setdefault(text, len(self._words))
        if number == len(self._words):
            self._words.append(text)
        return number

    def append(self, video_id: str, label: int, subset: int, first: int, end: int) -> None:
        """Add a video whose label and subset are given by their numbers."""
        self.ids.append(video_id)
        self._labels.append(label)
        self._subsets.append(subset)
        self._firsts.append(first)
        self._ends.append(end)

    def subset(self, name: str) -> VideoTable:
        """The videos of one subset, as a table that shares their names."""
        found, number = VideoTable(), self._numbers.get(name)
        found._numbers, found._words = self._numbers, self._words
        for place, own in enumerate(self._subsets):
            if own == number:
                found.append(self.ids[place], self._labels[place], own, self._firsts[place], self._ends[place])
        return found

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, place: int) -> Video: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Video, ...]: ...
    def __getitem__(self, place: int | slice) -> Video | tuple[Video, ...]:
        if isinstance(place, slice):
            return tuple(self[n] for n in range(*place.indices(len(self))))
        place = range(len(self))[place]
        words = self._words
        label, subset = words[self._labels[place]], words[self._subsets[place]]
        return Video(self.ids[place], label, subset, self._firsts[place], self._ends[place])

    def __iter__(self) -> Iterator[Video]:
        words = self._words
        columns = zip(self.ids, self._labels, self._subsets, self._firsts, self._ends, strict=True)
        return (Video(name, words[label], words[subset], first, end) for name, label, subset, first, end in columns)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(mine == its for mine, its in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # it grows

    def __repr__(self) -> str:
        return f"VideoTable({list(self[:3])}{', ...' if len(self) > 3 else ''})"
