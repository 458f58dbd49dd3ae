"""A folder of a video's frames to its uint8 clips, for preprocess and its step."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from backends.core.messages import Line, line
from backends.data.annotation import Video
from backends.data.data_specs import PreprocessParams, clip_count, clips
from backends.data.jpeg import FrameError
from backends.data.pixels import FrameReader
from backends.data.video_files import count_frames, names_in

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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


def extract_video(video: Video, folder: Path, params: PreprocessParams, reader: FrameReader) -> Extracted:
    """One video's clips, or why it has none: a single frame that cannot be used makes the whole video skipped.

    Frames are `<folder>/image_%05d.jpg`, or named as `frame_names` says; only those that a kept clip uses
    are read. An open segment ends with the frames that are there; the outcome's `video` has it closed.
    """
    import numpy as np

    if video.is_open:
        if (count := count_frames(folder)) is None:
            return _no_frames(video, folder)
        video = replace(video, end=count + 1)
    if not video.frames:
        return empty_segment(video)
    before = _count(video, params)
    names = names_in(folder)
    made = np.empty((min(before, params.max_clips), 3, params.clip_frames, params.size, params.size), np.uint8)
    windows = clips(video.first, video.end, params.clip_frames, params.clip_stride, params.max_clips)
    try:
        for clip, numbers in enumerate(windows):
            paths = {number: f"{folder}/{names.name(number, video.first)}" for number in numbers}
            _fill(made, clip, numbers, paths, reader)
    except FrameError as error:
        if error.missing and not folder.is_dir():
            return _no_frames(video, folder, before)
        return Extracted(video, None, before, error.line, missing=error.missing, is_temporary=error.is_temporary)
    return Extracted(video, made, before)


def _no_frames(video: Video, folder: Path, before: int = 0) -> Extracted:
    reason = line("no frames in {folder}", folder=str(folder))
    return Extracted(video, None, before, reason, missing=str(folder), is_absent=True)


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
