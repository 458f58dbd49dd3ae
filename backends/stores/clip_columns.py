"""The videos of a clip store that is being written, as columns in memory. It refuses to know files."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from backends.stores.clip_index import VideoClips
from backends.stores.names import Names


class HeldVideos:
    """Videos in the order of adding, with the checksums of their clips: 28 bytes and the name each, and 4 a clip."""

    def __init__(self) -> None:
        self.names = Names()
        self.crc = array("I")
        self._crc_at = array("I")
        self._numbers = array("I")
        self._labels = array("I")
        self._words: dict[str, int] = {}
        self._texts: list[str] = []

    def add(self, video: VideoClips, crc: Sequence[int]) -> None:
        """Append a video and its clips' checksums."""
        label = self._words.setdefault(video.label, len(self._texts))
        if label == len(self._texts):
            self._texts.append(video.label)
        self.names.append(video.id)
        self._labels.append(label)
        self._numbers.extend((video.first, video.clips, video.clips_before_cut, *video.segment))
        self._crc_at.append(len(self.crc))
        self.crc.extend(crc)

    def move(self, place: int, first: int) -> None:
        """Say that the clips of the video at `place` now begin at clip `first`."""
        self._numbers[place * 5] = first

    def first(self, place: int) -> int:
        """The first clip of the video at `place`."""
        return self._numbers[place * 5]

    def crc_of(self, place: int) -> array[int]:
        """CRC-32 of each clip of the video at `place`."""
        begin = self._crc_at[place]
        return self.crc[begin : begin + self._numbers[place * 5 + 1]]

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, place: int) -> VideoClips:
        first, clips, before, start, end = self._numbers[place * 5 : place * 5 + 5]
        return VideoClips(self.names[place], self._texts[self._labels[place]], first, clips, before, (start, end))
