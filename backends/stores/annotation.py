"""The guide's annotation json (`hmdb51_1.json`): labels, and for each video its subset, label and segment of frames.

    {"labels": [...], "database": {video_id: {"subset": "validation",
                                              "annotations": {"label": "wave", "segment": [1, 49]}}}}

`segment` is [first, end): `range(*segment)` names the frames. The order of the file is kept everywhere. What a
single entry has wrong sets that video aside; what the file has wrong raises InputError.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.contract.errors import InputError
from backends.contract.events import SetAside
from backends.contract.lines import Line, line

LONGEST_NAME = 200
"""Bytes of a video id or label; file systems allow 255 and we add suffixes."""


@dataclass(frozen=True, slots=True)
class Video:
    """One annotated video; frames are numbered from `first` up to, not including, `end`."""

    id: str
    label: str
    subset: str
    first: int
    end: int

    @property
    def frames(self) -> int:
        """Number of frames in the segment."""
        return max(0, self.end - self.first)


@dataclass(frozen=True, slots=True)
class Annotation:
    """A checked annotation file, in the file's order."""

    labels: tuple[str, ...]
    videos: tuple[Video, ...]
    set_aside: tuple[SetAside, ...] = ()

    def subset(self, name: str) -> Iterator[Video]:
        """The videos of a subset."""
        return (video for video in self.videos if video.subset == name)

    @property
    def class_index(self) -> dict[str, int]:
        """Label to class number: the place in the sorted list of labels, as the checkpoint was trained."""
        return {name: number for number, name in enumerate(sorted(self.labels))}


def name_trouble(name: str) -> Line | None:
    """Why `name` cannot be the name of a video or class on disk or screen; None where it can."""
    if not name or name in (".", ".."):
        return line("the name is empty")
    if "/" in name or "\\" in name:
        return line("the name holds a path separator")
    if len(name.encode("utf-8", "surrogatepass")) > LONGEST_NAME:
        return line("the name is longer than {limit} bytes", limit=LONGEST_NAME)
    if any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in name):
        return line("the name holds control characters")
    return None


def read_annotation(path: Path) -> Annotation:
    """Read and check an annotation file.

    Raises InputError with the place where the file is missing, is not JSON, or is not in the guide's form. Entries
    that cannot be used (duplicate or unusable ids, unknown labels, bad segments) are in `set_aside`, by name.
    """
    document, duplicates = _load(path)
    labels = document.get("labels") if isinstance(document, dict) else None
    database = document.get("database") if isinstance(document, dict) else None
    if not isinstance(labels, list) or not all(isinstance(name, str) for name in labels) or not labels:
        raise InputError(
            "{path}: no list of labels",
            hint="it must hold labels and database, as the guide's json does",
            path=str(path),
        )
    if not isinstance(database, dict):
        raise InputError(
            "{path}: no database", hint="it must hold labels and database, as the guide's json does", path=str(path)
        )
    if len(set(labels)) != len(labels):
        raise InputError("{path}: a label stands twice in labels", hint="list each class once", path=str(path))
    for name in labels:
        if trouble := name_trouble(name):
            text = "{path}: label {label}: {trouble}"
            raise InputError(text, hint="rename the class", path=str(path), label=ascii(name), trouble=str(trouble))
    known = frozenset(labels)
    videos: list[Video] = []
    aside = [SetAside(name, line("the id stands twice in the annotation")) for name in duplicates]
    for name, entry in database.items():
        if name in duplicates:
            continue
        video, trouble = _video(name, entry, known)
        if video is None:
            aside.append(SetAside(name, trouble))
        else:
            videos.append(video)
    return Annotation(tuple(labels), tuple(videos), tuple(aside))


def _load(path: Path) -> tuple[Any, dict[str, None]]:
    duplicates: dict[str, None] = {}

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        table: dict[str, Any] = {}
        for key, value in items:
            if key in table:
                duplicates[key] = None
            table[key] = value
        return table

    try:
        return json.loads(path.read_bytes(), object_pairs_hook=pairs), duplicates
    except OSError as error:
        hint = "give the annotation json in r3d.toml, or the folder of split files"
        raise InputError("{path}: {reason}", hint=hint, path=str(path), reason=error.strerror or str(error)) from None
    except json.JSONDecodeError as error:
        text = "{path}, line {line}, column {column}: not JSON: {reason}"
        place = {"line": error.lineno, "column": error.colno}
        raise InputError(text, hint="mend the file there", path=str(path), reason=error.msg, **place) from None
    except (UnicodeDecodeError, RecursionError) as error:
        text = "{path}: not JSON: {reason}"
        raise InputError(text, hint="give the annotation json", path=str(path), reason=type(error).__name__) from None


def _video(name: str, entry: Any, labels: frozenset[str]) -> tuple[Video | None, Line]:
    if trouble := name_trouble(name):
        return None, trouble
    if not isinstance(entry, dict) or not isinstance(entry.get("annotations"), dict):
        return None, line("the entry has no annotations")
    label, subset = entry["annotations"].get("label"), entry.get("subset")
    segment = entry["annotations"].get("segment")
    if not isinstance(label, str) or label not in labels:
        return None, line("the label {label} is not in the list of labels", label=ascii(label))
    if not isinstance(subset, str):
        return None, line("the entry has no subset")
    if not (isinstance(segment, list) and len(segment) == 2 and all(type(n) is int for n in segment)):
        return None, line("the segment is not a pair of frame numbers")
    first, end = segment
    if not 0 <= first < end <= 10_000_000:
        return None, line("the segment [{first}, {end}] holds no frames", first=first, end=end)
    return Video(name, label, subset, first, end), Line("")
