"""The guide's annotation json (`hmdb51_1.json`): labels, and for each video its subset, label and segment of frames.

    {"labels": [...], "database": {video_id: {"subset": "validation",
                                              "annotations": {"label": "wave", "segment": [1, 49]}}}}

`segment` is [first, end): `range(*segment)` names the frames. The order of the file is kept everywhere. What a
single entry has wrong sets that video aside; what the file has wrong raises InputError.
"""

from __future__ import annotations

import contextlib
import gc
import json
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from backends.core.errors import InputError
from backends.core.events import SetAside
from backends.core.messages import Line, line
from backends.data.fast_annotation_scan import read_plain, read_plain_labels
from backends.data.video_columns import Video, VideoTable, VideoView

__all__ = [
    "Annotation",
    "Video",
    "VideoTable",
    "VideoView",
    "annotation_json",
    "annotation_pieces",
    "name_trouble",
    "read_annotation",
    "read_labels",
    "short",
]

LONGEST_NAME = 200
"""Bytes of a video id or label; file systems allow 255 and we add suffixes."""

LARGEST_FILE = 1 << 30
"""Bytes of an annotation file; one of 650,000 videos has about 80 MB."""

MOST_FRAMES = 10_000_000
"""Frames of one video."""

_FORM = "it must hold labels and database, as the guide's json does"
_UNPRINTABLE = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))


@dataclass(frozen=True, slots=True)
class Annotation:
    """A checked annotation file, in the file's order."""

    labels: tuple[str, ...]
    videos: Sequence[Video]
    set_aside: tuple[SetAside, ...] = ()

    def subset(self, name: str) -> VideoView:
        """The videos of a subset."""
        videos = self.videos if isinstance(self.videos, VideoTable) else VideoTable(self.videos)
        return videos.subset(name)

    @property
    def class_index(self) -> dict[str, int]:
        """Label to class number: its place in the list of labels, as the reference trains and evaluates."""
        return {name: number for number, name in enumerate(self.labels)}


def short(text: str, limit: int = 120) -> str:
    """Foreign text for a line of words: cut where it is long."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def name_trouble(name: str) -> Line | None:
    """Why `name` cannot be the name of a video or class on disk or screen; None where it can."""
    if not name or name in (".", ".."):
        return line("the name is empty")
    if "/" in name or "\\" in name:
        return line("the name holds a path separator")
    if len(name) > LONGEST_NAME or len(name.encode("utf-8", "surrogatepass")) > LONGEST_NAME:
        return line("the name is longer than {limit} bytes", limit=LONGEST_NAME)
    if not name.isprintable() and any(unicodedata.category(c) in _UNPRINTABLE for c in name):
        return line("the name holds control characters")
    return None


def read_annotation(path: Path) -> Annotation:
    """Read and check an annotation file.

    Raises InputError with the place where the file is missing, is not JSON, or is not in the guide's form. Entries
    that cannot be used (duplicate or unusable ids, unknown labels, bad segments) are in `set_aside`, by name.
    """
    collecting = gc.isenabled()
    gc.disable()  # millions of small tables and no cycles: the collector would take half of the time
    try:
        with _open(path) as file:
            if plain := read_plain(file, MOST_FRAMES):
                labels, _ = _check_form(path, {"labels": plain[0], "database": {}})
                return Annotation(labels, plain[1])
            file.seek(0)
            data = file.read()
        labels, database = _check_form(path, _document(path, data))
        return _annotation(labels, database)
    finally:
        if collecting:
            gc.enable()


def read_labels(path: Path) -> tuple[str, ...]:
    """The labels of an annotation file that a stage before has read whole; errors as `read_annotation`."""
    with _open(path) as file:
        labels = read_plain_labels(file)
    return read_annotation(path).labels if labels is None else _check_form(path, {"labels": labels, "database": {}})[0]


def annotation_json(annotation: Annotation) -> bytes:
    """The annotation as the guide's script writes it: one line of ASCII JSON, keys in its order."""
    return b"".join(annotation_pieces(annotation))


def annotation_pieces(annotation: Annotation) -> Iterator[bytes]:
    """`annotation_json` video by video."""
    quoted = lru_cache(maxsize=4096)(json.dumps)
    quote = json.encoder.encode_basestring_ascii  # what `json.dumps` calls for a str
    yield f'{{"labels": {json.dumps(annotation.labels)}, "database": {{'.encode("ascii")
    comma = ""
    for video in annotation.videos:
        yield (
            f'{comma}{quote(video.id)}: {{"subset": {quoted(video.subset)}, "annotations": '
            f'{{"label": {quoted(video.label)}, "segment": [{video.first}, {video.end}]}}}}'
        ).encode("ascii")
        comma = ", "
    yield b"}}"


class _Twice(dict[str, Any]):
    """A JSON table in which a key stands twice; `keys_twice` names them in order."""

    def __init__(self, items: list[tuple[str, Any]]) -> None:
        super().__init__(items)
        seen: set[str] = set()
        self.keys_twice = dict.fromkeys(key for key, _ in items if key in seen or seen.add(key))  # type: ignore[func-returns-value]


