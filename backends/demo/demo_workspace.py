"""The embedded demo: a folder with videos, split files and a trained checkpoint. It refuses to know r3d.toml's form."""

from __future__ import annotations

import json
import os
from pathlib import Path

from backends.core.errors import InputError, NeedError
from backends.core.files import write_whole
from backends.core.messages import N_, os_reason
from backends.core.settings import DatasetSettings, InferSettings, ModelSettings, Settings
from backends.demo.demo_dataset import SEED, TRAINING_PER_CLASS, VIDEOS_PER_CLASS, Progress, make_demo_videos
from backends.demo.films import ACTIONS

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
        dataset=DatasetSettings(videos=folder / "videos", splits=folder / "splits", split=1),
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
