"""Videos, or folders of their frames, to clips, in processes, for preprocess, its step and several servers.

Of a video a frame is encoded as the frames stage encodes it and decoded again as preprocess reads it, in memory: the
clips are those of the folder, byte for byte.
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

from backends.core.messages import line
from backends.data.annotation import Video
from backends.data.clip_extraction import Extracted, cores, empty_segment, extract_video
from backends.data.data_specs import PreprocessParams, clip_count, clips, frames_used
from backends.data.decode import UnreadableVideoError, check_file, jpegs
from backends.data.frame_pool import Records, holds
from backends.data.guide_files import write_bin
from backends.data.jpeg import FrameError
from backends.data.pixels import FrameReader
from backends.data.video_pool import Check, apart, in_order

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

POLL_S = 0.1


class ClipTask(Struct, frozen=True):
    """One video to be made in a process of the pool."""

    video: Video
    params: PreprocessParams
    part: Path
    """The file that takes its clips: handing them on through a pipe would cost the one reader most of its time."""
    source: Path | None = None
    """Its file; None: no video file was found, or its frames are read."""


Make = Callable[[ClipTask, Check], Extracted]
"""What a process does with a task: puts the clips into its part; the outcome has all but them."""


def extract(
    videos: Iterable[Video],
    params: PreprocessParams,
    make: Make,
    parts: Path,
    *,
    workers: int = 0,
    sources: Mapping[tuple[str, str], Path] | None = None,
    check: Check = lambda: None,
) -> Generator[Extracted, None, None]:
    """The clips of each video, in order, by so many processes; 0: one a core. Close it to end early.

    `make`: `of_video`, or `of_frames` or `of_growing_frames` with their folders. `parts`: a folder of our own for
    what waits for its turn; it is removed. `sources`: files by label and id.
    """
    shutil.rmtree(parts, ignore_errors=True)
    parts.mkdir(parents=True)
    tasks = [
        ClipTask(video, params, parts / f"{number}.u8", sources.get((video.label, video.id)) if sources else None)
        for number, video in enumerate(videos)
    ]
    try:
        for task, made in outcomes(tasks, workers, make, check):
            yield _with_clips(task, made)
    finally:
        shutil.rmtree(parts, ignore_errors=True)


def extract_apart(task: ClipTask, check: Check) -> Extracted:
    """One video's clips, decoded in a process of its own: a decoder that crashes on it takes nothing else along."""
    made = of_video(task, check) if task.source is None else apart(task, of_video, check)
    return _with_clips(task, made or _crashed(task))


def _with_clips(task: ClipTask, made: Extracted) -> Extracted:
    import numpy as np

    if made.reason.template:
        return made
    params = task.params
    shape = (-1, 3, params.clip_frames, params.size, params.size)
    pixels = np.memmap(task.part, np.uint8, "r").reshape(shape)
    task.part.unlink()
    return replace(made, clips=pixels)


def _crashed(task: ClipTask) -> Extracted:
    reason = line("the process that decoded it was killed, or crashed")
    return Extracted(task.video, None, 0, reason, is_temporary=True)


def outcomes(
    tasks: Iterable[ClipTask], workers: int, make: Make, check: Check
) -> Generator[tuple[ClipTask, Extracted], None, None]:
    """What `make` says of each task, in order, by so many processes; 0: one a core."""
    for task, made in in_order(tasks, workers or cores(), make, check):
        yield task, made or _crashed(task)


def of_video(task: ClipTask, check: Check) -> Extracted:
    """Of the video's file. OSError where the disk is full."""
    return _put(read_video(task.source, task.video, task.params, check), task)


def of_frames(root: Path, task: ClipTask, check: Check) -> Extracted:
    """Of the video's folder of frames under `root`."""
    check()
    return _put(clips_of_frames(root / task.video.label / task.video.id, task.video, task.params), task)


def bin_of_frames(root: Path, task: ClipTask, check: Check) -> Extracted:
    """As `of_frames`, to the guide's `.bin` of the video in the place of its part."""
    check()
    made = clips_of_frames(root / task.video.label / task.video.id, task.video, task.params)
    if made.clips is not None:
        write_bin(task.part, made.clips, task.params)
    return replace(made, clips=None)


def of_growing_frames(folder: Path, index: Path, records: Path, task: ClipTask, check: Check) -> Extracted:
    """Of the folder that the frames stage makes, once the video's frames are there. One whose frames are not what
    their record says has no clips here: the video itself is to give them, or the reason why there are none."""
    label, name = place = task.video.label, task.video.id
    made = _records(records)
    while not index.exists() and place not in made.read():
        check()
        time.sleep(POLL_S)
    record = made.read().get(place)
    if record is None or not holds(folder / label / name, record):
        return Extracted(task.video, None, 0, line("it has no frames"))
    closed = replace(task.video, end=record.frames + 1) if task.video.is_open else task.video
    return of_frames(folder, replace(task, video=closed), check)


def _put(made: Extracted, task: ClipTask) -> Extracted:
    if made.clips is not None:
        task.part.write_bytes(made.clips.data)  # NumPy's own writing loses why the disk refused
    return replace(made, clips=None)


def clips_of_frames(folder: Path, video: Video, params: PreprocessParams) -> Extracted:
    """One video's clips of its folder of frames, or why it has none; an open segment ends with the frames there."""
    return extract_video(video, folder, params, _reader(params.size))


def read_video(source: Path | None, video: Video, params: PreprocessParams, check: Check = lambda: None) -> Extracted:
    """One video's clips, or why it has none. Of an open segment the outcome's `video` has the counted end.

    `source`: None where no file was found. The file is decoded to its end, as the frames stage does: one that breaks
    off gives no clips.
    """
    if source is None:
        return Extracted(video, None, 0, line("no video file found"), is_absent=True)
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
