"""What decides the clips: the parameters of preprocessing, and which frames of a video make each clip.

The stages frames and preprocess, the disk check and the benches count by it. Pure; it knows no files and no pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

from msgspec import Struct

from backends.core.model_io import KINETICS, Channels


class PreprocessParams(Struct, frozen=True):
    """Of the stage `preprocess`. Defaults are the reference's numbers."""

    subset: str = "validation"
    clip_frames: int = 16
    clip_stride: int = 16
    size: int = 112
    max_clips: int = 10
    """Clips of a video beyond this are cut."""
    mean: Channels = KINETICS.mean
    std: Channels = KINETICS.std
    write_bins: bool = False
    """Also write the guide's `.bin` files and `hmdb51.info`."""


class StepParams(Struct, frozen=True):
    """Of `step preprocess`: the guide's options, which subset it is, and where `hmdb51.info` goes."""

    video_path: Path
    annotation_path: Path
    output_path: Path
    info_path: Path = Path("hmdb51.info")
    dataset: str = "hmdb51"
    inference_batch_size: int = 1
    subset: str = "validation"


def clip_count(first: int, end: int, frames: int, stride: int) -> int:
    """Clips that the frames [first, end) give before any cap: one at every `stride`-th frame, up to and with the
    first one that runs over the end, as the reference's sliding window has it."""
    length = end - first
    whole = (length - frames) // stride + 1 if length >= frames else 0
    return min(-(-length // stride), whole + 1)


def clips(first: int, end: int, frames: int, stride: int, cap: int) -> Iterator[tuple[int, ...]]:
    """The frame numbers of each clip, at most `cap` clips.

    A window that runs over the end is filled by looping its own frames from its start: [1, 6) gives
    1 2 3 4 5 1 2 3 4 5 1 2 3 4 5 1 for 16 frames.
    """
    for clip in range(min(cap, clip_count(first, end, frames, stride))):
        begin = first + clip * stride
        yield tuple(islice(cycle(range(begin, min(begin + frames, end))), frames))


def frames_used(first: int, frames: int, stride: int, cap: int) -> int:
    """The number that follows the last frame of the last clip that may count, of a segment that begins at `first`."""
    return first + (cap - 1) * stride + frames
