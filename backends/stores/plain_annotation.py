"""An annotation in the guide's own spelling, read in one pass without building the document.

`json.loads` of 650,000 videos makes some four million objects: 700 MB and most of the time. Files that the guide's
script, `json.dumps` or we wrote have one spelling, which one pattern reads; whatever differs in the least (another
order of keys, an escape, a name that needs a closer look, an id that stands twice) is left to the careful reader.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection

from backends.stores.videos import VideoTable

_HEAD = re.compile(rb'\{"labels": ?(\[[^\]\\]*\]), ?"database": ?\{')
_NAME = rb'"([ !#-.0-\[\]-~]{1,200})"'  # ASCII that prints, without quotes and separators of paths
_ENTRY = re.compile(
    _NAME + rb': ?\{"subset": ?' + _NAME + rb', ?"annotations": ?\{"label": ?' + _NAME + rb', ?"segment": ?'
    rb"\[(0|[1-9][0-9]{0,7}), ?(0|[1-9][0-9]{0,7})\]\}\}(, ?|\}\}\s*\Z)"
)


def read_plain(data: bytes, most_frames: int) -> tuple[list[str], VideoTable] | None:
    """Labels and videos of a file's bytes; None where it needs the careful reader."""
    head = _HEAD.match(data)
    if head is None:
        return None
    try:
        labels = json.loads(head[1])
    except ValueError:
        return None
    if not labels or not all(isinstance(name, str) for name in labels):
        return None
    videos = _entries(data, head.end(), frozenset(labels), most_frames)
    return None if videos is None else (labels, videos)


def _entries(data: bytes, at: int, labels: Collection[str], most_frames: int) -> VideoTable | None:
    known: dict[bytes, int] = {}
    subsets: dict[bytes, int] = {}
    videos = VideoTable()
    append, last = videos.append, b""
    for found in _ENTRY.finditer(data, at):
        if found.start() != at:
            return None
        at = found.end()
        name, subset, label, first, end, last = found.groups()
        number = known.get(label)
        if number is None:
            if (text := label.decode("ascii")) not in labels:
                return None
            number = known[label] = videos.word(text)
        group = subsets.get(subset)
        if group is None:
            group = subsets[subset] = videos.word(subset.decode("ascii"))
        begin, stop = int(first), int(end)
        if not begin < stop <= most_frames:
            return None
        append(name.decode("ascii"), number, group, begin, stop)
    if not last.startswith(b"}"):
        return None
    seen = set(videos.ids)
    return videos if len(seen) == len(videos) and seen.isdisjoint((".", "..")) else None
