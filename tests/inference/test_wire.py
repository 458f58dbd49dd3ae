"""The stream between stage and device, however a pipe cuts it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.core.codec import DecodeError, dumps
from backends.core.messages import line
from backends.inference.protocol import Answer, Frames, Order, to_answer, to_bytes, to_order

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


@given(lease=st.integers(0, 1 << 40), clips=st.lists(st.integers(0, 1 << 40)), close=st.booleans())
def test_orders_are_written_and_read_as_the_codec_does(lease: int, clips: list[int], close: bool) -> None:
    """The short way gives the codec's bytes and the order itself, for defaults too."""
    order = Order(lease, tuple(clips), close)
    assert dumps(order).encode() + b"\n" == to_bytes(order)
    assert order == to_order(to_bytes(order))


@pytest.mark.parametrize(
    "text", [b'{"lease":1,"clips":[1,"2"]}', b'{"lease":true,"clips":[]}', b'{"lease":1,"clips":1}']
)
def test_an_order_of_other_types_is_refused(text: bytes) -> None:
    """What the short way does not know is the codec's, which says what is wrong."""
    with pytest.raises(DecodeError, match="Order"):
        to_order(text)


@given(answer=st.builds(Answer, st.just("scores"), *[st.integers(0, 99)] * 3, *[st.floats(0, 9)] * 2))
def test_scores_are_read_as_the_codec_does(answer: Answer) -> None:
    """And written so, whatever values are left out as defaults."""
    assert dumps(answer).encode() + b"\n" == to_bytes(answer)
    assert answer == to_answer(to_bytes(answer))
