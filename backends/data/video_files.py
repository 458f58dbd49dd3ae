"""Videos and folders of frames as they lie on disk: classes, ids, names of frames; for the stages and the check.

It opens no video.

A folder of a class holds the class's videos; a video beside the class folders gets its class from the annotation or
the lists, else from a data set's way of naming videos.
"""

import itertools
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from msgspec import Struct

from backends.core.events import Skipped
from backends.core.messages import N_, InputError, Line, line, os_reason
from backends.core.settings import VIDEO_SUFFIXES
from backends.data.annotation import name_problem, short
from backends.data.datasets import datasets, video_id
from backends.data.datasets.hmdb51 import PREFIX

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


UNLABELLED = "unlabelled"
"""The class of a video whose class nothing gives."""

NOT_TAKEN = frozenset(
    (".ogv", ".ogg", ".rm", ".rmvb", ".mxf", ".y4m", ".yuv", ".gif", ".h264", ".264", ".h265", ".hevc", ".dv", ".swf",
     ".nut", ".ivf")
)  # fmt: skip
"""Suffixes of videos in containers that are not opened here; such a file is skipped by name."""


_SUFFIXES = VIDEO_SUFFIXES | NOT_TAKEN


class Source(Struct, frozen=True):
    """A video file, and where its frames belong."""

    path: Path
    label: str
    id: str

    @property
    def name(self) -> str:
        """How the video is named to people: `<class>/<id>`."""
        return f"{self.label}/{self.id}"


class Found(Struct, frozen=True):
    """What a folder holds, sorted by class and id."""

    videos: tuple[Source, ...]
    set_aside: tuple[Skipped, ...]


def find_videos(roots: Sequence[Path], known: Callable[[], Mapping[str, str]]) -> Found:
    """All videos under `roots`; `known` gives the label of each known id and is asked only where it is needed.

    InputError where the folder cannot be read or holds no video. Unusable names, and ids that stand twice, are set
    aside: the annotation could not tell them apart.
    """
    known = cache(known)
    sources: list[Source] = []
    aside: list[Skipped] = []
    for path, folder in itertools.chain.from_iterable(map(_files, roots)):
        item = short(path.name if folder is None else f"{folder}/{path.name}")
        source, problem = _source(path, folder, known)
        if source is None:
            aside.append(Skipped(item, problem))
        else:
            sources.append(source)
    if not sources and not aside:
        hint, taken = N_("it must hold <class>/<video>.avi (or {taken})"), ", ".join(sorted(VIDEO_SUFFIXES - {".avi"}))
        raise InputError("{path}: no videos", hint=hint, path=str(roots[0]), taken=taken)
    once, twice = _apart(sources, known)
    return Found(tuple(sorted(once, key=lambda s: (s.label, s.id))), (*aside, *twice))


def _files(root: Path) -> Iterator[tuple[Path, str | None]]:
    """Video files and the name of their class folder; a class folder may hold one of its own name, as archives do."""
    for entry in _entries(root):
        if is_folder(entry):
            for inner in _entries(Path(entry.path)):
                if inner.name == entry.name and is_folder(inner):
                    yield from ((Path(e.path), entry.name) for e in _entries(Path(inner.path)) if _is_video(e))
                elif _is_video(inner):
                    yield Path(inner.path), entry.name
        elif _is_video(entry):
            yield Path(entry.path), None


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted((e for e in found if not e.name.startswith(".")), key=lambda e: e.name)
    except OSError as error:
        reason, hint = os_reason(error), N_("give a folder of videos that can be read")
        raise InputError("{path}: {reason}", hint=hint, path=str(folder), reason=reason) from None


def _is_video(entry: os.DirEntry[str]) -> bool:
    """By its name; a link that leads to itself is one that cannot be opened."""
    return suffix(entry.name) in _SUFFIXES and not is_folder(entry)


def suffix(name: str) -> str:
    """A file name's suffix in lower case, with its dot."""
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - names, quickly


def _source(
    path: Path, folder: str | None, known: Callable[[], Mapping[str, str]]
) -> tuple[Source, Line] | tuple[None, Line]:
    if suffix(path.name) in NOT_TAKEN:
        taken = ", ".join(sorted(VIDEO_SUFFIXES))
        return None, line("videos of its kind are not read: convert it to one of {taken}", taken=taken)
    identity = video_id(path.name)
    rest = identity.removeprefix(PREFIX)
    if rest != identity and identity not in known() and rest in known():
        identity = rest
    problem = name_problem(identity)
    if folder is not None:
        problem = problem or name_problem(folder)
        label = folder
    else:
        label = known().get(identity) or named_class(identity)
    return (None, problem) if problem else (Source(path, label, identity), Line(""))


def named_class(identity: str) -> str:
    """The class that a data set reads in a video's name; `unlabelled` where none does."""
    return next((label for one in datasets() if (label := one.class_of(identity))), UNLABELLED)


def _apart(sources: list[Source], known: Callable[[], Mapping[str, str]]) -> tuple[list[Source], list[Skipped]]:
    """Videos whose id is their own, and why the others are not used; the annotation's class decides where it can."""
    by_id: dict[str, list[Source]] = defaultdict(list)
    for source in sources:
        by_id[source.id].append(source)
    once: list[Source] = []
    aside: list[Skipped] = []
    for identity, group in by_id.items():
        fitting = group if len(group) == 1 else [s for s in group if s.label == known().get(identity)]
        kept = fitting[0] if len(fitting) == 1 else None
        once += [kept] if kept else []
        for source in group:
            if source is not kept:
                item = short(f"{source.label}/{source.path.name}")
                aside.append(Skipped(item, line("the id {id} stands {n} times", id=identity, n=len(group))))
    return once, aside
