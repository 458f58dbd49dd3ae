"""Each video's best labels, as columns: 100,000 videos of five labels take 6 MB beside their names. No files."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping

Ranking = tuple[tuple[str, float], ...]
"""(label, score), best first."""


class Rankings(Mapping[str, Ranking]):
    """Video id to ranking, in the order of adding; a video that is added again counts with the later one."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._ends = array("q", [0])
        self._labels = array("I")
        self._scores = array("d")
        self._numbers: dict[str, int] = {}
        self._words: list[str] = []
        self.longest = 0
        """Labels of the longest ranking."""

    def add(self, video: str, ranking: Ranking) -> None:
        """Add a video's labels, best first."""
        self._places[video] = len(self._ends) - 1
        for label, score in ranking:
            number = self._numbers.setdefault(label, len(self._words))
            if number == len(self._words):
                self._words.append(label)
            self._labels.append(number)
            self._scores.append(score)
        self._ends.append(len(self._scores))
        self.longest = max(self.longest, len(ranking))

    def __getitem__(self, video: str) -> Ranking:
        place = self._places[video]
        begin, end = self._ends[place], self._ends[place + 1]
        words = self._words
        return tuple(
            (words[n], score) for n, score in zip(self._labels[begin:end], self._scores[begin:end], strict=True)
        )

    def __contains__(self, video: object) -> bool:
        return video in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
