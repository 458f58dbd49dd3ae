"""How far a terminal is behind."""

from __future__ import annotations

from r3d_tui.terminal.flow_control import ASK_BYTES, LOST_S, Pace


def test_a_terminal_that_never_answered_is_not_asked() -> None:
    """It might show the question."""
    pace = Pace()
    assert not pace.sent(10 * ASK_BYTES, 0.0)
    assert not pace.behind(0.0)


def test_it_is_behind_from_the_question_to_the_answer() -> None:
    """It is asked once so much was sent, and not again before it answered."""
    pace = Pace()
    pace.answered()
    assert not pace.sent(ASK_BYTES - 1, 0.0)
    assert pace.sent(1, 1.0)
    assert pace.behind(1.5)
    assert not pace.sent(ASK_BYTES, 2.0)
    pace.answered()
    assert not pace.behind(2.0)
    assert pace.sent(1, 2.5)


def test_an_answer_that_does_not_come_is_given_up() -> None:
    """What is drawn goes on, and it is asked anew."""
    pace = Pace()
    pace.answered()
    assert pace.sent(ASK_BYTES, 0.0)
    assert pace.behind(LOST_S - 0.1)
    assert not pace.behind(LOST_S)
    assert pace.sent(ASK_BYTES, LOST_S)
    assert pace.behind(LOST_S)
