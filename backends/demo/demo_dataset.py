"""The demo's films as a data set on disk: videos by class, split files as HMDB51's."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from backends.core.files import write_whole
from backends.core.messages import N_, InputError, NeedError, StageError, os_reason
from backends.core.settings import DatasetSettings, InferSettings, ModelSettings, Settings
from backends.demo.films import ACTIONS, HEIGHT, WIDTH, Film, draw

if TYPE_CHECKING:
    from backends.demo.films import Frame

SEED = 51
"""Of the demo and of the films its model learnt from; what the model is tested on has other numbers."""

VIDEOS_PER_CLASS = 8
"""Validation videos of a class."""

TRAINING_PER_CLASS = 2
"""Videos of a class that the model learnt from; they show that a split is kept."""

FRAMES_PER_SECOND = 30.0

CODEC = "XVID"
"""MPEG-4 part 2 in AVI, as HMDB51's own files. OpenCV's wheels carry the encoder, its output is the same every time."""

LENGTHS = (40, 15, 64, 19, 33, 96, 24, 48)
"""Frames of a class's videos in turn, before a few more or less: from one looped clip to seven."""

LONGEST = 176
"""Frames of one video in all: 11 clips, so that the cut after 10 is exercised."""

Progress = Callable[[int, int], None]
"""Told after each video how many are done, and how many there are in all."""


class DemoVideo(Struct, frozen=True):
    """One video of the data set: its id, the film that it shows and how many frames of it."""

    id: str
    film: Film
    frames: int


def demo_videos(
    videos_per_class: int, seed: int, training_per_class: int = TRAINING_PER_CLASS
) -> tuple[DemoVideo, ...]:
    """The data set as a list, by class, training videos first. Ids are unique over all classes, as HMDB51's are."""
    listed = []
    for action in ACTIONS:
        films = [Film(action, "training", number, seed) for number in range(training_per_class)]
        films += [Film(action, "validation", number, seed) for number in range(videos_per_class)]
        listed += [DemoVideo(f"{action}_{film.part[0]}{film.number:03}", film, _length(film)) for film in films]
    return tuple(listed)


def _length(film: Film) -> int:
    if film.part == "validation" and film.number == 0 and film.action == ACTIONS[0]:
        return LONGEST
    spread = (5 * ACTIONS.index(film.action) + film.number) % 9 - 4
    return LENGTHS[film.number % len(LENGTHS)] + spread


def make_demo_videos(
    folder: Path,
    videos_per_class: int = VIDEOS_PER_CLASS,
    seed: int = SEED,
    *,
    training_per_class: int = TRAINING_PER_CLASS,
    progress: Progress | None = None,
) -> tuple[DemoVideo, ...]:
    """Write `videos/<class>/<video>.avi` and `splits/<class>_test_split1.txt` under `folder`; give the list.

    A video that is there already stays as it is: each comes to its name whole, so that work cut off is taken up.
    Raises NeedError where OpenCV cannot write the codec, StageError where a file did not become whole.
    """
    listed = demo_videos(videos_per_class, seed, training_per_class)
    for torn in (folder / "videos").glob("*/.*.part.avi"):
        torn.unlink()
    done = 0
    with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
        for _ in pool.map(lambda video: _write(folder, video), listed):
            done += 1
            if progress is not None:
                progress(done, len(listed))
    for action in ACTIONS:
        marks = [(v.id, 1 if v.film.part == "training" else 2) for v in listed if v.film.action == action]
        text = "".join(f"{name}.avi {mark} \n" for name, mark in marks)
        write_whole(folder / "splits" / f"{action}_test_split1.txt", text.encode("ascii"))
    return listed


def _write(folder: Path, video: DemoVideo) -> None:
    path = folder / "videos" / video.film.action / f"{video.id}.avi"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, draw(video.film, video.frames))


def write_video(path: Path, frames: Iterable[Frame]) -> None:
    """Write BGR frames of 240 x 320 as a video that appears under its name only when it is whole.

    OpenCV tells nobody of a full disk, so the finished file is asked for its number of frames.
    """
    import cv2

    part = path.with_name(f".{path.stem}.{os.getpid()}.part.avi")
    code = cv2.VideoWriter.fourcc(*CODEC)
    writer = cv2.VideoWriter(str(part), cv2.CAP_FFMPEG, code, FRAMES_PER_SECOND, (WIDTH, HEIGHT))
    if not writer.isOpened():
        if os.access(path.parent, os.W_OK):
            text, hint = N_("this OpenCV cannot write {codec} video"), N_("pip install opencv-python-headless")
            raise NeedError(text, hint=hint, codec=CODEC)
        raise StageError("{path}: cannot be written", hint="choose another folder", path=str(path))
    written = 0
    for frame in frames:
        writer.write(frame)
        written += 1
    writer.release()
    if _frame_count(part) != written:
        part.unlink(missing_ok=True)
        raise StageError("{path}: the video did not become whole", hint="look for space on the disk", path=str(path))
    part.replace(path)