def _table(items: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(items)
    return table if len(table) == len(items) else _Twice(items)


def _parse(data: bytes) -> Any:
    """The JSON document, with a `_Twice` for each table that has a key twice.

    A hook for every table doubles the time, so it is left out where no key can stand twice: every key in the text has
    its colon, so as many colons as keys in the result prove that none was overwritten.
    """
    document = json.loads(data)
    if isinstance(document, dict) and data.count(b":") == _count_keys(document):
        return document
    return json.loads(data, object_pairs_hook=_table)


def _count_keys(document: dict[str, Any]) -> int:
    """Keys of the tables that the guide's form has; others are left out, which only costs the slow way."""
    count, database = len(document), document.get("database")
    if isinstance(database, dict):
        count += len(database)
        for entry in database.values():
            if isinstance(entry, dict):
                annotations = entry.get("annotations")
                count += len(entry) + (len(annotations) if isinstance(annotations, dict) else 0)
    return count


@contextlib.contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    hint = "give the annotation json in r3d.toml, or the folder of split files"
    try:
        if path.exists() and not path.is_file():
            raise InputError("{path}: not a file", hint=hint, path=str(path))
        if path.stat().st_size > LARGEST_FILE:
            raise InputError("{path}: larger than {limit} bytes", hint=hint, path=str(path), limit=LARGEST_FILE)
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        raise InputError("{path}: {reason}", hint=hint, path=str(path), reason=error.strerror or str(error)) from None


def _document(path: Path, data: bytes) -> Any:
    try:
        return _parse(data)
    except json.JSONDecodeError as error:
        text = "{path}, line {line}, column {column}: not JSON: {reason}"
        place = {"line": error.lineno, "column": error.colno}
        raise InputError(text, hint="mend the file there", path=str(path), reason=error.msg, **place) from None
    except (ValueError, RecursionError) as error:  # bad UTF-8, numbers of thousands of digits, nesting without end
        text = "{path}: not JSON: {reason}"
        raise InputError(text, hint="give the annotation json", path=str(path), reason=type(error).__name__) from None


def _check_form(path: Path, document: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The labels and the database of a document in the guide's form."""
    labels = document.get("labels") if isinstance(document, dict) else None
    database = document.get("database") if isinstance(document, dict) else None
    if not isinstance(labels, list) or not all(isinstance(name, str) for name in labels) or not labels:
        raise InputError("{path}: no list of labels", hint=_FORM, path=str(path))
    if not isinstance(database, dict):
        raise InputError("{path}: no database", hint=_FORM, path=str(path))
    if isinstance(document, _Twice):
        raise InputError("{path}: labels or database stands twice", hint="keep one of each", path=str(path))
    if len(set(labels)) != len(labels):
        raise InputError("{path}: a label stands twice in labels", hint="list each class once", path=str(path))
    for name in labels:
        if trouble := name_trouble(name):
            text, label = "{path}: label {label}: {trouble}", short(ascii(name))
            raise InputError(text, hint="rename the class", path=str(path), label=label, trouble=str(trouble))
    return tuple(labels), database


def _annotation(labels: tuple[str, ...], database: dict[str, Any]) -> Annotation:
    known = {name: name for name in labels}
    duplicates: dict[str, None] = database.keys_twice if isinstance(database, _Twice) else {}
    videos = VideoTable()
    aside = [SetAside(short(name), line("the id stands twice in the annotation")) for name in duplicates]
    for name, entry in database.items():
        if name in duplicates:
            continue
        made = _video(name, entry, known)
        if isinstance(made, Video):
            videos.add(made)
        else:
            aside.append(SetAside(short(name), made))
    return Annotation(labels, videos, tuple(aside))


def _video(name: str, entry: Any, labels: dict[str, str]) -> Video | Line:
    """A video, or why the entry is none."""
    if trouble := name_trouble(name):
        return trouble
    annotations = entry.get("annotations") if isinstance(entry, dict) else None
    if not isinstance(annotations, dict):
        return line("the entry has no annotations")
    if isinstance(entry, _Twice) or isinstance(annotations, _Twice):
        return line("a key stands twice in the entry")
    label, subset, segment = annotations.get("label"), entry.get("subset"), annotations.get("segment")
    if not isinstance(label, str) or label not in labels:
        return line("the label {label} is not in the list of labels", label=short(ascii(label)))
    if not isinstance(subset, str):
        return line("the entry has no subset")
    if not (isinstance(segment, list) and len(segment) == 2 and all(type(n) is int for n in segment)):
        return line("the segment is not a pair of frame numbers")
    first, end = segment
    if not 0 <= first < end <= MOST_FRAMES:
        return line("the segment [{first}, {end}] holds no frames", first=short(str(first)), end=short(str(end)))
    return Video(name, labels[label], sys.intern(subset), first, end)
