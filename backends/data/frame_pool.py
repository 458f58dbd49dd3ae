"""Videos to folders of JPEG files, for the frames stage, which decides what is made where."""

import hashlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from backends.core.codec import DecodeError, loads
from backends.core.messages import Line, line
from backends.data.decode import UnreadableVideoError, check_file, jpegs
from backends.data.video_pool import Check, in_order


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


def make_all(
    tasks: Sequence[VideoTask], workers: int, check: Check, make: Callable[[VideoTask, Check], Made] | None = None
) -> Iterator[tuple[VideoTask, Made]]:
    """Every video and its record, or why it has none, in order; `check` is called twice a second and may raise.

    `make`: what a process does with a video, where that is not `make_video`.
    """
    for task, made in in_order(tasks, workers, make or make_video, check):
        if made is None:
            _clear(task.part)
            reason = line("the process that decoded it was killed, or crashed")
            yield task, Failed(reason, is_temporary=True)
        else:
            yield task, made


def make_video(task: VideoTask, check: Check) -> Made:
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


def _write(task: VideoTask, check: Check) -> VideoFrames:
    stamp = check_file(task.source)
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


class Records:
    """The records of a file that grows, by label and id; a line that is not ours is passed over."""

    def __init__(self, path: Path) -> None:
        self._path, self._place = path, 0
        self._found: dict[tuple[str, str], VideoFrames] = {}

    def read(self) -> Mapping[tuple[str, str], VideoFrames]:
        """All that stand there by now, the last of each video; one without frames is of a video that gave none."""
        with suppress(FileNotFoundError), open(self._path, "rb") as file:
            file.seek(self._place)
            for text in file:
                if not text.endswith(b"\n"):
                    break
                self._place += len(text)
                with suppress(DecodeError, ValueError):
                    record = loads(VideoFrames, text)
                    self._found[record.label, record.id] = record
        return self._found


def read_records(path: Path) -> dict[tuple[str, str], VideoFrames]:
    """The records of earlier attempts, of videos that gave frames."""
    return {key: record for key, record in Records(path).read().items() if record.frames}


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
