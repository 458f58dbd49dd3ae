"""The stream between stage and device, however a pipe cuts it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.device.failures import Message
from backends.device.protocol import Answer, AnswerStream, Order, ProtocolError, to_answer, to_bytes, to_order

SAID = [
    (Answer("started"), b""),
    (Answer("ready", classes=3, seconds=0.5, version="null 1"), b""),
    (Answer("scores", 1, 2, 3, 0.1), b"\n{newlines and braces}.."),
    (Answer("scores", 2, 0, 3), b""),
    (Answer("failed", reason=Message("{a}\n", {"a": "\x1b[0m\u6ce2"}), exit_code=1), b""),
]


@given(cuts=st.lists(st.integers(1, 60), min_size=1))
def test_answers_survive_any_cutting(cuts: list[int]) -> None:
    """The same answers and bytes come out, whatever the pieces; scores may hold newlines."""
    assert len(SAID[2][1]) == 24
    data = b"".join(to_bytes(answer) + body for answer, body in SAID)
    frames, found, place = AnswerStream(), [], 0
    while data:
        size = cuts[place % len(cuts)]
        found += frames.feed(data[:size])
        data, place = data[size:], place + 1
    assert SAID == found


def test_nonsense_is_an_error() -> None:
    """A line that is no answer is never taken for one."""
    with pytest.raises(ProtocolError):
        list(AnswerStream().feed(b"Segmentation fault (core dumped)\n"))


@given(lease=st.integers(0, 1 << 40), clips=st.lists(st.integers(0, 1 << 40)), close=st.booleans())
def test_orders_are_read_as_they_were_written(lease: int, clips: list[int], close: bool) -> None:
    """Whatever values are left out as defaults."""
    order = Order(lease, tuple(clips), close)
    assert order == to_order(to_bytes(order))


@pytest.mark.parametrize(
    "text",
    [b'{"lease":1,"clips":[1,"2"]}', b'{"lease":true,"clips":[]}', b'{"lease":1,"clips":1}', b"[1]", b'{"other":1}'],
)
def test_an_order_of_other_types_is_refused(text: bytes) -> None:
    """Nothing but what we write is taken for an order."""
    with pytest.raises(ProtocolError):
        to_order(text)


@given(answer=st.builds(Answer, st.just("scores"), *[st.integers(0, 99)] * 3, st.floats(0, 9)))
def test_scores_are_read_as_they_were_written(answer: Answer) -> None:
    """Whatever values are left out as defaults."""
    assert answer == to_answer(to_bytes(answer))


@pytest.mark.parametrize(
    "text",
    [b'{"kind":1}', b'{"rows":-1,"classes":2}', b'{"rows":1000000000,"classes":1000000}', b'{"reason":"no"}'],
)
def test_an_answer_of_other_types_is_refused(text: bytes) -> None:
    """A size below nothing, or beyond all memory, is none of ours."""
    with pytest.raises(ProtocolError):
        to_answer(text)
