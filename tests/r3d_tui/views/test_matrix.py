"""The confusion matrix in each of its forms."""

from __future__ import annotations

import pytest

from r3d_tui.lang.words import Words
from r3d_tui.text.rows import text_of, width_of
from r3d_tui.views.look import Look
from r3d_tui.views.matrix import Heat, counted, matrix
from tests.r3d_tui.reports import report_of

HEAT = Heat((0, 0, 0), (0, 0, 255), (255, 0, 0), (255, 255, 255))


def test_the_matrix_counts_every_video_once() -> None:
    """Rows are classes, columns may hold labels that no class of the subset has; each row adds up to its videos."""
    whole = counted(report_of(3))
    assert ("class00", "class01", "class02", "zzz") == whole.columns
    assert ((3, 1, 0, 0), (0, 3, 1, 0), (0, 0, 3, 1)) == whole.counts
    assert 0.25 == whole.share(2, 3)


def test_a_small_matrix_shows_its_counts(words: Words) -> None:
    """Where there is room each cell holds its figure, in colour or without."""
    for heat in (HEAT, None):
        rows = matrix(report_of(3), Look(words, 76), 20, heat).rows
        assert "class00 1  3  1  ·  · " == text_of(rows[1])
        assert "class02 3  ·  ·  3  1 " == text_of(rows[3])


def test_a_matrix_of_a_large_window_keeps_its_counts(words: Words) -> None:
    """Where three cells a count are too many two will do, with every second number above them."""
    rows = matrix(report_of(51), Look(words, 130), 54, HEAT).rows
    assert 53 == len(rows)
    assert text_of(rows[0]).startswith("            1   3   5   7   9  11")
    assert text_of(rows[1]).startswith("class00  1  3 1 · ·")
    assert "class00" != text_of(matrix(report_of(51), Look(words, 130), 54, None).rows[1])[:7]


def test_a_large_matrix_is_drawn_with_half_blocks(words: Words) -> None:
    """Two classes a line; the colours of a half block are those of its two cells."""
    rows = matrix(report_of(51), Look(words, 92), 34, HEAT).rows
    assert 26 <= len(rows) <= 34
    assert "▀" * 52 == text_of(rows[0])[-52:]
    assert "#0000cb/#000000" == rows[0][2].role
    assert "#620000/#0000cb" == rows[0][3].role


@pytest.mark.parametrize(("width", "room", "heat"), [(76, 20, HEAT), (92, 34, None)])
def test_what_does_not_fit_is_told_by_its_top_pairs(width: int, room: int, heat: Heat | None, words: Words) -> None:
    """At 80x24, and where the terminal has no colours for it, the most frequent confusions stand instead."""
    rows = matrix(report_of(51), Look(words, width), room, heat).rows
    assert len(rows) <= room
    assert "51 classes do not fit" in text_of(rows[0])
    assert "1/4    class00            → class01" == text_of(rows[3]).strip()


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("classes", [1, 10, 51, 400])
@pytest.mark.parametrize(("width", "room"), [(56, 16), (76, 20), (116, 34), (186, 54), (246, 74)])
def test_the_matrix_stays_inside(width: int, room: int, classes: int, language: str) -> None:
    """Whatever the number of classes and the window, no row is too wide and no line too many."""
    rows = matrix(report_of(classes), Look(Words(language), width), room, HEAT, (3, 900)).rows
    assert len(rows) <= room
    assert max(map(width_of, rows)) <= width


@pytest.mark.parametrize(("width", "room", "heat"), [(76, 20, None), (92, 34, HEAT), (76, 20, HEAT)])
def test_the_cursor_names_its_cell(width: int, room: int, heat: Heat | None, words: Words) -> None:
    """In each form it stands on one pair of classes, stays inside, and is drawn in another role than the rest."""
    report = report_of(3 if heat is None else 51)
    drawing = matrix(report, Look(words, width), room, heat)
    place = drawing.place(report.confusions[1])
    assert report.confusions[1] == drawing.at(place)
    assert drawing.kept((999, 999)) == drawing.kept(drawing.kept((999, 999)))
    drawn = matrix(report, Look(words, width), room, heat, place).rows
    assert ["match"] == [span.role for line in drawn for span in line if span.role == "match"]
    if drawing.whole is not None:
        assert "1/4  class01 → class02" == text_of(drawn[-1])
