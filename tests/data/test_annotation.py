"""The guide's annotation json: good files, bad files, hostile files."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backends.core.events import ItemSetAside, from_json, to_json
from backends.core.messages import InputError
from backends.data.annotation import Annotation, Video, annotation_json, name_problem, read_annotation

ENTRY = {"subset": "validation", "annotations": {"label": "wave", "segment": [1, 49]}}


def _write(path: Path, document: Any) -> Path:
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return path


def _one(tmp_path: Path, entry: Any, name: str = "a") -> Annotation:
    return read_annotation(_write(tmp_path / "a.json", {"labels": ["run", "wave"], "database": {name: entry}}))


def test_the_reference_is_read(shared: Path) -> None:
    """The guide's file has 51 labels and 5,100 videos, 1,530 of them in the validation subset, in the file's order."""
    path = shared / "data/reference/hmdb51_1.json"
    annotation = read_annotation(path)
    assert (51, 5100, ()) == (len(annotation.labels), len(annotation.videos), annotation.set_aside)
    validation = list(annotation.subset("validation"))
    assert (1530, 143_483) == (len(validation), sum(video.frames for video in validation))
    assert 50 == annotation.labels.index("wave")
    assert path.read_bytes() == annotation_json(annotation)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (None, "no annotations"),
        ([], "no annotations"),
        ({"subset": "x"}, "no annotations"),
        ({"subset": "x", "annotations": []}, "no annotations"),
        ({"annotations": {"label": "wave", "segment": [1, 2]}}, "no subset"),
        ({"subset": 3, "annotations": {"label": "wave", "segment": [1, 2]}}, "no subset"),
        ({"subset": "x", "annotations": {"segment": [1, 2]}}, "not in the list of labels"),
        ({"subset": "x", "annotations": {"label": ["wave"], "segment": [1, 2]}}, "not in the list of labels"),
        ({"subset": "x", "annotations": {"label": "fly", "segment": [1, 2]}}, "'fly' is not in the list"),
    ],
)
def test_a_bad_entry_is_skipped(tmp_path: Path, entry: Any, reason: str) -> None:
    """What one entry has wrong leaves out that video alone, with a short reason."""
    annotation = _one(tmp_path, entry)
    assert () == annotation.videos
    assert ["a"] == [item.item for item in annotation.set_aside]
    assert reason in str(annotation.set_aside[0].reason)
    assert len(str(annotation.set_aside[0].reason)) < 400


NO_SEGMENT = [None, [], [1], [1, 2.0], [True, 2], [5, 3], [-1, 5], [1, 10**4000], "1, 2", {"first": 1}]


@pytest.mark.parametrize("segment", NO_SEGMENT, ids=lambda segment: str(segment)[:20])
def test_an_entry_without_a_segment_is_a_video_without_frames(tmp_path: Path, segment: Any) -> None:
    """The reference counts it in the accuracy; what is written again gives it no segment."""
    annotation = _one(tmp_path, {"subset": "x", "annotations": {"label": "wave", "segment": segment}})
    assert (Video("a", "wave", "x"),) == annotation.videos
    assert 0 == annotation.videos[0].frames
    assert b'{"label": "wave"}' in annotation_json(annotation)


def test_an_empty_folder_is_a_video_without_frames(tmp_path: Path) -> None:
    """The reference's scripts write `[1, 1]` for it."""
    annotation = _one(tmp_path, {"subset": "x", "annotations": {"label": "wave", "segment": [1, 1]}})
    assert [("a", 0)] == [(video.id, video.frames) for video in annotation.videos]


def test_skipped_entries_are_of_their_subset(tmp_path: Path) -> None:
    """What is wrong in training does not count in validation; an entry without a subset counts in each."""
    fly = {"label": "fly", "segment": [1, 2]}
    database = {"a": {"subset": "x", "annotations": fly}, "b": {"subset": "y", "annotations": fly}, "c": {}}
    annotation = read_annotation(_write(tmp_path / "a.json", {"labels": ["wave"], "database": database}))
    assert (["a", "c"], ["b", "c"]) == tuple([s.item for s in annotation.skipped_in(name)] for name in "xy")


