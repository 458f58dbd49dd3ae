"""Frozen dataclasses to JSON values and back, by their type hints. It knows no class of ours by name."""

from __future__ import annotations

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

T = TypeVar("T")


class DecodeError(ValueError):
    """The JSON value does not fit the type; the message names the place."""


def encode(value: object) -> Any:
    """A JSON value of dataclasses, tuples, mappings, paths and scalars; fields equal to their default are left out."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): encode(v) for k, v in value.items()}
    if isinstance(value, list | tuple | frozenset):
        return [encode(v) for v in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value) if not _is_default(value, f)}
    raise TypeError(f"cannot encode {type(value).__name__}")


def dumps(value: object) -> str:
    """One line of JSON, in ASCII, so that no control or foreign character leaves the protocol."""
    return json.dumps(encode(value), ensure_ascii=True, separators=(",", ":"), allow_nan=True)


def decode(kind: type[T], value: Any, place: str = "") -> T:
    """The dataclass `kind` from a JSON value.

    Raises DecodeError with the place of the first value that does not fit. Fields that the class does not have are
    ignored, so that an older reader survives a newer writer.
    """
    return typing.cast(T, _decode(kind, value, place or kind.__name__))


def loads(kind: type[T], text: str | bytes) -> T:
    """`decode` of one JSON document; DecodeError where it is not JSON."""
    try:
        return decode(kind, json.loads(text))
    except json.JSONDecodeError as error:
        raise DecodeError(f"not JSON: {error}") from None


def _is_default(value: object, field: dataclasses.Field[Any]) -> bool:
    mine = getattr(value, field.name)
    if field.default is not dataclasses.MISSING:
        return bool(mine == field.default and type(mine) is type(field.default))
    if field.default_factory is not dataclasses.MISSING:
        return bool(mine == field.default_factory())
    return False


@functools.lru_cache(maxsize=256)
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _decode(kind: Any, value: Any, place: str) -> Any:
    origin = typing.get_origin(kind)
    if kind is Any or kind is object:
        return value
    if origin is Union or origin is types.UnionType:
        return _decode_union(kind, value, place)
    if origin is Literal:
        return _expect(value in typing.get_args(kind), value, place, kind)
    if origin is tuple:
        return _decode_tuple(kind, value, place)
    if origin is not None and issubclass(origin, Mapping):
        _expect(isinstance(value, dict), value, place, "a table")
        item = typing.get_args(kind)[1]
        return {k: _decode(item, v, f"{place}.{k}") for k, v in value.items()}
    if kind is Path:
        return Path(_expect(isinstance(value, str), value, place, "a path"))
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(typing.cast(type, kind), value, place)
    if kind is float:
        _expect(isinstance(value, int | float) and not isinstance(value, bool), value, place, "a number")
        return float(value)
    if kind is int:
        return _expect(isinstance(value, int) and not isinstance(value, bool), value, place, "a whole number")
    if kind is type(None):
        return _expect(value is None, value, place, "null")
    return _expect(isinstance(value, kind), value, place, getattr(kind, "__name__", kind))


def _decode_union(kind: Any, value: Any, place: str) -> Any:
    arms = typing.get_args(kind)
    for arm in arms:  # the exact type first: 1 must stay an int where the arms are `float | int`
        if arm in (str, int, float, bool, type(None)) and type(value) is arm:
            return value
    for arm in arms:
        try:
            return _decode(arm, value, place)
        except DecodeError:
            continue
    raise DecodeError(f"{place}: {value!r} is none of {', '.join(getattr(a, '__name__', str(a)) for a in arms)}")


def _decode_tuple(kind: Any, value: Any, place: str) -> tuple[Any, ...]:
    _expect(isinstance(value, list | tuple), value, place, "a list")
    items = typing.get_args(kind)
    if len(items) == 2 and items[1] is Ellipsis:
        return tuple(_decode(items[0], v, f"{place}[{i}]") for i, v in enumerate(value))
    _expect(len(value) == len(items), value, place, f"a list of {len(items)}")
    return tuple(_decode(item, v, f"{place}[{i}]") for i, (item, v) in enumerate(zip(items, value, strict=True)))


def _decode_dataclass(kind: type, value: Any, place: str) -> Any:
    _expect(isinstance(value, dict), value, place, "a table")
    hints = _hints(kind)
    known = {f.name: f for f in dataclasses.fields(kind) if f.init}
    given = {k: _decode(hints[k], v, f"{place}.{k}") for k, v in value.items() if k in known}
    for name, field in known.items():
        optional = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        if name not in given and not optional:
            raise DecodeError(f"{place}: {name} is missing")
    return kind(**given)


def _expect(fits: bool, value: Any, place: str, wanted: object) -> Any:
    if not fits:
        raise DecodeError(f"{place}: {value!r} is not {wanted}")
    return value
