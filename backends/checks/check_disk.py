"""Disk space: free disk against an estimate of what a run writes, and the workspace's file system."""

import math
import os
import shutil
from pathlib import Path

from backends.core.files import REMOTE, existing, file_system
from backends.core.messages import InputError, Line, line, os_reason, size
from backends.core.needs import Finding
from backends.core.settings import VIDEO_SUFFIXES, Settings
from backends.data.annotation import read_annotation
from backends.data.data_specs import clip_count
from backends.data.video_files import is_folder

CLIP_BYTES = 3 * 16 * 112 * 112
"""A packed clip: uint8 pixels."""
GUIDE_VIDEO_BYTES = 24_084_480
"""The guide's .bin of a video: ten clips of float32, filler included."""
CLIPS_A_VIDEO = 6
"""HMDB51's validation videos have 5.55 clips each, at most ten counted."""
JPEG_BYTES = 13_000
"""A frame of 240 lines; HMDB51's have 94 frames a video."""
FRAMES_A_VIDEO = 94
RESERVE_BYTES = 256 << 20
"""Logs, journal, rows, reports."""
_PACKED = (".rar", ".zip", ".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz")
_VIDEO = tuple(VIDEO_SUFFIXES)


def disk_finding(settings: Settings, workspace: Path) -> Finding:
    """Free space where the workspace is, against what the run will write there; a guess where nothing is counted."""
    try:
        free = shutil.disk_usage(existing(workspace)).free
    except OSError as error:
        return Finding("disk", "unknown", line("{reason}", reason=os_reason(error)))
    due = estimate(settings)
    if due is None:
        return Finding("disk", "met" if free > RESERVE_BYTES else "warning", line("{free} free", free=size(free)))
    found = line("{free} free, about {due} needed", free=size(free), due=size(due))
    if free < due:
        return Finding("disk", "warning", found, _hint(workspace))
    return Finding("disk", "met", found)


def _hint(workspace: Path) -> Line:
    """Old runs and artifacts can go only where there are some."""
    if (workspace / ".r3d").is_dir():
        return line("free some space (`r3d-tui clean` lists what may go), or put the workspace on a larger disk")
    return line("free some space, or put the workspace on a larger disk")


def estimate(settings: Settings) -> int | None:
    """Bytes that a run from nothing writes; None where the number of videos cannot be found quickly."""
    counted = _annotated(settings) or _listed(settings)
    if counted is None:
        return None
    videos, clips = counted
    total = RESERVE_BYTES + clips * CLIP_BYTES
    if settings.infer.layout == "guide":
        total += videos * GUIDE_VIDEO_BYTES
    elif settings.infer.target == "ascend" and settings.infer.runtime == "ais_bench":
        total += math.ceil(clips / 10) * GUIDE_VIDEO_BYTES  # packed batches as files of their own, while it infers
    if settings.dataset.frames is None:
        frames = FRAMES_A_VIDEO * JPEG_BYTES if settings.dataset.keep_frames else 0
        total += videos * frames + _packed(settings.dataset.videos)
    if settings.model.checkpoint is not None and settings.model.checkpoint.is_file():
        total += 3 * settings.model.checkpoint.stat().st_size
    return total


def _annotated(settings: Settings) -> tuple[int, int] | None:
    """(videos, clips) of the subset by the annotation's segments."""
    path, cap = settings.dataset.annotation, settings.preprocess.max_clips
    pre, subset = settings.preprocess, settings.dataset.subset
    if path is None:
        return None
    try:
        annotation = read_annotation(path)
    except InputError:
        return None  # what is wrong with it is the annotate stage's to report
    videos = [video for video in annotation.videos if video.subset == subset and video.frames]
    clips = [min(cap, clip_count(one.first, one.end, pre.clip_frames, pre.clip_stride)) for one in videos]
    return len(clips), sum(clips)


def _packed(given: Path | None) -> int:
    """Bytes of the archives that are given for videos: they are unpacked while frames are made, to about their size."""
    if given is None:
        return 0
    try:
        found = list(os.scandir(given)) if given.is_dir() else [given]
        return sum(entry.stat().st_size for entry in found if entry.name.lower().endswith(_PACKED))
    except OSError:
        return 0


def _listed(settings: Settings) -> tuple[int, int] | None:
    """(videos, clips) by the number of video files, or of folders of frames, two levels deep."""
    dataset = settings.dataset
    root = dataset.frames or dataset.videos
    if root is None:
        return None
    try:
        videos = sum(_count(entry, frames=dataset.frames is not None) for entry in os.scandir(root))
    except OSError:
        return None
    return (videos, videos * CLIPS_A_VIDEO) if videos else None


def _count(entry: os.DirEntry[str], *, frames: bool) -> int:
    if not is_folder(entry):
        return int(not frames and entry.name.lower().endswith(_VIDEO))
    inside = os.scandir(entry.path)
    return sum(is_folder(item) if frames else item.name.lower().endswith(_VIDEO) for item in inside)


def file_system_finding(workspace: Path, mounts: Path | None = None) -> Finding:
    """The workspace's file system: over a network the journal does without its write-ahead log, and locks may lie."""
    kind = file_system(workspace, mounts)
    if kind is None:
        return Finding("file system", "unknown", line("not reported by this system"))
    if kind in REMOTE:
        hint = line(
            "put the workspace on a local disk: a network is slow, and engines of other machines may not see the lock"
        )
        return Finding("file system", "warning", line("{kind}, over the network", kind=kind), hint)
    return Finding("file system", "met", line("{kind}", kind=kind))