def _frame_count(path: Path) -> int:
    import cv2

    reader = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    count = int(reader.get(cv2.CAP_PROP_FRAME_COUNT))
    reader.release()
    return count


MARKER = "demo.json"
"""Says that a folder is a demo of ours, which one, and whether it is whole."""

VERSION = 1
"""Raised when the same seed gives other videos or another checkpoint."""

CHECKPOINT = "demo_resnet10.pth"

WIDEN = 0.125
CONV1_T_SIZE = 3
DEPTH = 10


def assets_folder() -> Path:
    """The folder `assets`: beside the packages in a checkout, inside `backends` where it was installed.

    Raises NeedError where neither is there.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_assets", package.parent / "assets"):
        if (folder / "demo" / CHECKPOINT).is_file():
            return folder
    hint = N_("install r3d-tui again")
    raise NeedError("{path}: the files that r3d-tui brings along are missing", hint=hint, path=str(package / "_assets"))


def build_demo(folder: Path, *, progress: Progress | None = None) -> None:
    """Make `videos/`, `splits/` and `checkpoint/` in a new or empty folder, about 100 videos in a few seconds.

    A demo of the same version and seed is left as it is once it is whole, and completed where its making was cut off.
    `progress` is told videos done and in all. Raises InputError where the folder is a file, holds something else, or
    cannot be written.
    """
    try:
        if _whole(folder):
            return
        checkpoint = (assets_folder() / "demo" / CHECKPOINT).read_bytes()
        _mark(folder, whole=False)
        make_demo_videos(folder, VIDEOS_PER_CLASS, SEED, progress=progress)
        write_whole(_checkpoint(folder), checkpoint)
        _mark(folder, whole=True)
    except OSError as error:
        reason = os_reason(error)
        raise InputError("{path}: {reason}", hint="choose another folder", path=str(folder), reason=reason) from None


def demo_settings(folder: Path) -> Settings:
    """What r3d.toml says for the demo in `folder`: two devices where there are two cores or more, otherwise one."""
    folder = folder.absolute()
    return Settings(
        dataset=DatasetSettings(videos=folder / "videos", splits=folder / "splits", split=1, keep_frames=False),
        model=ModelSettings(
            checkpoint=_checkpoint(folder),
            depth=DEPTH,
            classes=len(ACTIONS),
            widen=WIDEN,
            conv1_t_size=CONV1_T_SIZE,
        ),
        infer=InferSettings(devices=(0, 1) if len(os.sched_getaffinity(0)) > 1 else (0,)),
    )


def _checkpoint(folder: Path) -> Path:
    return folder / "checkpoint" / CHECKPOINT


def _facts() -> dict[str, int]:
    return {
        "demo": VERSION,
        "seed": SEED,
        "videos_per_class": VIDEOS_PER_CLASS,
        "training_per_class": TRAINING_PER_CLASS,
    }


def _mark(folder: Path, *, whole: bool) -> None:
    write_whole(folder / MARKER, json.dumps({**_facts(), "whole": whole}, indent=2).encode("ascii") + b"\n")


def _whole(folder: Path) -> bool:
    """True where the same demo is there and whole, False where it may be made; InputError where it must not."""
    if not folder.exists():
        return False
    if not folder.is_dir():
        raise InputError("{path}: not a folder", hint="name a new or empty folder", path=str(folder))
    if not any(folder.iterdir()):
        return False
    try:
        found = json.loads((folder / MARKER).read_bytes())
    except (FileNotFoundError, ValueError):
        found = None
    if not isinstance(found, dict) or "demo" not in found:
        text = N_("{path}: holds something that is not the demo")
        raise InputError(text, hint="name a new or empty folder", path=str(folder))
    whole = found.pop("whole", False)
    if found != _facts():
        text = N_("{path}: holds a demo of another version")
        raise InputError(text, hint="name a new or empty folder", path=str(folder))
    return whole is True
