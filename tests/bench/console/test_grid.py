"""The probe's terminal screen."""

from __future__ import annotations

from bench.console.grid import Grid


def test_text_stands_where_the_cursor_was_put() -> None:
    """Places, line ends, wide characters and what is beyond the edge."""
    grid = Grid(8, 3)
    grid.feed("ab\r\ncd\x1b[3;7Hxyz\x1b[2;4H视".encode())
    assert "ab\ncd 视\n      xy" == grid.text()


def test_a_sequence_may_be_cut_anywhere() -> None:
    """Byte by byte it comes out the same."""
    data = "\x1b[?2026h\x1b[2;2H\x1b[1;38;2;1;2;3m视频\x1b[0m ok\x1b]52;c;x\x07!\x1b[?2026l".encode()
    whole, pieces = Grid(12, 2), Grid(12, 2)
    whole.feed(data)
    for byte in data:
        pieces.feed(bytes((byte,)))
    assert whole.cells() == pieces.cells()
    assert "\n 视频 ok!" == whole.text()


def test_a_change_of_colour_is_a_change() -> None:
    """Cells hold their colours; a reset ends them."""
    first, second = Grid(4, 1), Grid(4, 1)
    first.feed(b"\x1b[31mab")
    second.feed(b"\x1b[31ma\x1b[0mb")
    assert first.cells() != second.cells()
    assert first.text() == second.text()


def test_digits_are_all_the_same_digit() -> None:
    """So that a clock that goes on is no change; what was never written is not there."""
    grid = Grid(4, 1)
    grid.feed(b"7a ")
    assert {(0, 0): "0", (0, 1): "a", (0, 2): " "} == grid.written()
