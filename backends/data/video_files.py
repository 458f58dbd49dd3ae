"""The videos under a folder, each with its class and its id, for the frames stage and the check. It opens none of them.

A folder of a class holds the class's videos; a video beside the class folders gets its class from the annotation or
the lists, else from a data set's way of naming videos.
"""

from __future__ import annotations

import itertools
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from msgspec import Struct

from backends.core.errors import InputError
from backends.core.events import SetAside
from backends.core.messages import N_, Line, line, os_reason
from backends.core.settings import VIDEO_SUFFIXES
from backends.data.annotation import name_problem, short
from backends.data.datasets import datasets, video_id
from backends.data.datasets.hmdb51 import PREFIX
from backends.data.frame_files import is_folder

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
    set_aside: tuple[SetAside, ...]


def find_videos(roots: Sequence[Path], known: Callable[[], Mapping[str, str]]) -> Found:
    """All videos under `roots`; `known` gives the label of each known id and is asked only where it is needed.

    InputError where the folder cannot be read or holds no video. Unusable names, and ids that stand twice, are set
    aside: the annotation could not tell them apart.
    """
    known = cache(known)
    sources: list[Source] = []
    aside: list[SetAside] = []
    for path, folder in itertools.chain.from_iterable(map(_files, roots)):
        item = short(path.name if folder is None else f"{folder}/{path.name}")
        source, problem = _source(path, folder, known)
        if source is None:
            aside.append(SetAside(item, problem))
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


def _apart(sources: list[Source], known: Callable[[], Mapping[str, str]]) -> tuple[list[Source], list[SetAside]]:
    """Videos whose id is their own, and why the others are not used; the annotation's class decides where it can."""
    by_id: dict[str, list[Source]] = defaultdict(list)
    for source in sources:
        by_id[source.id].append(source)
    once: list[Source] = []
    aside: list[SetAside] = []
    for identity, group in by_id.items():
        fitting = group if len(group) == 1 else [s for s in group if s.label == known().get(identity)]
        kept = fitting[0] if len(fitting) == 1 else None
        once += [kept] if kept else []
        for source in group:
            if source is not kept:
                item = short(f"{source.label}/{source.path.name}")
                aside.append(SetAside(item, line("the id {id} stands {n} times", id=identity, n=len(group))))
    return once, aside
