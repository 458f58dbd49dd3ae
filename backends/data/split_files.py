"""HMDB51's split files: `<class>_test_split<n>.txt`, a line `<video>.avi <0|1|2>` each. It knows no frames.

1 is training, 2 is the testing part that the guide calls validation, 0 is unused in this split.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from backends.core.errors import InputError
from backends.core.events import SetAside
from backends.core.messages import N_, Line, line, os_reason
from backends.core.settings import VIDEO_SUFFIXES
from backends.data.annotation import name_trouble, short

_FILE = re.compile(r"(?P<label>.+)_test_split(?P<split>\d+)\.txt", re.DOTALL)
_SUBSETS = {"0": "", "1": "training", "2": "validation"}
_LARGEST = 64 << 20
"""Bytes of one split file; HMDB51's have 8 kB."""


@dataclass(frozen=True, slots=True)
class SplitVideo:
    """One line of a split file that counts."""

    id: str
    label: str
    subset: str


@dataclass(frozen=True, slots=True)
class Splits:
    """All split files of one split, classes in the order of their names, videos in the order of the lines."""

    labels: tuple[str, ...]
    """The classes of all split files in the folder, sorted, whatever their split."""
    videos: tuple[SplitVideo, ...]
    set_aside: tuple[SetAside, ...] = ()


def is_split_file(name: str) -> bool:
    """Whether a file of this name is one of a split; hidden ones are not."""
    return _FILE.fullmatch(name) is not None and not name.startswith(".")


def read_splits(folder: Path, split: int) -> Splits:
    """Read the files of a split. InputError where there is none; lines that cannot be used are set aside."""
    labels, files = _files(folder, split)
    if not files:
        raise InputError(
            "{path}: no split file for split {split}",
            hint="give the folder or the archive that holds brush_hair_test_split1.txt and its like",
            path=str(folder),
            split=split,
        )
    videos: list[SplitVideo] = []
    aside: list[SetAside] = []
    for label, file in files:
        if trouble := name_trouble(label):
            aside.append(SetAside(short(file.name), trouble))
            continue
        for number, text in enumerate(_text(file).split("\n"), 1):
            if text.strip():
                _read_line(text, label, line("line {n} of {file}", n=number, file=short(file.name)), videos, aside)
    times = Counter(video.id for video in videos)
    once = tuple(video for video in videos if times[video.id] == 1)
    twice = (name for name, count in times.items() if count > 1)
    aside += (SetAside(name, line("the id stands twice in the split files")) for name in twice)
    return Splits(tuple(sorted(name for name in labels if not name_trouble(name))), once, tuple(aside))


def video_id(name: str) -> str:
    """The id that a video file's name gives: the name without its suffix."""
    stem, _, suffix = name.rpartition(".")
    return stem if stem and "." + suffix.lower() in VIDEO_SUFFIXES else name


def _files(folder: Path, split: int) -> tuple[set[str], list[tuple[str, Path]]]:
    labels: set[str] = set()
    files: list[tuple[str, Path]] = []
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except OSError as error:
        reason, hint = os_reason(error), N_("give the folder of split files, or their archive")
        raise InputError("{path}: {reason}", hint=hint, path=str(folder), reason=reason) from None
    for name in names:
        match = _FILE.fullmatch(name)
        if match and not name.startswith("."):
            labels.add(match["label"])
            if int(match["split"]) == split:
                files.append((match["label"], folder / name))
    return labels, files


def _text(file: Path) -> str:
    try:
        if not file.is_file() or file.stat().st_size > _LARGEST:
            raise InputError("{path}: not a split file", hint="its lines are <video>.avi and 0, 1 or 2", path=str(file))
        return file.read_bytes().decode("utf-8-sig", "surrogateescape")
    except OSError as error:
        reason = os_reason(error)
        raise InputError("{path}: {reason}", hint="make it readable", path=str(file), reason=reason) from None


def _read_line(text: str, label: str, place: Line, videos: list[SplitVideo], aside: list[SetAside]) -> None:
    name, _, code = text.strip().rpartition(" ")
    identity = video_id(name.strip())
    if code not in _SUBSETS or not name:
        wrong = line("{place}: not a video and 0, 1 or 2", place=place)
        aside.append(SetAside(short(text.strip()), wrong))
    elif trouble := name_trouble(identity):
        aside.append(SetAside(short(identity), line("{place}: {trouble}", place=place, trouble=trouble)))
    elif _SUBSETS[code]:
        videos.append(SplitVideo(identity, label, _SUBSETS[code]))
