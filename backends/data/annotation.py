"""The annotation of a data set (`hmdb51_1.json`), read and written as the reference has it; every data stage reads it.

    {"labels": [...], "database": {video_id: {"subset": "validation",
                                              "annotations": {"label": "wave", "segment": [1, 49]}}}}

A class's number is its place in `labels`. `segment` is [first, end): `range(*segment)` names the frames. The file's
order is kept everywhere. An entry that no evaluation can count (no usable id, label or subset) is skipped by name; one
without frames (no segment, or `[1, 1]`) is a video like any other, since the reference counts it. `[1, null]`: to the
video's end, where nobody has counted its frames yet. What the file has wrong raises InputError.
"""

import json
import sys
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from backends.core.events import Skipped
from backends.core.files import read_file
from backends.core.messages import N_, InputError, Line, line

LONGEST_NAME = 200
"""Bytes of a video id or label; file systems allow 255 and we add suffixes."""

LARGEST_FILE = 512 << 20
"""Bytes of a JSON document that is read; 650,000 videos take about 80 MB as an annotation, 180 MB as a val.json."""

MOST_FRAMES = 10_000_000
"""Frames of one video."""
OPEN_END = MOST_FRAMES + 1
"""The end of a segment that goes to the video's end."""

_FORM = N_("it must hold labels and database, as the reference's json does")
_UNPRINTABLE = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))


class Video(msgspec.Struct, frozen=True, gc=False):
    """One annotated video; frames are numbered from `first` up to, not including, `end`."""

    id: str
    label: str
    subset: str
    first: int = 0
    end: int = 0
    """Both 0 where the annotation gives no usable segment; `OPEN_END`: to the video's end."""

    @property
    def frames(self) -> int:
        """`OPEN_END - 1` where nobody has counted them."""
        return max(0, self.end - self.first)

    @property
    def is_open(self) -> bool:
        """Its frames are all that the video has."""
        return self.end == OPEN_END


class Annotation(msgspec.Struct, frozen=True):
    """A checked annotation, in the file's order."""

    labels: tuple[str, ...]
    videos: tuple[Video, ...]
    set_aside: tuple[Skipped, ...] = ()

    def subset(self, name: str) -> tuple[Video, ...]:
        """The videos of a subset, those without frames too."""
        return tuple(video for video in self.videos if video.subset == name)

    def skipped_in(self, subset: str) -> tuple[Skipped, ...]:
        """What was skipped of a subset; entries that name no subset count for each."""
        return tuple(entry for entry in self.set_aside if entry.subset in (None, subset))

    @property
    def subsets(self) -> str:
        """Names of the subsets that have videos, for a message."""
        return ", ".join(short(name) for name in sorted({video.subset for video in self.videos})[:6]) or "none"


def short(text: str, limit: int = 120) -> str:
    """Foreign text for a line of words: cut where it is long."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def name_problem(name: str) -> Line | None:
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

    Raises InputError with the place where the file is missing, too large, is not JSON, or is not in the reference's
    form. Entries that cannot be counted (duplicate or unusable ids, unknown labels) are in `set_aside`, by name.
    """
    labels, database = _check_form(path, read_json(path, N_("give the annotation json in r3d.toml"), _table))
    return _annotation(labels, database)


def read_labels(path: Path) -> tuple[str, ...]:
    """The labels of an annotation file, in class order; errors as `read_annotation`."""
    return _check_form(path, read_json(path, N_("give the annotation json in r3d.toml"), _table))[0]


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
        label = (f'"label": {quoted(video.label)}',) if video.label else ()  # Kinetics keeps those of its testing part
        end = "null" if video.is_open else video.end
        segment = (f'"segment": [{video.first}, {end}]',) if video.end else ()
        yield (
            f'{comma}{quote(video.id)}: {{"subset": {quoted(video.subset)}, "annotations": '
            f"{{{', '.join((*label, *segment))}}}}}"
        ).encode("ascii")
        comma = ", "
    yield b"}}"


