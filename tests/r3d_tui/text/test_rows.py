"""Rows are measured in cells."""

from __future__ import annotations

import pytest

from r3d_tui.app import DARK, LIGHT
from r3d_tui.text.rows import ANSI, Column, Span, cells, changed, cut, ends, fit, row, table, text_of, width_of, wrap
from r3d_tui.widgets import sheet


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [("abc", 5, "abc  "), ("abcdef", 4, "abc…"), ("视频文件", 5, "视频…"), ("视频文件", 6, "视频 …"), ("x", 0, "")],
)
def test_fit_gives_exactly_the_cells(text: str, width: int, expected: str) -> None:
    """A text is padded or cut to the cells asked for, a Chinese character never halved."""
    assert expected == fit(text, width)
    assert width == cells(fit(text, width))


def test_a_path_is_cut_at_the_front() -> None:
    """Of a long path the end is kept, which tells more."""
    assert "…ideos" == fit("/data/videos", 6, keep_end=True)


def test_ends_stand_at_both_ends() -> None:
    """The right part stands at the right edge, the left is cut where both do not fit."""
    line = ends(row("a long left part"), row("right"), 14)
    assert "a long … right" == text_of(line)


def test_cut_keeps_the_roles() -> None:
    """A row that is too wide is cut in its last span, which keeps its role."""
    assert (Span("ab"), Span("c…", "bad")) == cut((Span("ab"), Span("cdef", "bad")), 4)


@pytest.mark.parametrize("width", [4, 7, 11, 40])
def test_wrap_loses_nothing(width: int) -> None:
    """Wrapped lines hold every character that is not blank, each within the width."""
    text = "a sentence with averyveryverylongword and 中文的句子，没有空格。 end"
    lines = wrap(text, width)
    assert text.replace(" ", "") == "".join(lines).replace(" ", "")
    assert all(cells(line) <= width for line in lines)


def test_tables_align_and_drop_the_least_important_column() -> None:
    """Columns are aligned in cells; where the width does not suffice the highest rank goes first."""
    columns = (Column("name", 6), Column("n", 5, right=True), Column("extra", 9, rank=2), Column("more", 6, rank=1))
    rows = table(columns, [("视频", "12", "x", "y")], 23)
    assert ["name        n  more  ", "视频       12  y     "] == [text_of(line) for line in rows]
    assert [21, 21] == [width_of(line) for line in rows]


def test_only_what_differs_is_drawn_again() -> None:
    """Of two rows that differ in one span the cells of that span are named."""
    old = row("name  ", Span("12", "strong"), "  end")
    assert (6, 2) == changed(old, row("name  ", Span("13", "strong"), "  end"))
    assert None is changed(old, old)


def test_every_role_has_a_colour_in_every_theme() -> None:
    """Each role can be drawn in true colour, light or dark, and in the sixteen of a plain terminal."""
    assert set(ANSI) == set(sheet.TRUE)
    assert (
        set(DARK) == set(LIGHT) == {name for parts in sheet.TRUE.values() for name in parts if name.startswith("r3d-")}
    )
