"""Frozen values (`msgspec.Struct`) to JSON and back, by their types. It knows no class of ours by name.

Files that must be noticed where one bit flipped (manifests, plans, states, digests) are sealed: a checksum is the
object's first member. A reader of plain JSON, and version 0.1, pass over it.
"""

import functools
import json
import re
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from backends.core.messages import Line, line

T = TypeVar("T")
_PLACE = re.compile(r" - at `(?:key` in `)?\$\.?(.*)`$")
_PART = re.compile(r"[^.\[\]]+|\.\.\.")


class DecodeError(ValueError):
    """A JSON value does not fit its type, or the text is not JSON."""

    def __init__(self, problem: Line, kind: str = "", place: str = "") -> None:
        self.problem = problem
        self.place = place
        """Keys and numbers on the way to it: `infer.devices[1]`; empty for the whole."""
        where = kind + ("." if kind and place and place[0] != "[" else "") + place
        super().__init__(f"{where}: {problem}" if where else str(problem))


def encode(value: object) -> Any:
    """The JSON value of structs, tuples, mappings, paths and scalars.

    Fields equal to their default are left out. Cache keys hold what this gives: it depends on values alone.
    """
    if isinstance(value, msgspec.Struct):
        defaults = _defaults(type(value))
        fields = ((name, getattr(value, name), default) for name, default in defaults.items())
        return {name: encode(one) for name, one, default in fields if type(one) is not type(default) or one != default}
    if isinstance(value, Mapping):
        return {str(name): encode(one) for name, one in value.items()}
    if isinstance(value, list | tuple | frozenset):
        return [encode(one) for one in value]
    return str(value) if isinstance(value, Path) else value


def dumps(value: object) -> str:
    """One line of JSON, in ASCII, so that no control or foreign character leaves the protocol."""
    return json.dumps(encode(value), ensure_ascii=True, separators=(",", ":"))


def decode(kind: type[T], value: Any) -> T:
    """The `kind` of a JSON value; DecodeError where it does not fit.

    Fields that a struct does not have are passed over, so that an older reader survives a newer writer.
    """
    try:
        return msgspec.convert(value, kind, dec_hook=_read_path)
    except msgspec.ValidationError as error:
        found = _PLACE.search(str(error))
        path = found[1] if found else ""
        raise DecodeError(_problem(kind, value, str(error), path), getattr(kind, "__name__", ""), path) from None
    except RecursionError:
        raise DecodeError(line("too deeply nested")) from None


def loads(kind: type[T], text: str | bytes) -> T:
    """`decode` of one JSON document; DecodeError where it is not JSON."""
    return decode(kind, parse_json(text))


def parse_json(text: str | bytes) -> Any:
    """Any JSON value; lone surrogates, NaN and infinities pass, for names and figures hold them. DecodeError."""
    try:
        return json.loads(text)
    except RecursionError:
        raise DecodeError(line("too deeply nested")) from None
    except ValueError as error:  # malformed, not UTF-8, or a number of more than 4,300 digits
        raise DecodeError(line("not JSON: {reason}", reason=str(error)[:200])) from None


def parse_toml(text: str) -> dict[str, Any]:
    """The tables of a TOML document; ValueError where it is none."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads(text)


@functools.cache
def _defaults(kind: type[msgspec.Struct]) -> Mapping[str, object]:
    """By field; msgspec's NODEFAULT where it has none."""
    fields = msgspec.structs.fields(kind)
    factories = {one.name: one.default_factory for one in fields if callable(one.default_factory)}
    return {one.name: factories[one.name]() if one.name in factories else one.default for one in fields}


def _read_path(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str) and "\0" not in value:
        return Path(value)
    raise ValueError("not a path")


def _problem(kind: Any, value: Any, text: str, path: str) -> Line:
    """What msgspec says of a value that does not fit, with the value itself and in words of people."""
    if missing := re.match("Object missing required field `(.*?)`", text):
        return line("{name} is missing", name=missing[1])
    wanted = inspect.type_info(kind)
    for part in _PART.findall(path):
        wanted, value = _inside(wanted, part), _item(value, part)
    return line("{value} is not {wanted}", value=repr(value)[:80], wanted=_in_words(wanted))


def _item(value: Any, part: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(part, ...)
    return value[int(part)] if isinstance(value, list | tuple) and part.isdigit() else ...


def _inside(kind: Any, part: str) -> Any:
    """The type of a field or an item; where a union leaves it open, of the first arm that has it."""
    for one in _arms(kind):
        if found := [field.type for field in getattr(one, "fields", ()) if field.name == part]:
            return found[0]
        if isinstance(one, inspect.TupleType):
            return one.item_types[int(part)]
        if found := [getattr(one, name) for name in ("item_type", "value_type") if hasattr(one, name)]:
            return found[0]
    return inspect.AnyType()


def _arms(kind: Any) -> list[Any]:
    if isinstance(kind, inspect.Metadata):
        return _arms(kind.type)
    if isinstance(kind, inspect.UnionType):
        return [arm for one in kind.types if not isinstance(one, inspect.NoneType) for arm in _arms(one)]
    return [kind]


_NAMES: Mapping[type, Line] = {
    inspect.StrType: line("text"),
    inspect.BoolType: line("true or false"),
    inspect.CustomType: line("a path"),
    inspect.VarTupleType: line("a list"),
}


def _in_words(kind: Any) -> Line:
    """A type as a person who wrote the value would call it."""
    arm, *others = _arms(kind)
    if others:
        return line("{one} or {other}", one=_in_words(arm), other=_in_words(others[-1]))
    if isinstance(arm, inspect.LiteralType):
        return line("one of {names}", names=tuple(arm.values))
    if isinstance(arm, inspect.TupleType):
        return line("a list of {n}", n=len(arm.item_types))
    if not isinstance(arm, inspect.IntType | inspect.FloatType):
        return _NAMES.get(type(arm), line("a table"))
    kind = line("a whole number") if isinstance(arm, inspect.IntType) else line("a number")
    if arm.ge is not None and arm.le is not None:
        return line("{kind} from {least} to {most}", kind=kind, least=arm.ge, most=arm.le)
    if arm.gt is not None:
        kind = line("{kind} above {least}", kind=kind, least=arm.gt)
    if arm.ge is not None:
        kind = line("{kind} of at least {least}", kind=kind, least=arm.ge)
    if arm.lt is not None:
        kind = line("{kind}, below {most}", kind=kind, most=arm.lt)
    return kind if arm.le is None else line("{kind}, at most {most}", kind=kind, most=arm.le)


_SEAL = re.compile(rb'\{"crc32":"([0-9a-f]{8})",')


class DamagedError(ValueError):
    """The bytes are not those that were written."""


class UnsealedError(DamagedError):
    """There is no checksum: version 0.1 wrote it, or it is no object of ours."""


def seal(value: object) -> bytes:
    """A value that encodes to an object with at least one member, in ASCII."""
    body = dumps(value).encode("ascii")[1:]
    return b'{"crc32":"%08x",' % zlib.crc32(body) + body


def unseal(kind: type[T], data: bytes, *, needs_seal: bool = True) -> T:
    """The value as it was given to `seal`. Raises DamagedError, UnsealedError where it `needs_seal` and has none."""
    found = _SEAL.match(data)
    if found is None and needs_seal:
        raise UnsealedError("no checksum")
    body = data[found.end() :] if found else data
    if found and int(found[1], 16) != zlib.crc32(body):
        raise DamagedError("the checksum differs")
    try:
        return loads(kind, b"{" + body if found else body)
    except DecodeError as error:
        raise DamagedError(str(error)) from None
