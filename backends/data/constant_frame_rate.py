"""How often each decoded frame is written, so that the files come at a constant rate. `decode` asks it for each frame.

The guide's script calls ffmpeg with an image sequence as its output, and for that ffmpeg keeps the rate constant: where
a video skips a frame (HMDB51's DivX files do), the one before it is written again, and where frames crowd, one is left
out. The frame counts of `hmdb51_1.json` are counts of such files, so the same rule is applied here.
"""

import math

AHEAD = 1.1
"""In frames: how far a frame may lie from its place before one is repeated or left out (ffmpeg's figure)."""


class Cadence:
    """Places frames on a grid of one a unit of time; `one_stream`: a late start is not filled (ffmpeg's `vscfr`)."""

    def __init__(self, *, one_stream: bool) -> None:
        self._one_stream = one_stream
        self._next = 0
        self._started = False
        self._again = [0, 0, 0]

    def place(self, at: float | None) -> tuple[int, int]:
        """How often to write the frame before again, and then this one, which is due at `at` frames after the start.

        None: the file does not say, and the frame takes the next place.
        """
        drift = 0.0 if at is None else at - self._next
        if not self._started and self._one_stream and drift >= 0.5:
            self._next += round(drift)
            drift = 0.0
        end = drift + 1.0
        if drift < 0 < end:
            drift = 0.0
        count, again = 1, 0
        if end < -AHEAD:
            count = 0
        elif end > AHEAD:
            count = round(end)
            again = round(drift - 0.6) if drift > AHEAD else 0
        self._next += count
        if not self._started:
            count, again = max(count, 1), 0
        self._started = True
        self._again = [again, *self._again[:2]]
        return again, count - again

    def finish(self) -> int:
        """How often to write the last frame again: the median of what the last three frames asked for."""
        return sorted(self._again)[1]


def grid_time(pts: int | None, time_base: float, start: float, rate: float) -> float | None:
    """The place of a timestamp in frames after `start` (seconds), pushed off exact midpoints as ffmpeg does."""
    if pts is None:
        return None
    at = (pts * time_base - start) * rate
    near = round(at)
    if math.isclose(at, near, abs_tol=1e-6):
        return float(near)
    return at + math.copysign(1.0 / (1 << 17), at)
