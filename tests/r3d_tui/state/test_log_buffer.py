"""The lines of a log, bounded, wrapped and searched."""

from __future__ import annotations

import pytest

from r3d_tui.state import log_buffer as logbook
from r3d_tui.state.feed import LogPiece
from r3d_tui.state.log_buffer import LogBook


def _piece(*lines: str, fresh: bool = False, partial: bool = False) -> LogPiece:
    return LogPiece("infer", lines, fresh, partial)


def test_a_line_that_came_in_two_pieces_is_one() -> None:
    """The next piece goes on with a line that had no end yet."""
    book = LogBook()
    book.wrapped(40)
    book.take(_piece("one", "tw", fresh=True, partial=True))
    book.take(_piece("o", "three"))
    assert ["one", "two", "three"] == book.lines
    assert [(0, "one"), (1, "two"), (2, "three")] == book.wrapped(40)


def test_long_lines_are_wrapped_and_found_again() -> None:
    """A line wider than the panel takes several rows, Chinese measured in cells; a line's first row is known."""
    book = LogBook()
    book.take(_piece("abcdefgh", "视频文件", "end", fresh=True))
    assert [(0, "abcde"), (0, "fgh"), (1, "视频"), (1, "文件"), (2, "end")] == book.wrapped(5)
    assert 4 == book.row_of(2)


def test_lines_are_broken_at_blanks_under_their_text() -> None:
    """No word is cut that fits on a row; the rows of a line begin under its text, and have its level."""
    book = LogBook()
    book.take(_piece("12:30:01 error: the compiler refused the adaptive pool", "no time, but words", fresh=True))
    assert [
        (0, "12:30:01 error: the"),
        (0, "         compiler refused"),
        (0, "         the adaptive pool"),
        (1, "no time, but words"),
    ] == book.wrapped(27)
    assert ["bad", ""] == [logbook.level(line) for line in book.lines]


def test_a_search_stays_at_its_match_while_the_log_grows() -> None:
    """The match that is looked at stays so when more lines come; going on comes round."""
    book = LogBook()
    book.take(_piece("error 1", "fine", "error 2", fresh=True))
    book.search("error")
    assert (2, [0, 2]) == (book.here, book.found)
    assert 0 == book.turn(1)
    book.take(_piece("error 3"))
    assert (0, [0, 2, 3]) == (book.here, book.found)


def test_our_lines_are_in_the_readers_language() -> None:
    """By their English text, whatever the time before them, also where the words come after the line; found so too.

    What a tool printed stays as it is, and the level is that of the line as it stands in the file.
    """
    book = LogBook()
    book.take(_piece("12:30:01 warning: a codec is missing", "warning: of a tool", fresh=True))
    assert "12:30:01 warning: a codec is missing" == book.wrapped(80)[0][1]
    book.take(LogPiece("infer", (), False, False, {"warning: a codec is missing": "警告：缺少编解码器"}))
    assert [(0, "12:30:01 警告：缺少编解码器"), (1, "warning: of a tool")] == book.wrapped(80)
    assert "warn" == logbook.level(book.lines[0])
    book.search("缺少")
    assert [0] == book.found
    book.take(_piece("warning: a codec is missing", fresh=True))
    assert "warning: a codec is missing" == book.wrapped(80)[0][1]


def test_a_new_stage_or_attempt_begins_anew() -> None:
    """A fresh piece forgets what was there."""
    book = LogBook()
    book.take(_piece("old", fresh=True))
    book.take(_piece("new", fresh=True))
    assert ["new"] == book.lines


def test_old_lines_go_so_that_memory_holds_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond its bound the book drops a quarter of its lines at once, and says how many."""
    monkeypatch.setattr(logbook, "KEPT", 100)
    book = LogBook()
    book.wrapped(20)
    for number in range(250):
        book.take(_piece(str(number)))
    assert "249" == book.lines[-1]
    assert 75 <= len(book.lines) <= 100
    assert 250 == len(book.lines) + book.dropped
    assert (0, book.lines[0]) == book.wrapped(20)[0]
