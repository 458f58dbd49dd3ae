"""Where the videos of a run are: in a folder, or in archives that are unpacked for as long as they are decoded.

The stages frames, annotate and preprocess find them by it.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

from backends.core.messages import line
from backends.data.archives import Unpacking, find_archives
from backends.data.video_files import Source, find_videos
from backends.worker.job import Job


def find_sources(job: Job, root: Path, unpacked: Path, labels: Mapping[str, str]) -> tuple[Source, ...]:
    """The videos under `root`, a folder of videos or of archives, or an archive; what is none is skipped by name.

    `labels`: the class folder of each id that is listed. Archives are unpacked to `unpacked`, which the caller removes.
    """
    found = find_videos(_roots(job, root, unpacked, labels.values()), lambda: labels)
    for item in found.set_aside:
        job.set_aside(item.item, item.reason)
    return found.videos


def _roots(job: Job, given: Path, unpacked: Path, labels: Collection[str]) -> list[Path]:
    """The folders to look for videos in: the one that is given, and those that its archives were unpacked to."""

    def report(done: int, total: int, name: str) -> None:
        job.progress(done, total, "archives", note=line("unpacking {name}", name=name) if name else None)

    if not find_archives(given):
        return [given]
    roots = Unpacking(unpacked, job.check_stop, job.set_aside).roots(given, report)
    return [given, *roots] if given.is_dir() else [_unwrapped(labels, roots[0]), *roots[1:]]


def _unwrapped(labels: Collection[str], root: Path) -> Path:
    """The only folder of an archive where that is no class of the annotation: it merely holds the videos."""
    there = list(root.iterdir())
    is_only = len(there) == 1 and there[0].is_dir()
    return there[0] if is_only and labels and there[0].name not in labels else root
