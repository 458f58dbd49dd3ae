"""Large data is read and dropped without holding the event loop."""

from __future__ import annotations

import gc
import time

from r3d_tui.screens.heavy import calm, let_go, reading


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
