"""Each video's best labels, as columns: 100,000 videos of five labels take 2.5 MB beside their names. No files."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping

from backends.core.columns import Column
from backends.core.name_table import Names

Ranking = tuple[tuple[str, float], ...]
"""(label, score), best first."""


class Rankings(Mapping[str, Ranking]):
    """Video id to ranking, in the order of adding; a video that is added again counts with the later one.

    Scores of the score stage are float32 written as JSON: they are kept as such, and as doubles from the first score
    that is more than that.
    """

    def __init__(self) -> None:
        self._names = Names()
        self._ends = array("I")
        """Where each ranking ends; empty while all are as long as the longest."""
        self._labels = Column()
        self._scores: array[float] = array("f")
        self._numbers: dict[str, int] = {}
        self._words: list[str] = []
        self._counted = 0, 0
        """Names when they were last counted, and how many of them differ."""
        self.longest = 0
        """Labels of the longest ranking."""

    def add(self, video: str, ranking: Ranking) -> None:
        """Add a video's labels, best first."""
        if not self._ends and len(self._names) and len(ranking) != self.longest:
            self._ends.extend(
                range(0, len(self._scores) + 1, self.longest) if self.longest else [0] * (len(self._names) + 1)
            )
        self._names.append(video)
        for label, score in ranking:
            number = self._numbers.setdefault(label, len(self._words))
            if number == len(self._words):
                self._words.append(label)
            self._labels.append(number)
            self._keep(score)
        if self._ends:
            self._ends.append(len(self._scores))
        self.longest = max(self.longest, len(ranking))

    def _keep(self, score: float) -> None:
        self._scores.append(score)
        if self._scores[-1] != score:
            self._scores.pop()
            self._scores = array("d", self._scores)
            self._scores.append(score)

    def __getitem__(self, video: str) -> Ranking:
        place = self._names.find(video)
        if place < 0:
            raise KeyError(video)
        begin, end = self._ends[place : place + 2] if self._ends else (place * self.longest, (place + 1) * self.longest)
        words = self._words
        return tuple(
            (words[n], score) for n, score in zip(self._labels[begin:end], self._scores[begin:end], strict=True)
        )

    def __contains__(self, video: object) -> bool:
        return video in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names) if len(self) == len(self._names) else iter(dict.fromkeys(self._names))

    def __len__(self) -> int:
        if self._counted[0] != len(self._names):
            different = len(set(self._names)) if self._names.repeat() else len(self._names)
            self._counted = len(self._names), different
        return self._counted[1]