def test_a_file_of_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    """Its size alone is looked at."""
    with open(tmp_path / "a.json", "wb") as file:
        file.truncate(2 << 30)
    with pytest.raises(InputError, match="larger than"):
        read_annotation(tmp_path / "a.json")


HOSTILE = ["", ".", "..", "../up", "/etc/passwd", "a\\b", "a\0b", "\x1b[31m", "a\nb", "a\u202eb", "\ud800", "\u2028",
           "\x9b", "\u200b", "n" * 201, "é" * 101, "x" * 100_000]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:20])
def test_hostile_ids_are_set_aside(tmp_path: Path, name: str) -> None:
    """Paths, control characters, directions, surrogates and endless names never become a video."""
    annotation = _one(tmp_path, ENTRY, name)
    assert () == annotation.videos
    item = annotation.set_aside[0]
    assert len(item.item) <= 120
    event = ItemSetAside("annotate", item.item, item.reason)
    assert event == from_json(to_json(event))


@pytest.mark.parametrize("name", ["[@click=app.quit]x", "(Rad)name_with_é_and_(brackets)!", "动作", "a b", "-rf", "%s"])
def test_odd_names_are_kept(tmp_path: Path, name: str) -> None:
    """Markup, brackets, accents, blanks and other scripts are names like any other."""
    assert [name] == [video.id for video in _one(tmp_path, ENTRY, name).videos]


def test_an_id_that_stands_twice_is_set_aside(tmp_path: Path) -> None:
    """JSON's later entry does not silently win, wherever in the file the two stand."""
    entry = json.dumps(ENTRY)
    text = f'{{"labels": ["wave"], "database": {{"a": {entry}, "b": {entry}, "c:d": {entry}, "a": {entry}}}}}'
    annotation = read_annotation(_write(tmp_path / "a.json", text))
    assert ["b", "c:d"] == [video.id for video in annotation.videos]
    assert {"a": "the id stands twice in the annotation"} == {i.item: str(i.reason) for i in annotation.set_aside}


def test_keys_elsewhere_do_not_make_a_video_a_duplicate(tmp_path: Path) -> None:
    """Only ids of the database count: a video may be called as a key that stands twice in other tables."""
    text = (
        '{"labels": ["wave"], "extra": {"label": 1, "label": 2, "a": 1, "a": 2}, "database": {'
        f'"label": {json.dumps(ENTRY)}, "a": {json.dumps({**ENTRY, "url": "http://x/?a:b"})}}}}}'
    )
    annotation = read_annotation(_write(tmp_path / "a.json", text))
    assert ["label", "a"] == [video.id for video in annotation.videos]
    assert () == annotation.set_aside


