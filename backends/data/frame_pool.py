"""Videos to folders of JPEG files in processes of their own, for the frames stage, which decides what is made where.

Processes rather than threads: one interpreter's lock ends near 4,500 frames/s whatever the machine, and a decoder that
crashes on a video takes only its process along (docs/decisions/0015-datasets.md).
"""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from msgspec import Struct

from backends.core.errors import Stopped
from backends.core.messages import Line, line, os_reason
from backends.core.processes import die_with_parent
from backends.data.decode import UnreadableVideoError, jpegs
from backends.data.jpeg import MAY_PASS

VIDEOS_A_PROCESS = 4
"""Fewer videos than this for each process are not worth its start (0.5 s)."""


class VideoTask(Struct, frozen=True):
    """One video to be made."""

    source: Path
    label: str
    id: str
    part: Path
    """The folder that is filled, away from its place."""
    target: Path
    """Its place, taken once all files are there."""
    size: int = 240
    fps: int = 0
    """Frames a second, by interpolating; 0: the video's own."""
    limit: int | None = None
    """Frames that are written; the others are only counted. None: all."""

    @property
    def name(self) -> str:
        """How the video is named to people."""
        return f"{self.label}/{self.id}"


class VideoFrames(Struct, frozen=True):
    """The record of a video whose frames are there."""

    label: str
    id: str
    frames: int
    """Frames of the video."""
    width: int
    height: int
    bytes: int
    """Of all its JPEG files."""
    sha256: str
    """Of its JPEG files, one after the other."""
    source: tuple[int, int]
    """The video file's size, and its time of change in nanoseconds."""
    files: int | None = None
    """JPEG files, the first ones; None: one for each frame."""

    @property
    def written(self) -> int:
        return self.frames if self.files is None else self.files


class Failed(Struct, frozen=True):
    """Why a video has no frames."""

    reason: Line
    is_temporary: bool = False


Made = VideoFrames | Failed
_stop: Any = None
"""In a process of the pool: the event that ends its work."""


def make_all(
    tasks: Sequence[VideoTask],
    workers: int,
    take: Callable[[VideoTask, Made], None],
    check: Callable[[], None],
    make: Callable[[VideoTask], Made] | None = None,
) -> None:
    """Make all videos; `take` gets each one's outcome as it comes, `check` is called twice a second and may raise.

    `make`: what a process does with a video, where that is not `make_video`.
    """
    processes = min(workers, len(tasks) // VIDEOS_A_PROCESS)
    if processes < 2:
        for task in tasks:
            take(task, make_video(task, check))
            check()
        return
    lost: Sequence[VideoTask] = ()
    left = deque(tasks)
    while left or lost:
        for task in lost:  # one of them crashed the decoder: each alone, to see which
            if _side_by_side(deque((task,)), 1, take, check, make or make_video):
                _clear(task.part)
                take(task, Failed(line("the process that decoded it was killed, or crashed"), is_temporary=True))
        lost = _side_by_side(left, processes, take, check, make or make_video)


def _side_by_side(
    left: deque[VideoTask],
    processes: int,
    take: Callable[[VideoTask, Made], None],
    check: Callable[[], None],
    make: Callable[[VideoTask], Made],
) -> list[VideoTask]:
    """Work `left` off until it is empty or a process of the pool died: then the videos that were being made."""
    context = get_context("spawn")
    stop = context.Event()
    waiting: dict[Future[Made], VideoTask] = {}
    pool = ProcessPoolExecutor(processes, context, _begin, (stop, os.getpid()))
    try:
        while left or waiting:
            while left and len(waiting) < 2 * processes:
                task = left.popleft()
                waiting[pool.submit(make, task)] = task
            for future in wait(waiting, 0.5, FIRST_COMPLETED).done:
                made = future.result()
                take(waiting.pop(future), made)
            check()
    except BrokenProcessPool:
        return list(waiting.values())
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
    return []


def _begin(stop: Any, parent: int) -> None:
    global _stop  # noqa: PLW0603 - a process has one
    die_with_parent(parent)
    _stop = stop


def _check_pool() -> None:
    if _stop is not None and _stop.is_set():
        raise Stopped


def make_video(task: VideoTask, check: Callable[[], None] = _check_pool) -> Made:
    """Write one video's frames into its part, and move that to its place once it is whole.

    OSError where the disk that is written to fails; what is wrong with the video is `Failed`.
    """
    _clear(task.part)
    task.part.mkdir(parents=True)
    try:
        made = _write(task, check)
        task.target.parent.mkdir(parents=True, exist_ok=True)
        if task.target.exists():
            shutil.rmtree(task.target)
        task.part.rename(task.target)
    except UnreadableVideoError as error:
        _clear(task.part)
        return Failed(error.reason, error.is_temporary)
    except BaseException:
        _clear(task.part)
        raise
    return made


def _write(task: VideoTask, check: Callable[[], None]) -> VideoFrames:
    stamp = _check_file(task.source)
    digest = hashlib.sha256()
    frames = files = size = width = height = 0
    for jpeg in jpegs(task.source, task.size, fps=task.fps, limit=task.limit):
        check()
        frames += 1
        if jpeg is None:
            continue
        files += 1
        with open(task.part / f"image_{files:05d}.jpg", "wb") as file:
            file.write(jpeg.data)
        digest.update(jpeg.data)
        size, width, height = size + len(jpeg.data), jpeg.width, jpeg.height
    return VideoFrames(task.label, task.id, frames, width, height, size, digest.hexdigest(), stamp, files)


def stamp_of(path: Path) -> tuple[int, int]:
    """By which a video file is known to be the same: size, and time of change in nanoseconds."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _check_file(path: Path) -> tuple[int, int]:
    """The stamp of a video file that can be opened at all; a pipe would be waited for without end."""
    try:
        stamp = stamp_of(path)
        if not path.is_file():
            raise UnreadableVideoError(line("it is not a file"))
        with open(path, "rb"):
            pass
    except OSError as error:
        failure = UnreadableVideoError(line("{reason}", reason=os_reason(error)))
        failure.is_temporary = error.errno in MAY_PASS or isinstance(error, FileNotFoundError)
        raise failure from None
    if not stamp[0]:
        raise UnreadableVideoError(line("the file is empty"))
    return stamp


def _clear(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def part_folders(folder: Path) -> Iterator[Path]:
    """Names of folders for videos that are being made."""
    return (folder / str(number) for number in itertools.count())


def link_frames(source: Path, target: Path) -> bool:
    """Give `target` the files of `source` by links; whether that could be done."""
    part = target.with_name(f".{target.name}.part")
    _clear(part)
    try:
        part.mkdir(parents=True)
        for entry in os.scandir(source):
            os.link(entry.path, part / entry.name)
        part.rename(target)
    except OSError:
        _clear(part)
        return False
    return True


def holds(folder: Path, record: VideoFrames) -> bool:
    """Whether a folder is what its record says, byte for byte: what an earlier attempt left may be damaged."""
    digest = hashlib.sha256()
    with suppress(OSError):
        if sum(1 for _ in folder.iterdir()) != record.written:
            return False
        for number in range(1, record.written + 1):
            digest.update((folder / f"image_{number:05d}.jpg").read_bytes())
        return digest.hexdigest() == record.sha256
    return False
