"""Frozen dataclasses with slots, made quickly. It refuses to know what they hold.

The standard library compiles six functions for each: 0.6 ms, for some fifty classes before a console's first picture
and in every child process. Here one is compiled, and the others are the same for all. Type checkers see the standard
decorator, `dataclasses.fields`, `replace` and `is_dataclass` work, and what is made is equal to the standard's in
what we use of it; a test compares the two. `kw_only`, `InitVar` and `__post_init__` are not among that.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

_FACTORY = object()
"""Stands for a default that is made anew for each value."""


def _init(fields: tuple[dataclasses.Field[Any], ...]) -> Any:
    """`__init__` of those fields, with their defaults."""
    known: dict[str, Any] = {"_set": object.__setattr__, "_FACTORY": _FACTORY}
    asked, body = ["self"], []
    for one in fields:
        value, name = one.name, f"_of_{one.name}"
        if one.default is not dataclasses.MISSING:
            known[name] = one.default
            asked.append(f"{value}={name}")
        elif one.default_factory is not dataclasses.MISSING:
            known[name] = one.default_factory
            asked.append(f"{value}=_FACTORY")
            value = f"{name}() if {value} is _FACTORY else {value}"
        else:
            asked.append(value)
        body.append(f" _set(self, {one.name!r}, {value})")
    exec(f"def __init__({', '.join(asked)}):\n" + "\n".join(body or [" pass"]), known)  # noqa: S102 - names of fields
    return known["__init__"]


def _frozen(self: Any, name: str, *_: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot change {type(self).__name__}.{name}")


def _repr(self: Any) -> str:
    shown = (f"{one.name}={getattr(self, one.name)!r}" for one in dataclasses.fields(self))
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _getstate(self: Any) -> list[Any]:
    return [getattr(self, one.name) for one in dataclasses.fields(self)]


def _setstate(self: Any, state: list[Any]) -> None:
    for one, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, one.name, value)


def _compared(fields: tuple[dataclasses.Field[Any], ...]) -> tuple[Any, Any]:
    """`__eq__` and `__hash__` over those fields."""
    names = [one.name for one in fields]
    content: Callable[[Any], Any] = attrgetter(*names) if names else lambda _: ()

    def equal(self: Any, other: object) -> Any:
        return content(self) == content(other) if other.__class__ is self.__class__ else NotImplemented

    def hashed(self: Any) -> int:
        return hash(content(self))

    return equal, hashed


def _made(kind: type) -> type:
    made: Any = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True)(kind)
    fields = dataclasses.fields(made)
    made.__init__ = _init(fields)
    made.__eq__, made.__hash__ = _compared(fields)
    made.__repr__ = _repr
    made.__getstate__, made.__setstate__ = _getstate, _setstate
    made.__setattr__ = made.__delattr__ = _frozen
    made.__dataclass_params__.frozen = made.__dataclass_params__.eq = True
    return made  # type: ignore[no-any-return]


if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen: bool, slots: bool) -> Callable[[type], type]:
        """The standard's decorator of the same name, for frozen classes with slots only."""
        assert frozen
        assert slots
        return _made
