"""Is there room, and on what: free disk against an estimate of what a run writes, and the workspace's file system."""

from __future__ import annotations

import json
import math
import os
import shutil
from pathlib import Path

from backends.contract.lines import line
from backends.contract.needs import Finding
from backends.contract.settings import Settings

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
LARGEST_ANNOTATION = 64 << 20
REMOTE = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "ceph", "lustre", "gpfs", "beegfs"}
)
_SUFFIXES = (".avi", ".mp4", ".mkv", ".webm", ".mov", ".mpg")


def disk_finding(settings: Settings, workspace: Path) -> Finding:
    """Free space where the workspace is, against what the run will write there; a guess where nothing is counted."""
    try:
        free = shutil.disk_usage(_existing(workspace)).free
    except OSError as error:
        return Finding("disk", "unknown", line("{reason}", reason=error.strerror or str(error)))
    due = estimate(settings)
    if due is None:
        return Finding(
            "disk", "met" if free > RESERVE_BYTES else "warning", line("{free:.1f} GB free", free=free / 1e9)
        )
    found = line("{free:.1f} GB free, about {due:.1f} GB needed", free=free / 1e9, due=due / 1e9)
    if free < due:
        return Finding("disk", "warning", found, line("free some space, or put the workspace on a larger disk"))
    return Finding("disk", "met", found)


def estimate(settings: Settings) -> int | None:
    """Bytes that a run from nothing writes; None where the number of videos cannot be told quickly."""
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
        total += videos * FRAMES_A_VIDEO * JPEG_BYTES
    if settings.model.checkpoint is not None and settings.model.checkpoint.is_file():
        total += 3 * settings.model.checkpoint.stat().st_size
    return total


def _annotated(settings: Settings) -> tuple[int, int] | None:
    """(videos, clips) of the subset by the annotation's segments."""
    path, cap = settings.dataset.annotation, settings.preprocess.max_clips
    try:
        if path is None or path.stat().st_size > LARGEST_ANNOTATION:
            return None
        database = json.loads(path.read_bytes())["database"].values()
        segments = [v["annotations"]["segment"] for v in database if v["subset"] == settings.dataset.subset]
        stride = max(1, settings.preprocess.clip_stride)
        return len(segments), sum(min(cap, math.ceil((end - first) / stride)) for first, end in segments)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None  # what is wrong with it is the annotate stage's to say


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
    if not entry.is_dir():
        return int(not frames and entry.name.lower().endswith(_SUFFIXES))
    inside = os.scandir(entry.path)
    return sum(item.is_dir() if frames else item.name.lower().endswith(_SUFFIXES) for item in inside)


def file_system_finding(workspace: Path, mounts: Path = Path("/proc/self/mountinfo")) -> Finding:
    """The workspace's file system: over a network the journal's write-ahead log is not safe."""
    kind = file_system(workspace, mounts)
    if kind is None:
        return Finding("file system", "unknown", line("not told by this system"))
    if kind in REMOTE:
        hint = line("put the workspace on a local disk: the journal needs shared memory that a network cannot give")
        return Finding("file system", "warning", line("{kind}, over the network", kind=kind), hint)
    return Finding("file system", "met", line("{kind}", kind=kind))


def file_system(path: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str | None:
    """The type of the mount that holds `path`, such as ext4; None where the kernel does not say."""
    real = os.path.realpath(_existing(path))
    best, found = -1, None
    try:
        rows = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    for row in rows:
        left, dash, right = row.partition(" - ")
        fields = left.split()
        if not dash or len(fields) < 5 or not right.split():
            continue
        point = _unescaped(fields[4])
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= best:  # of mounts over each other the later one is seen
            best, found = len(point), right.split()[0]
    return found


def _unescaped(text: str) -> str:
    for code, sign in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, sign)
    return text


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
