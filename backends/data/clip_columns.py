"""The videos of a clip store that is being written, as columns in memory. It refuses to know files."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from backends.core.columns import Column
from backends.core.name_table import Names
from backends.data.clip_index import VideoClips


class HeldVideos:
    """Videos in the order of adding, with the checksums of their clips: some 15 bytes each, 4 a clip, and names."""

    def __init__(self) -> None:
        self.names = Names()
        self.crc = array("I")
        self._crc_at = array("I")
        self._labels, self._firsts, self._counts, self._before, self._starts, self._ends = (Column() for _ in range(6))
        self._words: dict[str, int] = {}
        self._texts: list[str] = []

    def add(self, video: VideoClips, crc: Sequence[int]) -> None:
        """Append a video and its clips' checksums."""
        label = self._words.setdefault(video.label, len(self._texts))
        if label == len(self._texts):
            self._texts.append(video.label)
        self.names.append(video.id)
        self._labels.append(label)
        self._firsts.append(video.first)
        self._counts.append(video.clips)
        self._before.append(video.clips_before_cut)
        self._starts.append(video.segment[0])
        self._ends.append(video.segment[1])
        self._crc_at.append(len(self.crc))
        self.crc.extend(crc)

    def move(self, place: int, first: int) -> None:
        """Say that the clips of the video at `place` now begin at clip `first`."""
        self._firsts[place] = first

    def first(self, place: int) -> int:
        """The first clip of the video at `place`."""
        return self._firsts[place]

    def crc_of(self, place: int) -> array[int]:
        """CRC-32 of each clip of the video at `place`."""
        begin = self._crc_at[place]
        return self.crc[begin : begin + self._counts[place]]

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, place: int) -> VideoClips:
        label, segment = self._texts[self._labels[place]], (self._starts[place], self._ends[place])
        first, clips, before = self._firsts[place], self._counts[place], self._before[place]
        return VideoClips(self.names[place], label, first, clips, before, segment)
