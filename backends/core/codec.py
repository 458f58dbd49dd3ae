"""Frozen dataclasses to JSON values and back, by their type hints. It knows no class of ours by name."""

from __future__ import annotations

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

T = TypeVar("T")
Decoder = Callable[[Any], Any]


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


class _UnfitError(Exception):
    """A value does not fit; the place is told from the inside out."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text, self.place = text, ""

    def inside(self, place: str) -> _UnfitError:
        """The same, seen from one level above."""
        self.place = place + self.place
        return self


def decode(kind: type[T], value: Any, place: str = "") -> T:
    """The dataclass `kind` from a JSON value.

    Raises DecodeError with the place of the first value that does not fit. Fields that the class does not have are
    ignored, so that an older reader survives a newer writer.
    """
    try:
        return typing.cast(T, _decoder(typing.cast(Any, kind))(value))
    except _UnfitError as unfit:
        raise DecodeError(f"{place or kind.__name__}{unfit.place}: {unfit.text}") from None


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


@functools.lru_cache(maxsize=1024)
def _decoder(kind: Any) -> Decoder:
    """What decodes a type, made once: a console decodes the same thousands of values twice a second."""
    origin = typing.get_origin(kind)
    if kind is Any or kind is object:
        return lambda value: value
    if origin is Union or origin is types.UnionType:
        return _union(kind)
    if origin is Literal:
        known = typing.get_args(kind)
        return lambda value: value if value in known else _refuse(value, _in_words(kind))
    if origin is tuple:
        return _tuple(kind)
    if origin is not None and issubclass(origin, Mapping):
        return _mapping(_decoder(typing.get_args(kind)[1]))
    if kind is Path:
        return lambda value: Path(value) if isinstance(value, str) else _refuse(value, "a path")
    if dataclasses.is_dataclass(kind):
        return _dataclass(typing.cast(type, kind))
    return _scalar(kind)


def _refuse(value: Any, wanted: object) -> Any:
    raise _UnfitError(f"{value!r} is not {wanted}")


def _scalar(kind: Any) -> Decoder:
    def real(value: Any) -> Any:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        return _refuse(value, "a number")

    def whole(value: Any) -> Any:
        return value if isinstance(value, int) and not isinstance(value, bool) else _refuse(value, "a whole number")

    if kind is float:
        return real
    if kind is int:
        return whole
    if kind is type(None):
        return lambda value: value if value is None else _refuse(value, "null")
    return lambda value: value if isinstance(value, kind) else _refuse(value, _in_words(kind))


_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false", Path: "a path"}


def _in_words(kind: Any) -> str:
    """A type as a person who wrote the value would call it."""
    if typing.get_origin(kind) is Literal:
        return "one of " + ", ".join(map(str, typing.get_args(kind)))
    if typing.get_origin(kind) is tuple:
        return "a list"
    return _WORDS.get(kind, "a table")


def _union(kind: Any) -> Decoder:
    arms = typing.get_args(kind)
    some = [arm for arm in arms if arm is not type(None)]
    if len(some) == 1:  # `X | None`: what does not fit X is told in its own words
        only = _decoder(some[0])
        return lambda value: value if value is None else only(value)
    exact = frozenset(arm for arm in arms if arm in (str, int, float, bool, type(None)))
    decoders = [_decoder(arm) for arm in arms]
    wanted = " or ".join(map(_in_words, some))

    def union(value: Any) -> Any:
        if type(value) in exact:  # first, so that 1 stays an int where the arms are `float | int`
            return value
        for decoder in decoders:
            try:
                return decoder(value)
            except _UnfitError:
                continue
        return _refuse(value, wanted)

    return union


def _tuple(kind: Any) -> Decoder:
    items = typing.get_args(kind)
    endless = len(items) == 2 and items[1] is Ellipsis
    decoders = [_decoder(item) for item in items if item is not Ellipsis]

    def several(value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return _refuse(value, "a list")
        if not endless and len(value) != len(items):
            return _refuse(value, f"a list of {len(items)}")
        found: list[Any] = []
        try:
            for one, decoder in zip(value, decoders * len(value) if endless else decoders, strict=True):
                found.append(decoder(one))
        except _UnfitError as unfit:
            raise unfit.inside(f"[{len(found)}]") from None
        return tuple(found)

    return several


def _mapping(item: Decoder) -> Decoder:
    def table(value: Any) -> Any:
        if not isinstance(value, dict):
            return _refuse(value, "a table")
        found = {}
        for key, one in value.items():
            try:
                found[key] = item(one)
            except _UnfitError as unfit:
                raise unfit.inside(f".{key}") from None
        return found

    return table


def _dataclass(kind: type) -> Decoder:
    @functools.lru_cache(maxsize=1)
    def known() -> tuple[dict[str, Decoder], tuple[str, ...]]:
        """Decoders of the fields, and which fields must be there; asked for late, for a class may hold itself."""
        hints = typing.get_type_hints(kind)
        fields = [field for field in dataclasses.fields(kind) if field.init]
        needed = (f.name for f in fields if f.default is f.default_factory is dataclasses.MISSING)
        return {field.name: _decoder(hints[field.name]) for field in fields}, tuple(needed)

    def table(value: Any) -> Any:
        if not isinstance(value, dict):
            return _refuse(value, "a table")
        decoders, needed = known()
        given = {}
        for name, one in value.items():
            if (decoder := decoders.get(name)) is not None:
                try:
                    given[name] = decoder(one)
                except _UnfitError as unfit:
                    raise unfit.inside(f".{name}") from None
        for name in needed:
            if name not in given:
                raise _UnfitError(f"{name} is missing")
        return kind(**given)

    return table