def read_json(path: Path, hint: str, table: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """A JSON document of at most `LARGEST_FILE` bytes; `table` makes each of its tables from pairs.

    The one reader of annotations and of val.json, with the parser of the reference's own scripts. InputError with
    line and column where it is not JSON, and as of `read_file`.
    """
    data = read_file(path, hint=hint, most=LARGEST_FILE)
    try:
        return json.loads(data, object_pairs_hook=table)
    except json.JSONDecodeError as error:
        text = N_("{path}, line {line}, column {column}: not JSON: {reason}")
        place = {"line": error.lineno, "column": error.colno}
        raise InputError(text, hint="fix the file there", path=str(path), reason=error.msg, **place) from None
    except (ValueError, RecursionError) as error:  # bad UTF-8, numbers of thousands of digits, nesting without end
        text = N_("{path}: not JSON: {reason}")
        raise InputError(text, hint=hint, path=str(path), reason=type(error).__name__) from None


class _Twice(dict[str, Any]):
    """A JSON table in which a key stands twice; `keys_twice` names them."""

    def __init__(self, items: list[tuple[str, Any]]) -> None:
        super().__init__(items)
        seen: set[str] = set()
        self.keys_twice = dict.fromkeys(key for key, _ in items if key in seen or seen.add(key))  # type: ignore[func-returns-value]


class _Entry(msgspec.Struct, frozen=True, gc=False):
    """What an entry of the database says, as soon as it is parsed: a tenth of the memory of its tables."""

    subset: Any
    label: Any
    first: int
    end: int
    problem: Line | None = None


def _table(items: list[tuple[str, Any]]) -> Any:
    table = dict(items)
    if len(table) != len(items):
        table = _Twice(items)
    if "annotations" not in table or "database" in table or isinstance(table["annotations"], _Entry):
        return table  # the last: a database with a video of that name
    return _entry(table)


def _entry(table: dict[str, Any]) -> _Entry:
    annotations, subset = table["annotations"], table.get("subset")
    if isinstance(subset, str):
        subset = sys.intern(subset)
    if not isinstance(annotations, dict):
        return _Entry(subset, None, 0, 0, line("the entry has no annotations"))
    if isinstance(table, _Twice) or isinstance(annotations, _Twice):
        return _Entry(subset, None, 0, 0, line("a key stands twice in the entry"))
    label = annotations.get("label")
    if isinstance(label, str):
        label = sys.intern(label)
    return _Entry(subset, label, *_segment(annotations.get("segment")))


def _segment(value: Any) -> tuple[int, int]:
    """First frame and end; zeros where they name no frames at all."""
    if value == [1, None]:
        return 1, OPEN_END
    if isinstance(value, list) and len(value) == 2 and all(type(number) is int for number in value):
        first, end = value
        if 0 <= first <= end <= MOST_FRAMES:
            return first, end
    return 0, 0


def _check_form(path: Path, document: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The labels and the database of a document in the reference's form."""
    labels = document.get("labels") if isinstance(document, dict) else None
    database = document.get("database") if isinstance(document, dict) else None
    if not isinstance(labels, list) or not all(isinstance(name, str) for name in labels) or not labels:
        raise InputError("{path}: no list of labels", hint=_FORM, path=str(path))
    if not isinstance(database, dict):
        raise InputError("{path}: no database", hint=_FORM, path=str(path))
    if isinstance(document, _Twice) and document.keys_twice.keys() & {"labels", "database"}:
        raise InputError("{path}: labels or database stands twice", hint="keep one of each", path=str(path))
    if len(set(labels)) != len(labels):
        raise InputError("{path}: a label stands twice in labels", hint="list each class once", path=str(path))
    for name in labels:
        if problem := name_problem(name):
            text, label = N_("{path}: label {label}: {trouble}"), short(ascii(name))
            raise InputError(text, hint="rename the class", path=str(path), label=label, trouble=str(problem))
    return tuple(labels), database


def _annotation(labels: tuple[str, ...], database: dict[str, Any]) -> Annotation:
    known = {name: name for name in labels}
    duplicates: dict[str, None] = database.keys_twice if isinstance(database, _Twice) else {}
    videos: list[Video] = []
    skipped: list[Skipped] = []
    for name, entry in database.items():
        subset = entry.subset if isinstance(entry, _Entry) and isinstance(entry.subset, str) else None
        twice = line("the id stands twice in the annotation") if name in duplicates else None
        made = twice or _video(name, entry, known)
        if isinstance(made, Video):
            videos.append(made)
        else:
            skipped.append(Skipped(short(name), made, subset=subset))
    return Annotation(labels, tuple(videos), tuple(skipped))


def _video(name: str, entry: Any, labels: dict[str, str]) -> Video | Line:
    """A video, or why the entry is none."""
    if problem := name_problem(name):
        return problem
    if not isinstance(entry, _Entry):
        return line("the entry has no annotations")
    if entry.problem:
        return entry.problem
    if not isinstance(entry.label, str) or entry.label not in labels:
        return line("the label {label} is not in the list of labels", label=short(ascii(entry.label)))
    if not isinstance(entry.subset, str):
        return line("the entry has no subset")
    return Video(name, labels[entry.label], entry.subset, entry.first, entry.end)
