"""A large JSON document read bit by bit, so that other threads get their turn. It refuses to know what it says.

`json.loads` holds the interpreter in one call: half a second for the confusions of 700 classes. Here the elements of a
document's long lists are read and decoded one after the other, and no more of them than are wanted.
"""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Mapping
from itertools import count
from typing import Any, TypeVar

import msgspec

from backends.core.codec import decode, loads
from backends.core.cooperative import giving_way

T = TypeVar("T")
_READ = json.JSONDecoder().raw_decode
_NEXT = re.compile(r'\],"\w+":')
"""The end of a list that another field follows, as `codec.dumps` writes it; no string holds that unescaped."""


def loads_stepwise(kind: type[T], data: bytes, most: Mapping[str, int] | None = None) -> T:
    """As `codec.loads`; of a list that `most` names, so many first elements. Another spelling is read in one go."""
    text = data.decode("utf-8", "surrogateescape")
    lists = _lists(kind)
    try:
        found = _table(text, lists, most or {})
    except (ValueError, IndexError):
        return _shortened(loads(kind, text), most or {})
    long = {name: tuple(found.pop(name)) for name in lists if isinstance(found.get(name), list)}
    return msgspec.structs.replace(decode(kind, found), **long)  # type: ignore[type-var]


def _lists(kind: type) -> dict[str, type]:
    """The fields that are lists of dataclasses and may be left out, and of which."""
    hints = typing.get_type_hints(kind)
    empty = (field.name for field in msgspec.structs.fields(kind) if field.default == ())
    several = {name: args[0] for name in empty if (args := typing.get_args(hints[name]))[1:] == (...,)}
    return {name: one for name, one in several.items() if isinstance(one, type) and issubclass(one, msgspec.Struct)}


def _table(text: str, lists: Mapping[str, type], most: Mapping[str, int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    mark, at = text[:1], 1
    while mark != "}":
        if mark not in ("{", ","):
            raise ValueError(at)
        name, at = _READ(text, at)
        if text[at] != ":" or not isinstance(name, str):
            raise ValueError(at)
        if name in lists and text[at + 1] == "[":
            found[name], at = _list(text, at + 2, lists[name], most.get(name))
        else:
            found[name], at = _READ(text, at + 1)
        mark, at = text[at], at + 1
    if text[at:].strip():
        raise ValueError(at)
    return found


def _list(text: str, at: int, kind: type, most: int | None) -> tuple[list[Any], int]:
    found: list[Any] = []
    if text[at] == "]":
        return found, at + 1
    for _ in giving_way(count() if most is None else range(most)):
        value, at = _READ(text, at)
        found.append(decode(kind, value))
        if text[at] == "]":
            return found, at + 1
        if text[at] != ",":
            raise ValueError(at)
        at += 1
    return found, _end(text, at)


def _end(text: str, at: int) -> int:
    """Where a list of tables ends; searched for as plain text, which takes a tenth of the time of a pattern."""
    while (at := text.find('],"', at)) >= 0:
        if _NEXT.match(text, at):
            return at + 1
        at += 1
    whole = text.rstrip()
    if not whole.endswith("]}"):
        raise ValueError(at)
    return len(whole) - 1


def _shortened(value: T, most: Mapping[str, int]) -> T:
    return msgspec.structs.replace(value, **{name: getattr(value, name)[:count] for name, count in most.items()})  # type: ignore[type-var]
