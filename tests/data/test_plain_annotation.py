"""The quick way of reading an annotation gives what the careful one gives, or leaves the file to it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.core.errors import InputError
from backends.data import annotation
from backends.data.annotation import MOST_FRAMES, read_annotation
from backends.data.fast_annotation_scan import read_plain
from backends.data.video_columns import Video, VideoTable

ENTRY = {"subset": "validation", "annotations": {"label": "wave", "segment": [1, 49]}}


def _text(database: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"labels": ["wave", "run"], "database": database, **more}).encode()


def test_the_guides_spelling_is_read_in_one_pass(shared: Path) -> None:
    """The guide's own file needs no careful reader, and both see the same in it."""
    path = shared / "data/reference/hmdb51_1.json"
    found = read_plain(io.BytesIO(path.read_bytes()), MOST_FRAMES)
    assert found is not None
    document = json.loads(path.read_bytes())
    assert (document["labels"], list(document["database"])) == (found[0], found[1].ids)
    careful = annotation._annotation(tuple(document["labels"]), document["database"])
    assert (careful.videos, ()) == (found[1], careful.set_aside)


@pytest.mark.parametrize("compact", [True, False])
def test_both_ways_of_blanks_are_plain(compact: bool) -> None:
    """`json.dumps` puts blanks after its signs, other writers put none."""
    document = {"labels": ["wave"], "database": {"a b": ENTRY, "[c]": ENTRY}}
    data = json.dumps(document, separators=(",", ":") if compact else None).encode()
    found = read_plain(io.BytesIO(data), MOST_FRAMES)
    assert found is not None
    assert ["a b", "[c]"] == found[1].ids


@pytest.mark.parametrize(
    "data",
    [
        _text({}),
        _text({"a": ENTRY}, more=1),
        _text({"a": {**ENTRY, "url": "x"}}),
        _text({"a": {"annotations": ENTRY["annotations"], "subset": "validation"}}),
        _text({"a": {"subset": "x", "annotations": {"label": "fly", "segment": [1, 2]}}}),
        _text({"a": {"subset": "x", "annotations": {"label": "wave", "segment": [2, 2]}}}),
        _text({"a": {"subset": "x", "annotations": {"label": "wave", "segment": [1, 2.5]}}}),
        _text({"é": ENTRY}),
        _text({"a/b": ENTRY}),
        _text({"..": ENTRY}),
        _text({"n" * 201: ENTRY}),
        _text({"a": ENTRY}).replace(b'"run"]', b'3]'),
        _text({"a": ENTRY})[:-1],
        _text({"a": ENTRY, "b": ENTRY}).replace(b'"b"', b'"a"'),
        _text({"a": ENTRY}) + b" x",
        b"\xef\xbb\xbf" + _text({"a": ENTRY}),
        json.dumps({"labels": ["wave"], "database": {"a": ENTRY}}, indent=1).encode(),
    ],
)  # fmt: skip
def test_what_is_not_plain_is_left_to_the_careful_reader(data: bytes) -> None:
    """Anything that might be wrong, and anything in another spelling."""
    assert read_plain(io.BytesIO(data), MOST_FRAMES) is None


NAMES = st.text(st.characters(codec="ascii"), max_size=6) | st.sampled_from(["a", "..", "é", "wave", "\\", 'x"y'])
ENTRIES = st.fixed_dictionaries(
    {
        "subset": NAMES,
        "annotations": st.fixed_dictionaries(
            {
                "label": st.sampled_from(["wave", "run", "fly"]),
                "segment": st.lists(st.integers(-1, 10**9) | st.integers(0, 5), min_size=2, max_size=2),
            }
        ),
    }
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(NAMES, ENTRIES, max_size=3), st.binary(max_size=2), st.integers(0, 300))
def test_the_quick_way_never_says_anything_else(database: dict[str, Any], noise: bytes, place: int) -> None:
    """Damaged or not: where it reads a file at all, the careful reader sees the same and sets nothing aside."""
    data = _text(database)
    data = data[:place] + noise + data[place:]
    found = read_plain(io.BytesIO(data), MOST_FRAMES)
    if found is not None:
        document = json.loads(data, object_pairs_hook=annotation._table)
        careful = annotation._annotation(tuple(document["labels"]), document["database"])
        assert (careful.videos, careful.set_aside) == (found[1], ())


@pytest.mark.parametrize("piece", [1, 7, 60, 61, 62, 100])
def test_where_the_pieces_are_cut_changes_nothing(monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    """A piece may end anywhere: in a name, between signs, before or behind the end."""
    whole = _text({f"video {n}": ENTRY for n in range(9)})
    head = whole.index(b'"video 0"')
    monkeypatch.setattr("backends.data.fast_json_scan.PIECE", head + piece)
    for data, good in ((whole, True), (whole + b" \n", True), (whole + b"}", False), (whole[:-2], False)):
        found = read_plain(io.BytesIO(data), MOST_FRAMES)
        assert good == (found is not None)
        assert found is None or [f"video {n}" for n in range(9)] == found[1].ids


def test_a_file_of_bad_labels_is_refused_on_the_quick_way_too(tmp_path: Path) -> None:
    """Names of classes are checked whichever way the videos are read."""
    (tmp_path / "a.json").write_bytes(_text({"a": ENTRY}).replace(b'"run"', b'"wave"'))
    with pytest.raises(InputError, match="a label stands twice"):
        read_annotation(tmp_path / "a.json")


def test_a_table_is_the_sequence_of_its_videos() -> None:
    """By place, slice, subset and comparison it is what a tuple of the same videos would be."""
    videos = tuple(Video(f"v{n}", f"l{n % 3}", "ab"[n % 2], n, n + 5) for n in range(7))
    table = VideoTable(videos)
    assert (table, 7) == (videos, len(table))
    assert (videos[-1], videos[2:5], videos) == (table[-1], table[2:5], tuple(table))
    assert tuple(video for video in videos if video.subset == "b") == table.subset("b")
    assert ((), ()) == (table.subset("c"), VideoTable())
    assert table != videos[:-1]
    assert table != "v0"
    with pytest.raises(IndexError):
        table[7]
