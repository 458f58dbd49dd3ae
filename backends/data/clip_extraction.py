"""Videos of frames to uint8 clips, on several threads, in order, for preprocess and its step.

Threads, not processes: reading, decoding and resizing release the GIL, and a clip need not be handed on
(measured in docs/decisions/0004-preprocess-kernel.md).
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from backends.core.messages import Line, line
from backends.data.annotation import Video
from backends.data.data_specs import PreprocessParams, clip_count, clips
from backends.data.jpeg import FrameError
from backends.data.pixels import FrameReader
from backends.data.video_files import names_in

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

AHEAD = 30
"""Clips a worker that may wait for their turn (18 MB of 16x112x112 clips): bounds the memory, whatever the videos."""

MOST_THREADS = 12
"""Threads by default: about a tenth of a frame's time holds the interpreter's lock, so more would only wait for it."""


class Extracted(Struct, frozen=True):
    """One video's outcome: its clips, or why it has none."""

    video: Video
    clips: NDArray[np.uint8] | None
    """(clips kept, 3, frames, size, size)."""
    clips_before_cut: int
    reason: Line = Line("")
    missing: str = ""
    """The path of a file or folder that was not there when it was read."""
    is_absent: bool = False
    """The video has no folder of frames at all."""
    is_temporary: bool = False
    """The reason may pass."""


def extract(
    videos: Iterable[Video], root: Path, params: PreprocessParams, workers: int = 0
) -> Generator[Extracted, None, None]:
    """The clips of each video, in order. `workers` threads; 0: one a core, up to MOST_THREADS.

    Frames are `<root>/<label>/<id>/image_%05d.jpg`, or named as `frame_files` says; only those that a kept clip uses
    are read. Close the iterator to end early: what is being read is finished, the rest is dropped.
    """
    threads = workers or min(cores(), MOST_THREADS)
    readers = threading.local()

    def one(video: Video) -> Extracted:
        if not hasattr(readers, "reader"):
            readers.reader = FrameReader(params.size)
        return extract_video(video, root, params, readers.reader)

    pending: deque[tuple[int, Future[Extracted]]] = deque()
    waiting = 0
    with ThreadPoolExecutor(threads, "clips") as pool:
        try:
            for video in videos:
                weight = min(_count(video, params), params.max_clips)
                while pending and waiting + weight > threads * AHEAD:
                    done, future = pending.popleft()
                    waiting -= done
                    yield future.result()
                pending.append((weight, pool.submit(one, video)))
                waiting += weight
            while pending:
                yield pending.popleft()[1].result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def extract_video(video: Video, root: Path, params: PreprocessParams, reader: FrameReader) -> Extracted:
    """One video's clips, or why it has none: a single frame that cannot be used makes the whole video skipped."""
    import numpy as np

    if not video.frames:
        return empty_segment(video)
    before = _count(video, params)
    folder = root / video.label / video.id
    names = names_in(folder)
    made = np.empty((min(before, params.max_clips), 3, params.clip_frames, params.size, params.size), np.uint8)
    windows = clips(video.first, video.end, params.clip_frames, params.clip_stride, params.max_clips)
    try:
        for clip, numbers in enumerate(windows):
            paths = {number: f"{folder}/{names.name(number, video.first)}" for number in numbers}
            _fill(made, clip, numbers, paths, reader)
    except FrameError as error:
        if error.missing and not folder.is_dir():
            reason = line("no frames in {folder}", folder=str(folder))
            return Extracted(video, None, before, reason, missing=str(folder), is_absent=True)
        return Extracted(video, None, before, error.line, missing=error.missing, is_temporary=error.is_temporary)
    return Extracted(video, made, before)


def empty_segment(video: Video) -> Extracted:
    """The outcome of a video whose segment names no frames."""
    reason = line("its segment [{first}, {end}] holds no frames", first=video.first, end=video.end)
    return Extracted(video, None, 0, reason)


def _count(video: Video, params: PreprocessParams) -> int:
    return clip_count(video.first, video.end, params.clip_frames, params.clip_stride)


def _fill(
    made: NDArray[np.uint8], clip: int, numbers: tuple[int, ...], paths: Mapping[int, str], reader: FrameReader
) -> None:
    """One clip's frames; those that a looped window repeats are copied, not decoded again."""
    places: dict[int, int] = {}
    for place, number in enumerate(numbers):
        seen = places.setdefault(number, place)
        if seen == place:
            reader.read(paths[number], made, clip, place)
        else:
            made[clip, :, place] = made[clip, :, seen]


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))
