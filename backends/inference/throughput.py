"""What a device has done: rates, latencies and share of time in compute, from times that are passed in. No clock."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

RECENT_S = 5.0
"""The window of the live rate; longer where a batch takes longer."""

TOGETHER_S = 0.02
"""Answers so close to each other are kept as one, so that a quick device's take no memory."""


class Meter:
    """Adds up batches of one device, or of all of them. A figure that nobody has measured yet is None."""

    def __init__(self, window: int = 200) -> None:
        self._latencies: deque[float] = deque(maxlen=window)
        self._ordered: list[float] = []
        self._answers: deque[tuple[float, int]] = deque()
        self._begun: float | None = None
        self._opened = float("-inf")
        self.clips = 0
        self.busy_s = 0.0
        self.latency_s: float | None = None
        """Median time in compute of the recent batches."""
        self.p95_s: float | None = None

    def begin(self, at: float) -> None:
        """The device took its first batch at `at`; later calls change nothing."""
        if self._begun is None:
            self._begun = at
            self._answers.append((at, 0))

    def add(self, at: float, clips: int, seconds: float) -> None:
        """A batch of `clips` was answered at `at` after `seconds` in compute."""
        self.begin(at)
        self.clips += clips
        self.busy_s += seconds
        if len(self._latencies) == self._latencies.maxlen:
            del self._ordered[bisect_left(self._ordered, self._latencies[0])]
        self._latencies.append(seconds)
        insort(self._ordered, seconds)
        self.latency_s = self._ordered[len(self._ordered) // 2]
        self.p95_s = self._ordered[min(len(self._ordered) - 1, int(len(self._ordered) * 0.95))]
        if len(self._answers) > 2 and at - self._opened < TOGETHER_S:
            clips += self._answers.pop()[1]
        else:
            self._opened = at
        self._answers.append((at, clips))
        while len(self._answers) > 2 and self._answers[1][0] < at - max(RECENT_S, 4 * self.latency_s):
            self._answers.popleft()

    def rate(self, at: float) -> float | None:
        """Clips a second over the last seconds; falls while nothing comes."""
        if len(self._answers) < 2 or self.latency_s is None:
            return None
        first, last = self._answers[0][0], self._answers[-1][0]
        late = max(0.0, at - last - 2 * max(self.p95_s or 0.0, self.latency_s))
        span = last - first + late
        return sum(clips for _, clips in list(self._answers)[1:]) / span if span > 0 else None

    def mean(self, at: float) -> float | None:
        """Clips a second since the first batch was handed out."""
        if self._begun is None or not self.clips or at <= self._begun:
            return None
        return self.clips / (at - self._begun)

    def utilisation(self, at: float) -> float | None:
        """Share of the time since the first batch that was spent in compute, 0 to 1."""
        if self._begun is None or at <= self._begun:
            return None
        return min(1.0, self.busy_s / (at - self._begun))
