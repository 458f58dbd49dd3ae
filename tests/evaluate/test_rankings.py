"""Rankings in columns are the mapping that they stand for."""

from __future__ import annotations

import json
from pathlib import Path

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


def test_a_val_json_in_another_spelling_is_read_all_the_same(tmp_path: Path) -> None:
    """Blanks, escapes and brackets in names take the careful way, to the same end."""
    results = {"vidéo": [{"label": "a[1]", "score": 0.25}, {"label": "b", "score": 0.5}], "w": []}
    for indent in (None, 2):
        (tmp_path / "val.json").write_text(json.dumps({"results": results}, indent=indent), encoding="utf-8")
        val = read_val(tmp_path / "val.json", frozenset({"a[1]", "b"}))
        assert {"vidéo": (("b", 0.5), ("a[1]", 0.25))} == dict(val.results)
        assert ["w"] == [entry.item for entry in val.set_aside]
