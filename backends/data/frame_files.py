"""Folders of frames as they lie on disk: class folders, video folders, and how the frames in them are named.

The reference writes `<class>/<video>/image_00001.jpg`; other tools write `img_00001.jpg`, `frame000001.jpg` or
`00000.jpg`. The stages annotate and preprocess read them, the check stage looks at the first ones.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from backends.core.errors import InputError
from backends.core.messages import os_reason

EXAMPLE = "<class>/<video>/image_00001.jpg"
IMAGES = (".jpg", ".jpeg", ".png")
"""Suffixes of frames that are read, in lower case."""

_NUMBERED = re.compile(r"(?P<prefix>.*?)(?P<number>\d{1,9})(?P<suffix>\.[A-Za-z]+)", re.DOTALL)


class FrameNames(Struct, frozen=True):
    """How the frames of one folder are named: `image_%05d.jpg`, the first one with the number `lowest` (0 or 1)."""

    prefix: str = "image_"
    digits: int = 5
    suffix: str = ".jpg"
    lowest: int = 1

    def name(self, number: int, first: int = 1) -> str:
        """The file of frame `number` of a segment that begins with frame `first`.

        Segments count from 1, as the reference makes them; one that begins with 0 counts from 0.
        """
        return f"{self.prefix}{number + self.lowest - min(first, 1):0{self.digits}d}{self.suffix}"


REFERENCE = FrameNames()


def frame_names(folder: Path) -> FrameNames | None:
    """How most images of a folder are named; None where there are none, or none is numbered from 0 or 1.

    OSError where the folder cannot be read.
    """
    kinds: Counter[tuple[str, int, str]] = Counter()
    lowest: dict[tuple[str, int, str], int] = {}
    for name in _names(folder):
        match = _NUMBERED.fullmatch(name)
        if match and match["suffix"].lower() in IMAGES:
            number = match["number"]
            kind = match["prefix"], len(number), match["suffix"]
            kinds[kind] += 1
            lowest[kind] = min(lowest.get(kind, int(number)), int(number))
    if not kinds:
        return None
    kind = max(kinds, key=lambda one: (one[0] == REFERENCE.prefix, kinds[one]))
    return FrameNames(*kind, lowest[kind]) if lowest[kind] <= 1 else None


def names_in(folder: Path) -> FrameNames:
    """How a video's frames are named; as the reference's where it is not known, so that what is missing has a name."""
    if (folder / REFERENCE.name(1)).exists() and not (folder / REFERENCE.name(0)).exists():
        return REFERENCE
    try:
        return frame_names(folder) or REFERENCE
    except OSError:
        return REFERENCE


def _names(folder: Path) -> list[str]:
    with os.scandir(folder) as found:
        return [entry.name for entry in found if not entry.name.startswith(".")]


def count_frames(folder: Path) -> int | None:
    """Frames of a video as the reference counts them: names with `image` in them that are not hidden; where there are
    none, files named as `frame_names` says. None where there is no such folder."""
    try:
        names = _names(folder)
        if count := sum("image" in name for name in names):
            return count
        found = frame_names(folder)
    except OSError:
        return None
    if found is None:
        return 0
    pattern = re.compile(rf"{re.escape(found.prefix)}\d+{re.escape(found.suffix)}", re.DOTALL)
    return sum(pattern.fullmatch(name) is not None for name in names)


def folder_names(path: Path) -> frozenset[str]:
    """Names of the folders in a folder, hidden ones left out; none where it is not there."""
    try:
        with os.scandir(path) as found:
            return frozenset(entry.name for entry in found if not entry.name.startswith(".") and is_folder(entry))
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()
    except OSError as error:
        reason = os_reason(error)
        raise InputError("{path}: {reason}", hint="make it readable", path=str(path), reason=reason) from None


def is_file(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a regular file; a link that leads to itself is none."""
    try:
        return entry.is_file()
    except OSError:
        return False


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder; a link that leads to itself, or nowhere, is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def first_videos(frames: Path, most: int) -> Iterator[Path]:
    """Some video folders, one a class, in the order of names."""
    for label in sorted(folder_names(frames))[:most]:
        videos = folder_names(frames / label)
        if videos:
            yield frames / label / min(videos)
