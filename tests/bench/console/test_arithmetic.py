"""What a recording of a terminal says."""

from __future__ import annotations

from bench.console.arithmetic import Press, answers, middle, painted, percentile, settled, span

END = b"\x1b[?2026l"


def test_medians_and_percentiles() -> None:
    """Of what is known; of nothing there is none."""
    assert 2.0 == middle([3.0, None, 1.0])
    assert middle([None]) is None
    assert 19 == percentile(list(range(20)), 0.96)
    assert 18 == percentile(list(range(20)), 0.95)
    assert percentile([], 0.95) is None


def test_it_has_settled_before_the_first_pause() -> None:
    """Pieces before a gap; all of them where there is none."""
    recording = [(1.0, b"a"), (1.1, b"b"), (2.0, b"c")]
    assert 2 == settled(recording, 0.5, 2.1)
    assert 3 == settled(recording, 1.0, 2.1)
    assert 3 == settled(recording, 1.0, 9.0)


def test_painted_is_when_nine_tenths_stand_and_stay() -> None:
    """Digits may differ; glyphs that are wiped again do not count."""
    recording = [(1.0, b"\x1b[1;1H0123456789"), (2.0, b"\x1b[1;1H          "), (3.0, b"\x1b[1;1H012345678x")]
    assert 1.0 == painted([*recording[:1], (3.0, b"\x1b[1;1H9")], 12, 2)
    assert 3.0 == painted(recording, 12, 2)


def test_an_empty_screen_is_painted_when_its_cells_are_written() -> None:
    """A program without a glyph has a first picture as well; one that wrote nothing has none."""
    assert 2.0 == painted([(1.0, b"\x1b[?1049h"), (2.0, b"\x1b[1;1H" + b" " * 12)], 12, 2)
    assert painted([(1.0, b"\x1b[?1049h")], 12, 2) is None


def test_a_keys_answer_is_the_end_of_the_picture_that_shows_it() -> None:
    """Not its first byte, and not a picture of something else."""
    recording = [
        (0.5, b"one" + END),
        (1.1, b"\x1b[2;1Hnews" + END),
        (1.2, b"\x1b[1;1Htwo"),
        (1.3, b"\x1b[2;1Hmore" + END),
    ]
    assert [1.3 - 1.0] == answers(recording, [Press(1.0, "two")], 8, 2)


def test_what_stood_there_already_or_never_comes_is_no_answer() -> None:
    """Both are None, and do not hide the answers of other keys."""
    recording = [(0.5, b"one" + END), (2.5, b"\x1b[1;1Htwo" + END)]
    presses = [Press(1.0, "one"), Press(1.5, "three"), Press(2.0, "two")]
    assert [None, None, 0.5] == answers(recording, presses, 8, 2)


def test_bytes_between_two_times() -> None:
    """The beginning counts, the end does not."""
    assert 3 == span([(0.9, b"x"), (1.0, b"ab"), (1.5, b"c"), (2.0, b"d")], 1.0, 2.0)
