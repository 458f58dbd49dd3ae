"""A video's frames to clips: which frame numbers make each clip. Pure; it refuses to know files and pixels."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, islice


def clip_count(first: int, end: int, stride: int) -> int:
    """Clips that the frames [first, end) give before any cap: one at every `stride`-th frame."""
    return -(-(end - first) // stride)


def clips(first: int, end: int, frames: int, stride: int, cap: int) -> Iterator[tuple[int, ...]]:
    """The frame numbers of each clip, at most `cap` clips.

    A window that runs over the end is filled by looping its own frames from its start: [1, 6) gives
    1 2 3 4 5 1 2 3 4 5 1 2 3 4 5 1 for 16 frames.
    """
    for begin in islice(range(first, end, stride), cap):
        window = range(begin, min(begin + frames, end))
        yield tuple(islice(cycle(window), frames))
