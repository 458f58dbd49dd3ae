"""What lies about in a folder that a workspace could be made of. It looks at names and first bytes, and reads nothing
whole: a data set of 650,000 videos must not hold the form back.
"""

import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path

from backends.core.client import Candidates
from backends.core.settings import VIDEO_SUFFIXES
from backends.data.archive_entries import DAMAGE, archive_kind
from backends.data.archive_readers import unpressed
from backends.data.datasets import datasets
from backends.data.video_files import is_file, is_folder

DEEPEST = 2
MOST_ENTRIES = 2000
"""Entries looked at in each folder."""
MOST_ARCHIVES = 200
"""Archives of which the beginning is read in each folder; HMDB51 has 51."""
_VIDEO = tuple(VIDEO_SUFFIXES)
HEAD = 64 << 10
"""Bytes of an archive's content in which a name must stand that tells what it holds."""
_FRAME = re.compile(r"(?:image_|img_|frame)?\d{5,6}\.jpe?g")
_HELD_LIST = re.compile(rb"_test_split\d\.txt|(?:train|test)list0\d\.txt|_(?:train|val)\.csv")
_HELD_VIDEO = re.compile(rb"\.(?:avi|mp4|mkv|webm|mov|mpe?g|rar|zip|tar)", re.IGNORECASE)
"""What stands in an archive's headers; archives within are those of the classes."""


def find_candidates(folder: Path) -> Candidates:
    """Candidates in `folder` and two levels below, nearest first, archives last. Unreadable folders are passed over."""
    packed: dict[str, list[Path]] = {"videos": [], "splits": []}
    found: dict[str, list[Path]] = {"videos": [], "frames": [], "annotations": [], "splits": [], "checkpoints": []}
    for place, entries in _walk(folder):
        files = [entry.name for entry in entries if is_file(entry)]
        found["checkpoints"].extend(place / name for name in sorted(files) if name.endswith((".pth", ".pt")))
        found["annotations"].extend(
            place / name for name in sorted(files) if name.endswith(".json") and _is_annotation(place / name)
        )
        if any(one.splits(files) for one in datasets()):
            found["splits"].append(place)
        if any(_FRAME.fullmatch(name) for name in files):
            found["frames"].append(place.parent.parent)  # <root>/<class>/<video>/image_00001.jpg
        if any(name.lower().endswith(_VIDEO) for name in files):
            found["videos"].append(
                place.parent if place != folder and all(name.lower().endswith(_VIDEO) for name in files) else place
            )
        for kind, archives in _archives(place, sorted(files)).items():
            packed[kind].extend(archives)
    for kind, archives in packed.items():
        found[kind].extend(archives)
    return Candidates(**{kind: tuple(dict.fromkeys(paths)) for kind, paths in found.items()})


def _walk(folder: Path) -> Iterator[tuple[Path, list[os.DirEntry[str]]]]:
    pending = [(folder, 0)]
    while pending:
        place, depth = pending.pop(0)
        try:
            with os.scandir(place) as scan:
                entries = list(itertools.islice(scan, MOST_ENTRIES))
        except OSError:
            continue
        yield place, entries
        below = sorted(entry.name for entry in entries if is_folder(entry) and not entry.name.startswith("."))
        if depth < DEEPEST + 1:
            pending.extend((place / name, depth + 1) for name in below[: 200 if depth < DEEPEST else 3])


def _archives(place: Path, files: list[str]) -> dict[str, list[Path]]:
    """Archives of split files, and of videos: several of videos beside each other are one data set, a class each."""
    found: dict[str, list[Path]] = {"videos": [], "splits": []}
    for name in [name for name in files if archive_kind(name)][:MOST_ARCHIVES]:
        head = _head(place / name)
        if _HELD_LIST.search(head):
            found["splits"].append(place / name)
        elif _HELD_VIDEO.search(head):
            found["videos"].append(place / name)
    if len(found["videos"]) > 1:
        found["videos"] = [place]
    return found


def _head(archive: Path) -> bytes:
    """The beginning of what an archive holds, of a compressed tar that of the tar. Nothing where it is damaged."""
    try:
        with unpressed(archive) as stream:
            return stream.read(HEAD)
    except (OSError, *DAMAGE):
        return b""


def _is_annotation(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return b'"labels"' in file.read(4096)
    except OSError:
        return False
