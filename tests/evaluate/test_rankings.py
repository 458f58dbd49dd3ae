"""Rankings in columns are the mapping that they stand for."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from backends.evaluate.accuracy import read_val
from backends.evaluate.rankings import Rankings


def test_rankings_are_a_mapping() -> None:
    """Videos in the order of adding, whole numbers of labels, the later of two."""
    table = {"a": (("x", 0.5), ("y", 0.25)), "b": (("y", 1.0),), "c": (("z", 0.1), ("x", 0.1), ("y", 0.0))}
    found = Rankings()
    assert 0 == found.longest
    for video, ranking in (("b", (("x", 0.0),)), *table.items()):
        found.add(video, ranking)
    assert (table, 3, 3) == (dict(found), len(found), found.longest)
    assert ("a" in found, "d" in found, found.get("d")) == (True, False, None)


@given(rankings=st.dictionaries(st.text(max_size=3), st.lists(st.tuples(st.text(max_size=2), st.floats(-1e40, 1e40)))))
def test_scores_come_back_to_the_bit(rankings: dict[str, list[tuple[str, float]]]) -> None:
    """Whether float32 holds them or not, and in whatever order the two kinds come."""
    found = Rankings()
    for video, ranking in rankings.items():
        found.add(video, tuple(ranking))
    assert {video: tuple(ranking) for video, ranking in rankings.items()} == dict(found)
    assert len(rankings) == len(found)


def test_a_val_json_in_another_spelling_is_read_all_the_same(tmp_path: Path) -> None:
    """Blanks, escapes and brackets in names take the careful way, to the same end."""
    results = {"vidéo": [{"label": "a[1]", "score": 0.25}, {"label": "b", "score": 0.5}], "w": []}
    for indent in (None, 2):
        (tmp_path / "val.json").write_text(json.dumps({"results": results}, indent=indent), encoding="utf-8")
        val = read_val(tmp_path / "val.json", frozenset({"a[1]", "b"}))
        assert {"vidéo": (("b", 0.5), ("a[1]", 0.25))} == dict(val.results)
        assert ["w"] == [entry.item for entry in val.set_aside]
