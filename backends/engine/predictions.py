"""Predictions of many videos in columns: 650,000 take 40 MB and are dropped at once. It knows no stage."""

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path

from backends.core.client import Prediction, Predictions
from backends.core.columns import Column, Texts
from backends.core.cooperative import giving_way
from backends.core.name_table import Names

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class HeldPredictions(Predictions):
    """In the order of adding; each is made when it is asked for."""

    def __init__(self) -> None:
        self.names = Names()
        self._words = Texts()
        self._labels, self._predicted, self._reasons = Column(), Column(), Column()
        self._scores = array("d")

    def add(self, video: str, label: str, predicted: str, score: float | None, reason: str) -> None:
        """Append one; an empty `predicted` is none."""
        self.names.append(video)
        self._labels.append(self._words.number(label))
        self._predicted.append(self._words.number(predicted))
        self._reasons.append(self._words.number(reason))
        self._scores.append(float("nan") if score is None else score)

    @property
    def by_name(self) -> Mapping[str, Prediction]:
        """By the video's name. Slow for many."""
        self.names.prepare()
        return _ByName(self)

    def __len__(self) -> int:
        return len(self._scores)

    def _one(self, place: int) -> Prediction:
        label, predicted, reason = (column[place] for column in (self._labels, self._predicted, self._reasons))
        return self._prediction(self.names[place], label, predicted, reason, self._scores[place])

    def _prediction(self, name: str, label: int, predicted: int, reason: int, score: float) -> Prediction:
        words = self._words.known
        known = None if math.isnan(score) else score
        return Prediction(name, words[label], words[predicted] or None, known, words[reason])

    def __iter__(self) -> Iterator[Prediction]:
        return map(self._prediction, self.names, self._labels, self._predicted, self._reasons, self._scores)


class _ByName(Mapping[str, Prediction]):
    def __init__(self, held: HeldPredictions) -> None:
        self._held = held

    def __getitem__(self, video: str) -> Prediction:
        place = self._held.names.find(video)
        if place < 0:
            raise KeyError(video)
        return self._held[place]

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[str]:
        return iter(self._held.names)


def read_predictions(path: Path) -> Sequence[Prediction]:
    """The rows of a predictions.csv; none where it cannot be read."""
    found = HeldPredictions()
    try:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            rows = csv.reader(file)
            head = {name: place for place, name in enumerate(next(rows, ()))}
            places = [head.get(name, -1) for name in ("video", "class", "label_1", "score_1", "reason")]
            cells, width = itemgetter(*places), len(head) + 1
            for row in giving_way(rows):
                row.extend([""] * max(1, width - len(row)))  # what a short row has not is empty, and what is last
                name, label, predicted, score, reason = cells(row)
                if name:
                    found.add(_plain(name), _plain(label), _plain(predicted), _number(score), _plain(reason))
    except (OSError, csv.Error):
        return ()
    return found


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _plain(field: str) -> str:
    """Without the quote that keeps a spreadsheet from taking a field for a formula."""
    return field[1:] if field.startswith("'") and field[1:2] in _FORMULA else field
