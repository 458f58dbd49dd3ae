"""What pyACL's error codes mean for a chip: the catalogue file beside this module, and how such files are read."""

import functools
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from msgspec import Meta, Struct, ValidationError, convert

from backends.core.codec import parse_toml
from backends.core.messages import N_, Line
from backends.device.failures import DeviceError

T = TypeVar("T")
CATALOGUE = Path(__file__).with_name("acl_codes.toml")


Sentence = Annotated[str, Meta(min_length=1)]
"""In English: the msgid of its translations."""


class Code(Struct, frozen=True, rename={"codes": "code", "policy": "course"}):
    codes: Annotated[tuple[str, ...], Meta(min_length=1)]
    """Numbers, or patterns of them."""
    cause: Sentence
    fix: Sentence
    call: str = "*"
    """A pattern of the calls that may give it."""
    policy: Literal["again", "retry", "never"] = "again"
    batch: bool = True
    """The batch in compute may be the cause."""


def fault(call: str, code: int) -> DeviceError:
    """What to raise where a call such as `mdl.execute` gave `code`: one line with the cause, the fix, the policy."""
    entry = find(call, code)
    text, cause = N_("{call} failed ({code}): {cause}"), Line(entry.cause)
    return DeviceError(text, hint=entry.fix, policy=entry.policy, blame=entry.batch, call=call, code=code, cause=cause)


def find(call: str, code: int) -> Code:
    """The entry of a call's code: whole numbers before patterns, those for such calls alone before those for all."""
    text = str(code)
    known = [entry for entry in catalogue() if fnmatchcase(call, entry.call)]
    fits = [entry for entry in known if any(fnmatchcase(text, pattern) for pattern in entry.codes)]
    return min(fits, key=lambda entry: (text not in entry.codes, entry.call == "*"))


@functools.cache
def catalogue() -> tuple[Code, ...]:
    """The entries of the file that ships with us. ValueError with the entry's number where one is incomplete."""
    return entries(CATALOGUE.read_text(encoding="utf-8"), "code", Code)


def entries(text: str, name: str, kind: type[T]) -> tuple[T, ...]:
    """The tables `[[name]]` of a catalogue's text. ValueError with the entry's number where one is incomplete."""
    found = []
    for number, table in enumerate(parse_toml(text).get(name, ()), 1):
        try:
            found.append(convert(table, kind, dec_hook=lambda _, pattern: re.compile(pattern, re.DOTALL)))
        except ValidationError as error:
            raise ValueError(f"{name} {number} of the catalogue: {error}") from None
    return tuple(found)
