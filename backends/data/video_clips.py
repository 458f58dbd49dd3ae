"""Video files to clips without files of frames, for preprocess where no frames are kept, and for several servers.

A frame is encoded as the frames stage encodes it and decoded again as preprocess reads it, in memory: the clips are
those of the folder, byte for byte.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from backends.core.files import stamp_of
from backends.core.messages import line
from backends.data.annotation import Video
from backends.data.clip_extraction import Extracted, empty_segment, extract_video
from backends.data.data_specs import PreprocessParams, clip_count, clips, frames_used
from backends.data.decode import UnreadableVideoError, check_file, jpegs
from backends.data.frame_pool import Records, holds
from backends.data.jpeg import FrameError
from backends.data.pixels import FrameReader
from backends.data.video_pool import Check, in_order

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

POLL_S = 0.1


class ClipTask(Struct, frozen=True):
    """One video to be made in a process of the pool."""

    source: Path | None
    """None: no video file was found."""
    video: Video
    params: PreprocessParams
    part: Path
    """The file that takes its clips: handing them on through a pipe would cost the one reader most of its time."""


def extract_videos(
    videos: Iterable[Video],
    sources: Mapping[tuple[str, str], Path],
    params: PreprocessParams,
    workers: int,
    parts: Path,
    check: Check,
    make: Callable[[ClipTask, Check], Extracted] | None = None,
) -> Generator[Extracted, None, None]:
    """The clips of each video, in order, as `clip_extraction.extract` gives them; `workers` processes decode.

    `sources`: files by label and id. `parts`: a folder of our own for what waits for its turn; it is removed.
    `make`: what a process does with a video, where that is not `make_part`.
    """
    import numpy as np

    shutil.rmtree(parts, ignore_errors=True)
    parts.mkdir(parents=True)
    tasks = [
        ClipTask(sources.get((video.label, video.id)), video, params, parts / f"{number}.u8")
        for number, video in enumerate(videos)
    ]
    shape = (-1, 3, params.clip_frames, params.size, params.size)
    try:
        for task, made in in_order(tasks, workers, make or make_part, check):
            if made is None:
                reason = line("the process that decoded it was killed, or crashed")
                yield Extracted(task.video, None, 0, reason, is_temporary=True)
            elif made.reason.template:
                yield made
            else:
                pixels = np.memmap(task.part, np.uint8, "r").reshape(shape)
                task.part.unlink()
                yield replace(made, clips=pixels)
    finally:
        shutil.rmtree(parts, ignore_errors=True)


def make_part(task: ClipTask, check: Check) -> Extracted:
    """Put a video's clips into its part; the outcome has all but them. OSError where the disk is full."""
    if task.source is None:
        return Extracted(task.video, None, 0, line("no video file found"), is_absent=True)
    made = read_video(task.source, task.video, task.params, check)
    if made.clips is not None:
        task.part.write_bytes(made.clips.data)  # NumPy's own writing loses why the disk refused
    return replace(made, clips=None)


def take_frames(folder: Path, records: Path, index: Path, task: ClipTask, check: Check) -> Extracted:
    """As `make_part`, of the folder that the frames stage makes, once the video's frames are there and if they are
    this file's and what their record says. Where not, the video itself gives the clips, or why there are none."""
    label, name = place = task.video.label, task.video.id
    made = _records(records)
    if task.source is None:
        return make_part(task, check)
    while not index.exists() and place not in made.read():
        check()
        time.sleep(POLL_S)
    record = made.read().get(place)
    if record is None or record.source != stamp_of(task.source) or not holds(folder / label / name, record):
        return make_part(task, check)
    closed = replace(task.video, end=record.frames + 1) if task.video.is_open else task.video
    found = extract_video(closed, folder, task.params, _reader(task.params.size))
    if found.clips is None:
        return make_part(task, check)
    task.part.write_bytes(found.clips.data)
    return replace(found, clips=None)


def read_video(source: Path, video: Video, params: PreprocessParams, check: Check = lambda: None) -> Extracted:
    """One video's clips, or why it has none. Of an open segment the outcome's `video` has the counted end.

    The file is decoded to its end, as the frames stage does: one that breaks off gives no clips.
    """
    if not video.frames:
        return empty_segment(video)
    try:
        check_file(source)
        strip, found = _decoded(source, video, params, check)
    except UnreadableVideoError as error:
        return Extracted(video, None, 0, error.reason, is_temporary=error.is_temporary)
    except FrameError as error:
        return Extracted(video, None, 0, error.line)
    closed = replace(video, end=found + 1) if video.is_open else video
    before = clip_count(closed.first, closed.end, params.clip_frames, params.clip_stride)
    windows = list(clips(closed.first, closed.end, params.clip_frames, params.clip_stride, params.max_clips))
    last = max(map(max, windows))
    if last + (video.first == 0) > found:
        reason = line("it has {found} frames, and frame {last} is used", found=found, last=last)
        return Extracted(video, None, before, reason)
    return Extracted(closed, _gathered(strip, windows, closed.first), before)


def _decoded(source: Path, video: Video, params: PreprocessParams, check: Check) -> tuple[NDArray[np.uint8], int]:
    """The pixels of the frames from `first` on that clips may use, uint8 (3, frames, size, size), and how many frames
    the video has."""
    import numpy as np

    first, frames, stride = video.first, params.clip_frames, params.clip_stride
    end = min(video.end, frames_used(first, frames, stride, params.max_clips))
    strip = np.empty((1, 3, end - first, params.size, params.size), np.uint8)
    reader, found = _reader(params.size), 0
    for jpeg in jpegs(source, limit=end - min(first, 1)):
        check()
        found += 1
        place = found - max(first, 1)  # files count from 1, as the segments of the reference do
        if jpeg is not None and place >= 0 and place % stride < frames:
            reader.decode(jpeg.data, f"image_{found:05d}.jpg", strip, 0, place)
    return strip[0], found


def _gathered(strip: NDArray[np.uint8], windows: list[tuple[int, ...]], first: int) -> NDArray[np.uint8]:
    """Clips of a strip of frames, (clips, 3, frames, size, size)."""
    import numpy as np

    made = np.empty((len(windows), 3, len(windows[0]), *strip.shape[2:]), np.uint8)
    for clip, numbers in enumerate(windows):
        np.take(strip, [number - first for number in numbers], axis=1, out=made[clip], mode="clip")
    return made


@lru_cache(maxsize=1)
def _records(path: Path) -> Records:
    """One a process: it reads on where it was."""
    return Records(path)


@lru_cache(maxsize=1)
def _reader(size: int) -> FrameReader:
    """One a process: its tables and buffers serve all videos."""
    return FrameReader(size)