def test_a_key_that_stands_twice_in_an_entry_sets_it_aside(tmp_path: Path) -> None:
    """Two labels for one video leave open which is meant."""
    text = (
        '{"labels": ["wave", "run"], "database": {"a": {"subset": "validation", '
        '"annotations": {"label": "wave", "label": "run", "segment": [1, 2]}}}}'
    )
    annotation = read_annotation(_write(tmp_path / "a.json", text))
    assert ["a key stands twice in the entry"] == [str(item.reason) for item in annotation.set_aside]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("", "line 1, column 1: not JSON"),
        ('{"labels": ["a"],\n "database": {"x": }}', "line 2, column 20: not JSON"),
        ("[" * 100_000, "not JSON: RecursionError"),
        ('{"labels": ["a"], "database": {}, "n": ' + "9" * 10_000 + "}", "not JSON: ValueError"),
        ("[]", "no list of labels"),
        ('"text"', "no list of labels"),
        ({"database": {}}, "no list of labels"),
        ({"labels": [], "database": {}}, "no list of labels"),
        ({"labels": ["a", 3], "database": {}}, "no list of labels"),
        ({"labels": ["a"]}, "no database"),
        ({"labels": ["a"], "database": []}, "no database"),
        ({"labels": ["a", "a"], "database": {}}, "a label stands twice"),
        ({"labels": ["../a"], "database": {}}, "path separator"),
        ({"labels": ["a\x1b"], "database": {}}, "control characters"),
        ('{"labels": ["a"], "database": {}, "database": {}}', "stands twice"),
    ],
)
def test_a_bad_file_is_refused_with_its_place(tmp_path: Path, document: Any, message: str) -> None:
    """What the file has wrong is one line with the path, and a hint."""
    path = _write(tmp_path / "a.json", document)
    with pytest.raises(InputError) as caught:
        read_annotation(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value.line)
    assert "\n" not in str(caught.value)
    assert str(caught.value.hint)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    """A missing file, a folder, other bytes and a pipe end in one line, at once."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\xfa{")
    cases = (("absent", "No such file"), (".", "Is a directory"), ("pipe", "not a regular file"), ("bytes", "not JSON"))
    for name, message in cases:
        with pytest.raises(InputError, match=message):
            read_annotation(tmp_path / name)


def test_a_byte_order_mark_is_read_over(tmp_path: Path) -> None:
    """A file saved by an editor that puts a mark first is read."""
    text = json.dumps({"labels": ["wave"], "database": {"a": ENTRY}})
    (tmp_path / "a.json").write_text(text, encoding="utf-8-sig")
    assert 1 == len(read_annotation(tmp_path / "a.json").videos)


LEAVES = st.none() | st.booleans() | st.integers(-5, 10**9) | st.floats() | st.text(max_size=8)
VALUES = st.recursive(LEAVES, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=5), v, max_size=3))
LIKELY = st.sampled_from([ENTRY, ENTRY["annotations"], "wave", ["wave", "run"], [1, 5], {"a": ENTRY}]) | VALUES
DOCUMENTS = st.fixed_dictionaries({}, optional={"labels": LIKELY, "database": LIKELY | st.dictionaries(
    st.text(max_size=6) | st.sampled_from(HOSTILE[:14]),
    LIKELY | st.fixed_dictionaries({}, optional={"subset": LIKELY, "annotations": st.fixed_dictionaries(
        {}, optional={"label": LIKELY, "segment": LIKELY})}), max_size=4)})  # fmt: skip


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(DOCUMENTS | VALUES)
def test_any_document_gives_videos_or_a_line(tmp_path: Path, document: Any) -> None:
    """Whatever JSON stands in the file: a checked annotation, whose names are safe, or an InputError."""
    path = _write(tmp_path / "a.json", document)
    with suppress(InputError):
        annotation = read_annotation(path)
        assert len(document["database"]) == len(annotation.videos) + len(annotation.set_aside)
        assert [None] * len(annotation.videos) == [name_problem(video.id) for video in annotation.videos]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 400), data=st.binary(max_size=6), cut=st.integers(0, 8))
def test_damage_anywhere_gives_videos_or_a_line(tmp_path: Path, place: int, data: bytes, cut: int) -> None:
    """Bytes changed, put in or lost anywhere never give another error."""
    good = json.dumps({"labels": ["run", "wave"], "database": {"a": ENTRY, "b": ENTRY, "c": ENTRY}}).encode()
    (tmp_path / "a.json").write_bytes(good[:place] + data + good[place + cut :])
    with suppress(InputError):
        assert len(read_annotation(tmp_path / "a.json").videos) <= 4


CHARACTERS = st.characters(exclude_categories=("C", "Z"))
NAMES = st.text(CHARACTERS, min_size=1, max_size=20).filter(lambda name: not name_problem(name))


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(NAMES, st.tuples(NAMES, st.integers(0, 9), st.integers(1, 9)), min_size=1, max_size=5))
def test_what_is_written_is_read_again(tmp_path: Path, table: dict[str, tuple[str, int, int]]) -> None:
    """An annotation survives its file, and the file is what `json.dumps` would have written."""
    labels = tuple(sorted({label for label, _, _ in table.values()}))
    videos = tuple(Video(n, label, "validation", first, first + length) for n, (label, first, length) in table.items())
    data = annotation_json(Annotation(labels, videos))
    (tmp_path / "a.json").write_bytes(data)
    assert Annotation(labels, videos) == read_annotation(tmp_path / "a.json")
    assert json.dumps(json.loads(data)).encode() == data
