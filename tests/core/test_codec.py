"""Frozen values to JSON and back."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, field

from backends.core.codec import DecodeError, decode, dumps, encode, loads
from backends.core.messages import Line, Scalar
from backends.core.settings import Settings


class Inner(Struct, frozen=True):
    n: int = 0
    ratio: float | None = None


class Outer(Struct, frozen=True):
    name: str
    where: Path = Path()
    inner: tuple[Inner, ...] = ()
    pair: tuple[int, str] = (0, "")
    facts: dict[str, Scalar] = field(default_factory=dict)
    mode: Literal["a", "b"] = "a"


FULL = Outer(
    "x", Path("/y"), (Inner(1, 2.0), Inner()), (3, "z"), {"b": True, "i": 1, "f": 1.0, "s": "t", "n": None}, "b"
)


def test_a_value_comes_back_equal_with_its_types() -> None:
    """Paths, tuples, nested values and scalars of each type survive; 1, 1.0 and true stay apart."""
    back = loads(Outer, dumps(FULL))
    assert FULL == back
    assert [bool, int, float, str, type(None)] == [type(value) for value in back.facts.values()]


def test_what_equals_its_default_is_left_out() -> None:
    """Small values make short lines."""
    assert {"name": "x"} == encode(Outer("x"))


def test_an_older_reader_ignores_newer_fields() -> None:
    """A field that the class does not have is passed over."""
    assert Outer("x") == decode(Outer, {"name": "x", "later": 1})


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({}, "Outer: name is missing"),
        ({"name": 3}, "Outer.name: 3 is not text"),
        ({"name": "x", "inner": [{"n": "1"}]}, "Outer.inner[0].n: '1' is not a whole number"),
        ({"name": "x", "inner": [{"n": True}]}, "Outer.inner[0].n: True is not a whole number"),
        ({"name": "x", "pair": [1]}, "Outer.pair: [1] is not a list of 2"),
        ({"name": "x", "mode": "c"}, "Outer.mode: 'c' is not one of a, b"),
        ([], "Outer: [] is not a table"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(value: object, place: str) -> None:
    """The message names where the first misfit stands."""
    with pytest.raises(DecodeError) as caught:
        decode(Outer, value)
    assert str(caught.value).startswith(place)


@given(st.text(), st.dictionaries(st.text(), st.one_of(st.none(), st.booleans(), st.integers(), st.text())))
def test_any_text_crosses_as_ascii(template: str, facts: dict[str, Scalar]) -> None:
    """Foreign text, lone surrogates and controls too, crosses the protocol as plain ASCII on one line."""
    text = dumps(Line(template, facts))
    assert text.isascii()
    assert "\n" not in text
    assert Line(template, facts) == loads(Line, text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_no_json_crashes_the_reader(value: object) -> None:
    """Whatever JSON it is handed, it gives settings or says what does not fit."""
    try:
        decode(Settings, value)
    except DecodeError as error:
        assert str(error)
