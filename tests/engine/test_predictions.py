"""Predictions of many videos, in columns."""

from __future__ import annotations

from pathlib import Path

from backends.core.client import Prediction, by_name
from backends.engine.predictions import read_predictions

TEXT = """video,class,right,in_top_k,reason,label_1,score_1
a,wave,1,1,,wave,0.75
'=b,wave,0,1,,clap,nan

c,clap,0,0,its frames are gone,,
,clap,0,0,nobody,,
short,clap
"""


def test_rows_are_found_by_place_and_by_name(tmp_path: Path) -> None:
    """Also short rows; rows without a video are none, a score that is no number is none."""
    path = tmp_path / "predictions.csv"
    path.write_text(TEXT)
    expected = (
        Prediction("a", "wave", "wave", 0.75),
        Prediction("=b", "wave", "clap"),
        Prediction("c", "clap", reason="its frames are gone"),
        Prediction("short", "clap"),
    )
    found = read_predictions(path)
    assert expected == tuple(found)
    assert expected[1:3] == found[1:3]
    named = by_name(found)
    assert {one.video: one for one in expected} == dict(named)
    assert named.get("nobody") is None
    assert by_name(expected) == dict(named)


def test_a_file_that_is_no_table_has_none(tmp_path: Path) -> None:
    """Missing, empty or without a column of videos."""
    path = tmp_path / "predictions.csv"
    assert () == read_predictions(path)
    for text in ("", "something else\n1\n"):
        path.write_text(text)
        assert () == tuple(read_predictions(path))
