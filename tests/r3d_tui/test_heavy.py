"""Large data is read and dropped without holding the event loop."""

from __future__ import annotations

import gc
import sys
import time

import pytest

from r3d_tui.screens.heavy import TURN_S, calm, let_go, reading


def test_nothing_is_collected_while_something_large_is_read() -> None:
    """Also where two threads read at once: the last one turns the collector on again."""
    assert not reading()
    with calm():
        with calm():
            assert not gc.isenabled()
        assert not gc.isenabled()
        assert reading()
    assert gc.isenabled()
    assert not reading()


def test_what_is_dropped_goes_bit_by_bit() -> None:
    """Lists and mappings are empty soon after."""
    some, more = list(range(5_000)), dict.fromkeys(range(5_000))
    let_go(some, more)
    ends = time.monotonic() + 10
    while (some or more) and time.monotonic() < ends:
        time.sleep(0.01)
    assert [] == some
    assert {} == more


def test_keys_get_their_turn_while_something_large_is_read() -> None:
    """Threads change five times as often inside, and as ever afterwards, however readers overlap."""
    before = sys.getswitchinterval()
    with calm():
        with calm():
            pass
        assert TURN_S == pytest.approx(sys.getswitchinterval())
    assert before == pytest.approx(sys.getswitchinterval())
