"""An annotation in the guide's own spelling, read in one pass without building the document.

`json.loads` of 650,000 videos makes some four million objects: 700 MB and most of the time. Files that the guide's
script, `json.dumps` or we wrote have one spelling, which one pattern reads; whatever differs in the least (another
order of keys, an escape, a name that needs a closer look, an id that stands twice) is left to the careful reader.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import IO

from backends.data.fast_json_scan import END, NAME, NotPlainError, scan
from backends.data.video_columns import VideoTable

_NO_NAMES = (b".", b"..")
_HEAD = re.compile(rb'\{"labels": ?(\[[^\]\\]*\]), ?"database": ?\{')
_ENTRY = re.compile(
    NAME + rb': ?\{"subset": ?' + NAME + rb', ?"annotations": ?\{"label": ?' + NAME + rb', ?"segment": ?'
    rb"\[(0|[1-9][0-9]{0,7}), ?(0|[1-9][0-9]{0,7})\]\}\}" + END
)


def read_plain(file: IO[bytes], most_frames: int) -> tuple[list[str], VideoTable] | None:
    """Labels and videos of a file; None where it needs the careful reader."""
    try:
        entries = scan(file, _HEAD, _ENTRY)
        labels = _labels(next(entries))
        return labels, _videos(entries, frozenset(labels), most_frames)
    except ValueError:  # NotPlainError among them
        return None


def read_plain_labels(file: IO[bytes]) -> list[str] | None:
    """Labels of a file alone, without its videos; None as of `read_plain`."""
    try:
        return _labels(next(scan(file, _HEAD, _ENTRY)))
    except ValueError:
        return None


def _labels(head: re.Match[bytes]) -> list[str]:
    labels: list[str] = json.loads(head[1])
    if not labels or not all(isinstance(name, str) for name in labels):
        raise NotPlainError
    return labels


def _videos(entries: Iterator[re.Match[bytes]], labels: Collection[str], most_frames: int) -> VideoTable:
    known: dict[bytes, int] = {}
    subsets: dict[bytes, int] = {}
    videos = VideoTable()
    append = videos.append
    for found in entries:
        name, subset, label, first, end, _ = found.groups()
        number = known.get(label)
        if number is None:
            if (text := label.decode("ascii")) not in labels:
                raise NotPlainError
            number = known[label] = videos.word(text)
        group = subsets.get(subset)
        if group is None:
            group = subsets[subset] = videos.word(subset.decode("ascii"))
        begin, stop = int(first), int(end)
        if not begin < stop <= most_frames:
            raise NotPlainError
        append(name.decode("ascii"), number, group, begin, stop)
        if name in _NO_NAMES:
            raise NotPlainError
    if videos.ids.repeat():
        raise NotPlainError
    return videos
