"""Events on their way as lines of JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.core.codec import DecodeError
from backends.core.events import (
    DeviceChanged,
    Outcome,
    Skipped,
    StageFinished,
    StageProgress,
    Unknown,
    from_json,
    to_json,
)
from backends.core.messages import line

EVENTS = [
    StageProgress("infer", 3, 10, "clips", 2.5, line("hello"), {"videos_done": 1}),
    StageFinished("a", 2, Outcome({"n": 1, "x": None}, {"o": "p"}, "d", (Skipped("v", line("bad")),), 7), 1.5),
    DeviceChanged("cpu:0", "retired", "EPYC", line("killed by {n}", n=9), 4),
]


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_comes_back_equal(event: StageProgress) -> None:
    """One line of ASCII there and back."""
    text = to_json(event)
    assert text.isascii()
    assert event == from_json(text)


def test_an_unknown_kind_is_kept() -> None:
    """An event of a newer version is carried on as it came."""
    text = '{"kind":"Later","x":[1]}'
    assert Unknown("Later", {"x": [1]}) == from_json(text)
    assert json.loads(text) == json.loads(to_json(from_json(text)))


@given(st.binary())
def test_garbage_is_no_event(data: bytes) -> None:
    """A line that is no event is refused, whatever it holds."""
    with pytest.raises(DecodeError):
        from_json(b"x" + data)
