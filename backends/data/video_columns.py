"""Annotated videos as columns: 100,000 of them take little more than their names. It refuses to know files."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from backends.core.columns import Column, Texts
from backends.core.lazy_sequence import Made
from backends.core.name_table import Names


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


class _Columns(Made[Video]):
    """Equal to any sequence of the same videos."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self[:3])}{', ...' if len(self) > 3 else ''})"


class VideoTable(_Columns):
    """Videos in order; each is made when it is asked for."""

    def __init__(self, videos: Iterable[Video] = ()) -> None:
        self.ids = Names()
        self._words = Texts()
        self._labels, self._subsets, self._firsts, self._ends = Column(), Column(), Column(), Column()
        for video in videos:
            self.add(video)

    def add(self, video: Video) -> None:
        """Add a video at the end."""
        self.append(video.id, self.word(video.label), self.word(video.subset), video.first, video.end)

    def word(self, text: str) -> int:
        """The number of a label or subset: they stand again and again and are kept once."""
        return self._words.number(text)

    def append(self, video_id: str, label: int, subset: int, first: int, end: int) -> None:
        """Add a video whose label and subset are given by their numbers."""
        self.ids.append(video_id)
        self._labels.append(label)
        self._subsets.append(subset)
        self._firsts.append(first)
        self._ends.append(end)

    def subset(self, name: str) -> VideoView:
        """The videos of one subset."""
        number = self._words.find(name)
        if all(own == number for own in self._subsets):
            return VideoView(self, range(len(self)))
        return VideoView(self, array("I", (place for place, own in enumerate(self._subsets) if own == number)))

    def __len__(self) -> int:
        return len(self.ids)

    def _one(self, place: int) -> Video:
        words = self._words.known
        label, subset = words[self._labels[place]], words[self._subsets[place]]
        return Video(self.ids[place], label, subset, self._firsts[place], self._ends[place])

    def __iter__(self) -> Iterator[Video]:
        words = self._words.known
        columns = zip(self.ids, self._labels, self._subsets, self._firsts, self._ends, strict=True)
        return (Video(name, words[label], words[subset], first, end) for name, label, subset, first, end in columns)


class VideoView(_Columns):
    """Some videos of a table, by their places in it: four bytes a video at most."""

    def __init__(self, table: VideoTable, places: array[int] | range) -> None:
        self._table = table
        self._places = places

    def but(self, leave: Callable[[str], bool]) -> VideoView:
        """Those of the view whose name is not to be left out."""
        names = self._table.ids
        return VideoView(self._table, array("I", (place for place in self._places if not leave(names[place]))))

    def by_label(self) -> Iterator[tuple[str, VideoView]]:
        """Each label that a video has, and its videos, in order."""
        places: dict[str, array[int]] = {}
        for place, video in zip(self._places, self, strict=True):
            places.setdefault(video.label, array("I")).append(place)
        return ((label, VideoView(self._table, own)) for label, own in places.items())

    def __len__(self) -> int:
        return len(self._places)

    def _one(self, place: int) -> Video:
        return self._table[self._places[place]]

    def __iter__(self) -> Iterator[Video]:
        return (self._table[place] for place in self._places)
