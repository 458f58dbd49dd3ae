"""The stream between stage and device, however a pipe cuts it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.contract.codec import DecodeError
from backends.contract.lines import line
from backends.infer.wire import Answer, Frames, to_bytes

SAID = [
    (Answer("started"), b""),
    (Answer("ready", classes=3, seconds=0.5, version="null 1"), b""),
    (Answer("scores", 1, 2, 3, 0.1), b"\n{newlines and braces}.."),
    (Answer("scores", 2, 0, 3), b""),
    (Answer("failed", reason=line("{a}\n", a="\x1b[0m\u6ce2"), exit_code=1), b""),
]


@given(cuts=st.lists(st.integers(1, 60), min_size=1))
def test_answers_survive_any_cutting(cuts: list[int]) -> None:
    """The same answers and bytes come out, whatever the pieces; scores may hold newlines."""
    assert len(SAID[2][1]) == 24
    data = b"".join(to_bytes(answer) + body for answer, body in SAID)
    frames, found, place = Frames(), [], 0
    while data:
        size = cuts[place % len(cuts)]
        found += frames.feed(data[:size])
        data, place = data[size:], place + 1
    assert SAID == found


def test_nonsense_is_an_error() -> None:
    """A line that is no answer is never taken for one."""
    with pytest.raises(DecodeError):
        list(Frames().feed(b"Segmentation fault (core dumped)\n"))
