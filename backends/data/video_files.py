"""The videos under a folder, each with its class and its id. It opens none of them.

A folder of a class holds the class's videos, as HMDB51 is unpacked; a video beside the class folders gets its class
from the annotation or the split files, else from HMDB51's way of naming files.
"""

from __future__ import annotations

import itertools
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from backends.core.errors import InputError
from backends.core.events import SetAside
from backends.core.messages import N_, Line, line, os_reason
from backends.core.settings import VIDEO_SUFFIXES
from backends.data.annotation import name_trouble, short
from backends.data.class_names import HMDB51
from backends.data.split_files import video_id

UNLABELLED = "unlabelled"
"""The class of a video of which nothing tells the class."""

_PREFIX = "hmdb51_"
_PATTERN = re.compile(r"(?P<head>.+)_[fhlu]_(?:cm|nm)_np\d+_(?:fr|ba|le|ri)_(?:goo|med|bad)_\d+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Source:
    """A video file, and where its frames belong."""

    path: Path
    label: str
    id: str

    @property
    def name(self) -> str:
        """How the video is named to people: `<class>/<id>`."""
        return f"{self.label}/{self.id}"


@dataclass(frozen=True, slots=True)
class Found:
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
        source, trouble = _source(path, folder, known)
        if source is None:
            aside.append(SetAside(item, trouble))
        else:
            sources.append(source)
    if not sources and not aside:
        hint = N_("it must hold <class>/<video>.avi (or .mp4, .mkv, .webm, .mov, .mpg)")
        raise InputError("{path}: no videos", hint=hint, path=str(roots[0]))
    once, twice = _apart(sources, known)
    return Found(tuple(sorted(once, key=lambda s: (s.label, s.id))), (*aside, *twice))


def _files(root: Path) -> Iterator[tuple[Path, str | None]]:
    """Video files and the name of their class folder; a class folder may hold one of its own name, as archives do."""
    for entry in _entries(root):
        if entry.is_dir():
            for inner in _entries(Path(entry.path)):
                if inner.name == entry.name and inner.is_dir():
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
    return os.path.splitext(entry.name)[1].lower() in VIDEO_SUFFIXES and not entry.is_dir()  # noqa: PTH122 - names, quickly


def _source(
    path: Path, folder: str | None, known: Callable[[], Mapping[str, str]]
) -> tuple[Source, Line] | tuple[None, Line]:
    identity = video_id(path.name)
    rest = identity.removeprefix(_PREFIX)
    if rest != identity and identity not in known() and rest in known():
        identity = rest
    trouble = name_trouble(identity)
    if folder is not None:
        trouble = trouble or name_trouble(folder)
        label = folder
    else:
        label = known().get(identity) or named_class(identity)
    return (None, trouble) if trouble else (Source(path, label, identity), Line(""))


def named_class(identity: str) -> str:
    """The class in a name such as `TrumanShow_wave_f_nm_np1_fr_med_26`; `unlabelled` where it has none of HMDB51's."""
    match = _PATTERN.fullmatch(identity)
    head = match["head"] if match else ""
    fitting = (label for label in HMDB51 if head == label or head.endswith("_" + label))
    return max(fitting, key=len, default=UNLABELLED)


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
