"""Frozen dataclasses with slots, made quickly. It refuses to know what they hold.

The standard library compiles six functions for each: 0.6 ms, for some ninety classes before a console's first picture
and in every child process. Here one is compiled, once the first value is made, and the others are the same for all.
Type checkers see the standard decorator, `dataclasses.fields`, `replace` and `is_dataclass` work, and what is made is
equal to the standard's in what we use of it; a test compares the two. `kw_only`, `InitVar` and `__post_init__` are not
among that.
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


class _Init:
    """`__init__` until it is asked for: of many classes there never is a value. Compiling it is most of making one."""

    def __init__(self, kind: type) -> None:
        self._kind = kind

    def __get__(self, instance: object, _: type | None = None) -> Any:
        kind: Any = self._kind
        kind.__init__ = made = _init(dataclasses.fields(kind))
        return made if instance is None else made.__get__(instance)


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


@dataclasses.dataclass(init=False, repr=False, eq=False, slots=True)
class _Sample:
    """What the standard gives to each class and each field alike is taken from here."""

    one: int


_FIELD: Any = dataclasses.fields(_Sample)[0]
_ALIKE = {name: _Sample.__dict__[name] for name in ("__dataclass_params__", "__replace__") if hasattr(_Sample, name)}
_ALIKE["__dataclass_params__"].frozen = _ALIKE["__dataclass_params__"].eq = True
_ALIKE |= {"__repr__": _repr, "__getstate__": _getstate, "__setstate__": _setstate}
_ALIKE |= {"__setattr__": _frozen, "__delattr__": _frozen}


def _field(name: str, kind: object, default: Any) -> dataclasses.Field[Any]:
    """As the standard makes it; it looks at the text of each type thrice, for sorts that are not taken here."""
    one: Any = default if isinstance(default, dataclasses.Field) else dataclasses.field(default=default)
    one.name, one.type, one.kw_only = name, kind, False
    one._field_type = _FIELD._field_type  # noqa: SLF001 - it has no other name
    if type(one.default).__hash__ is None:
        raise ValueError(f"{name}: all values would share one default")
    return one  # type: ignore[no-any-return]


def _made_by_standard(kind: type) -> type:
    """Where there is more than fields: what it has from its bases the standard finds out."""
    made: Any = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True)(kind)
    fields = dataclasses.fields(made)
    made.__init__ = _init(fields)
    made.__eq__, made.__hash__ = _compared(fields)
    for name, value in _ALIKE.items():
        setattr(made, name, value)
    return made  # type: ignore[no-any-return]


def _made(kind: type) -> type:
    asked = kind.__annotations__
    if kind.__bases__ != (object,) or any("ClassVar" in str(one) for one in asked.values()):
        return _made_by_standard(kind)
    body = {name: value for name, value in kind.__dict__.items() if name not in ("__dict__", "__weakref__")}
    fields = tuple(_field(name, one, body.pop(name, dataclasses.MISSING)) for name, one in asked.items())
    equal, hashed = _compared(fields)
    made: Any = type(
        kind.__name__,
        (),
        {
            **body,
            **_ALIKE,
            "__slots__": tuple(asked),
            "__match_args__": tuple(asked),
            "__dataclass_fields__": {one.name: one for one in fields},
            "__eq__": equal,
            "__hash__": hashed,
        },
    )
    made.__qualname__ = kind.__qualname__
    made.__init__ = _Init(made)
    return made  # type: ignore[no-any-return]


if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen: bool, slots: bool) -> Callable[[type], type]:
        """The standard's decorator of the same name, for frozen classes with slots only."""
        assert frozen
        assert slots
        return _made
