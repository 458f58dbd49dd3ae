"""What pyACL's error codes mean for a chip: the catalogue file beside this module."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

from msgspec import Struct

from backends.ascend import error_catalog
from backends.core.messages import N_, Line
from backends.device.failures import DeviceError, RestartPolicy

POLICIES = ("again", "retry", "never")
CATALOGUE = Path(__file__).with_name("acl_codes.toml")


class Code(Struct, frozen=True):
    """One entry of the catalogue."""

    codes: tuple[str, ...]
    """Numbers, or patterns of them."""
    call: str
    """A pattern of the calls that may give it."""
    policy: RestartPolicy
    batch: bool
    """The batch in compute may be the cause."""
    cause: str
    """In English, as `fix`: the msgid of its translations."""
    fix: str


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
    return parse(CATALOGUE.read_text(encoding="utf-8"))


def parse(text: str) -> tuple[Code, ...]:
    return tuple(_code(number, entry) for number, entry in error_catalog.tables(text, "code"))


def _code(number: int, entry: Mapping[str, Any]) -> Code:
    lacking = [*([] if entry.get("code") else ["code"]), *error_catalog.lacking(entry)]
    course = entry.get("course", "again")
    if lacking or course not in POLICIES:
        what = ", ".join(lacking) or f"course {course!r}"
        raise ValueError(f"code {number} of the acl catalogue: {what} is missing or wrong")
    return Code(
        tuple(entry["code"]),
        entry.get("call", "*"),
        cast(RestartPolicy, course),
        bool(entry.get("batch", True)),
        str(entry["cause"]),
        str(entry["fix"]),
    )
