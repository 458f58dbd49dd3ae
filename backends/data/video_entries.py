"""A data set's videos as a face shows them, in columns: 650,000 take 35 MB and are dropped at once. No files."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from backends.core.clip_entries import VideoEntry
from backends.core.columns import Column, Texts
from backends.core.lazy_sequence import Made
from backends.core.messages import Line
from backends.core.name_table import Names
from backends.data.clip_index import VideoClips


class VideoEntries(Made[VideoEntry]):
    """Videos of a clip store in the order of adding, and behind them others; each is made when it is asked for."""

    def __init__(self) -> None:
        self.others: list[VideoEntry] = []
        """Videos that are not in the store."""
        self._names = Names()
        self._words = Texts()
        self._labels, self._clips, self._before, self._starts, self._ends = (Column() for _ in range(5))
        self._aside: dict[int, tuple[Line, str]] = {}

    def add(self, video: VideoClips, aside: tuple[Line, str] | None = None) -> None:
        """Append a video of the store; `aside` is why it was set aside and by which stage."""
        if aside is not None:
            self._aside[len(self._names)] = aside
        self._names.append(video.id)
        self._labels.append(self._words.number(video.label))
        self._clips.append(video.clips)
        self._before.append(video.clips_before_cut)
        self._starts.append(video.segment[0])
        self._ends.append(video.segment[1])

    def __len__(self) -> int:
        return len(self._names) + len(self.others)

    def _one(self, place: int) -> VideoEntry:
        if place >= len(self._labels):
            return self.others[place - len(self._labels)]
        columns = (self._labels, self._clips, self._before, self._starts, self._ends)
        return self._entry(place, self._names[place], *(column[place] for column in columns))

    def _entry(self, place: int, name: str, label: int, clips: int, before: int, start: int, end: int) -> VideoEntry:
        reason, stage = self._aside.get(place, _NOT)
        frames = end - start if end > start else None
        return VideoEntry(name, self._words.known[label], frames, clips, before, (start, end), reason, stage)

    def __iter__(self) -> Iterator[VideoEntry]:
        columns = (self._names, self._labels, self._clips, self._before, self._starts, self._ends)
        return chain(map(self._entry, range(len(self._labels)), *columns), self.others)


_NOT = (Line(""), "")
