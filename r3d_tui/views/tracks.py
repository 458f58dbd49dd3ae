"""What each device's sensors said over a run: short tracks of numbers, and what is drawn of them. Pure; no clock.

A track is bounded: when it is full, the older part of it is thinned. A reading that has no figure leaves a gap.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from backends.core.values import DeviceSample

METRICS = ("power_w", "temp_c", "busy_percent", "memory_used_mb")
"""The fields of a `DeviceSample` that have a history."""
KEPT = 1024
"""Readings of one device: 34 minutes at two seconds; before that every other one, and so on."""
HELD_S = 15.0
"""Longest time that one reading speaks for, as where energy is counted."""
NONE = math.nan


class Track:
    """One device's readings, oldest first."""

    def __init__(self) -> None:
        self.at = array("d")
        """Wall times in seconds."""
        self._values = {metric: array("f") for metric in METRICS}

    def __len__(self) -> int:
        return len(self.at)

    def add(self, sample: DeviceSample) -> None:
        """A later reading; one that is not later is known already."""
        if self.at and sample.at <= self.at[-1]:
            return
        self.at.append(sample.at)
        for metric, values in self._values.items():
            value = getattr(sample, metric)
            values.append(NONE if value is None else value)
        if len(self.at) > KEPT:
            self._thin()

    def join(self, later: Track) -> None:
        """What another track has that is later."""
        first = bisect_left(later.at, self.at[-1] + 1e-9) if self.at else 0
        self.at.extend(later.at[first:])
        for metric, values in self._values.items():
            values.extend(later._values[metric][first:])
        while len(self.at) > KEPT:
            self._thin()

    def values(self, metric: str) -> Sequence[float]:
        """The readings of one figure; NaN where there was none."""
        return self._values[metric]

    def _thin(self) -> None:
        old = KEPT * 3 // 4
        for numbers in (self.at, *self._values.values()):
            numbers[:old] = numbers[0:old:2]

    def last(self, metric: str) -> float | None:
        values = self._values[metric]
        return values[-1] if values and not math.isnan(values[-1]) else None

    def spread(self, metric: str, width: int, seconds: float | None = None) -> list[float | None]:
        """Means of `width` equal spans of time, of all or of the last `seconds`; None where nothing was read."""
        if not self.at or width <= 0:
            return []
        end = self.at[-1]
        begin = self.at[0] if seconds is None else end - seconds
        values, step = self._values[metric], max((end - begin) / width, 1e-9)
        sums, counts = [0.0] * width, [0] * width
        for place in range(bisect_left(self.at, begin), len(self.at)):
            value = values[place]
            if value == value:  # not NaN
                column = min(width - 1, int((self.at[place] - begin) / step))
                sums[column] += value
                counts[column] += 1
        means = [total / count if count else None for total, count in zip(sums, counts, strict=True)]
        return _held(means, max(1, math.ceil(HELD_S / step)))


def _held(means: list[float | None], columns: int) -> list[float | None]:
    """Spans between two readings take the earlier one's, where the two are not too far apart."""
    last, age = None, 0
    for place, mean in enumerate(means):
        if mean is not None:
            last, age = mean, 0
        else:
            age += 1
            if age < columns:
                means[place] = last
    return means


class Range(Struct, frozen=True):
    """What one figure was over a run."""

    now: float | None
    least: float | None
    mean: float | None
    """Over time: each reading speaks until the next, at most `HELD_S` seconds."""
    most: float | None


def range_of(track: Track, metric: str) -> Range:
    values, at = track.values(metric), track.at
    known = [value for value in values if value == value]
    if not known:
        return Range(None, None, None, None)
    weight = total = 0.0
    for place, value in enumerate(values):
        until = at[place + 1] if place + 1 < len(at) else at[place]
        held = min(HELD_S, until - at[place])
        if value == value:
            weight += held
            total += held * value
    mean = total / weight if weight else sum(known) / len(known)
    return Range(track.last(metric), min(known), mean, max(known))


class Tracks:
    def __init__(self) -> None:
        self.run = ""
        self.by_device: dict[str, Track] = {}

    def add(self, run: str, samples: Iterable[DeviceSample]) -> None:
        """Take readings in; those of another run begins again."""
        if run != self.run:
            self.run, self.by_device = run, {}
        for sample in samples:
            self.by_device.setdefault(sample.device, Track()).add(sample)

    def put(self, run: str, kept: Mapping[str, Track]) -> None:
        """What was kept before the console came; what has come since goes on behind it."""
        if run != self.run:
            return
        for device, track in kept.items():
            mine = self.by_device.get(device)
            if mine is not None and len(mine) and (not len(track) or mine.at[-1] > track.at[-1]):
                track.join(mine)
            self.by_device[device] = track


def tracks_of(samples: Sequence[DeviceSample]) -> dict[str, Track]:
    """The tracks of readings in the order of time. Slow for many: call it in a thread."""
    found: dict[str, Track] = {}
    for sample in samples:
        found.setdefault(sample.device, Track()).add(sample)
    return found
