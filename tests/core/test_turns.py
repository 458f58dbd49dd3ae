"""Loops that let others have their turn."""

from __future__ import annotations

import pytest

from backends.core import cooperative


def test_a_long_loop_stands_still_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """After every so many items, for a moment in which the interpreter is free; the items are what they were."""
    stops: list[float] = []
    monkeypatch.setattr("time.sleep", stops.append)
    items = range(2 * cooperative.EVERY + 1)
    assert list(items) == list(cooperative.giving_way(items))
    assert [cooperative.STILL_S] * 2 == stops
    assert [] == list(cooperative.giving_way(()))
