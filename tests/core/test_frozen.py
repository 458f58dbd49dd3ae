"""Frozen dataclasses that are made quickly, beside the standard's."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from backends.core.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Mine:
    """One field of every sort."""

    name: str
    number: int = 4
    facts: Mapping[str, int] = dataclasses.field(default_factory=dict)
    several: tuple[int, ...] = ()

    @property
    def doubled(self) -> int:
        """A property stays one."""
        return 2 * self.number


@dataclass(frozen=True, slots=True)
class Empty:
    """No fields."""


@dataclasses.dataclass(frozen=True, slots=True)
class Standard:
    """The same as `Mine`, by the standard library."""

    name: str
    number: int = 4
    facts: Mapping[str, int] = dataclasses.field(default_factory=dict)
    several: tuple[int, ...] = ()


def test_values_are_those_of_the_standard() -> None:
    """Fields, defaults, text, equality and hash are the same; each value has a default of its own."""
    assert [one.name for one in dataclasses.fields(Standard)] == [one.name for one in dataclasses.fields(Mine)]
    assert repr(Standard("a", facts={"b": 1})).replace("Standard", "Mine") == repr(Mine("a", facts={"b": 1}))
    assert Mine("a") == Mine("a", 4, {}, ())
    assert Mine("a") != Mine("b")
    assert Mine("a") != Standard("a")
    assert Mine("a").facts is not Mine("a").facts
    assert 8 == Mine("a").doubled
    assert (Standard.__match_args__, Standard.__slots__) == (Mine.__match_args__, Mine.__slots__)
    assert Empty() == Empty()
    assert hash(Empty()) == hash(Empty())
    with pytest.raises(TypeError):
        hash(Mine("a"))  # it holds a dict
    with pytest.raises(TypeError):
        Mine()  # type: ignore[call-arg]


def test_values_cannot_be_changed() -> None:
    """Neither a field nor anything else can be set or deleted."""
    value: Any = Mine("a")
    for change in (lambda: setattr(value, "name", "b"), lambda: delattr(value, "name"), lambda: setattr(value, "x", 1)):
        with pytest.raises(dataclasses.FrozenInstanceError):
            change()


def test_values_are_replaced_copied_and_pickled() -> None:
    """What the standard's functions do with a dataclass they do with ours."""
    value = Mine("a", facts={"b": 1})
    assert Mine("c", facts={"b": 1}) == dataclasses.replace(value, name="c")
    assert dataclasses.is_dataclass(value)
    assert value == copy.deepcopy(value)
    assert value == pickle.loads(pickle.dumps(value))
    assert {"name": "a", "number": 4, "facts": {"b": 1}, "several": ()} == dataclasses.asdict(value)
    assert ["self", "name", "number", "facts", "several"] == list(inspect.signature(Mine.__init__).parameters)


class Base:
    """What a value may come from."""

    def named(self) -> str:
        """Of the class."""
        return type(self).__name__


@dataclass(frozen=True, slots=True)
class Derived(Base):
    """It has a base, and something that is no field."""

    limit: ClassVar[int] = 3
    number: int = 4


def test_values_may_have_bases_and_classes_values_of_their_own() -> None:
    """They are made as the standard makes them."""
    assert ["number"] == [one.name for one in dataclasses.fields(Derived)]
    assert (3, 5, "Derived") == (Derived.limit, Derived(5).number, Derived().named())
    assert Derived(5) == Derived(5)
    assert "Derived(number=4)" == repr(Derived())


def test_a_default_that_all_would_share_is_refused() -> None:
    """As by the standard."""
    with pytest.raises(ValueError, match="several"):

        @dataclass(frozen=True, slots=True)
        class Shared:
            several: list[int] = []  # noqa: RUF012 - that is what is refused
