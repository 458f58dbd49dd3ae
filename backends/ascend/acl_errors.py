"""What pyACL's error codes mean for a chip: the catalogue file beside this module. It refuses to know pyACL itself."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast, get_args

from backends.ascend import error_catalog, tool_errors
from backends.core.model_io import Course, DeviceError

CATALOGUE = Path(__file__).with_name("acl_codes.toml")

_WORDS = {"en": "{call} failed ({code}): ", "zh": "{call} 失败（{code}）："}
"""Stands before a cause."""


@dataclass(frozen=True, slots=True)
class Code:
    """One entry of the catalogue."""

    codes: tuple[str, ...]
    """Numbers, or patterns of them."""
    call: str
    """A pattern of the calls that may give it."""
    course: Course
    batch: bool
    """The batch in compute may be the cause."""
    cause: Mapping[str, str]
    """By language."""
    fix: Mapping[str, str]


def fault(call: str, code: int) -> DeviceError:
    """What to raise where a call such as `mdl.execute` gave `code`: one line with the cause, the mend, the course."""
    entry = find(call, code)
    words = _WORDS["en"] + entry.cause["en"]
    return DeviceError(words, hint=entry.fix["en"], course=entry.course, blame=entry.batch, call=call, code=code)


def find(call: str, code: int) -> Code:
    """The entry of a call's code: whole numbers before patterns, those for such calls alone before those for all."""
    text = str(code)
    known = [entry for entry in catalogue() if fnmatchcase(call, entry.call)]
    fits = [entry for entry in known if any(fnmatchcase(text, pattern) for pattern in entry.codes)]
    return min(fits, key=lambda entry: (text not in entry.codes, entry.call == "*"))


def translations(language: str) -> dict[str, str]:
    """The sentences of codes, alone and as `fault` words them, and of tools: in English, and in `language` ("zh")."""
    causes = [(entry.cause["en"], entry.cause[language]) for entry in catalogue()]
    return {
        **tool_errors.translations(language),
        **error_catalog.translated(catalogue(), language),
        **{_WORDS["en"] + ours: _WORDS[language] + theirs for ours, theirs in causes},
    }


@functools.cache
def catalogue() -> tuple[Code, ...]:
    """The entries of the file that ships with us. ValueError with the entry's number where one is incomplete."""
    return parse(CATALOGUE.read_text(encoding="utf-8"))


def parse(text: str) -> tuple[Code, ...]:
    """The entries of a catalogue's text."""
    return tuple(_code(number, entry) for number, entry in error_catalog.tables(text, "code"))


def _code(number: int, entry: Mapping[str, Any]) -> Code:
    lacking = [*([] if entry.get("code") else ["code"]), *error_catalog.lacking(entry)]
    course = entry.get("course", "again")
    if lacking or course not in get_args(Course):
        what = ", ".join(lacking) or f"course {course!r}"
        raise ValueError(f"code {number} of the acl catalogue: {what} is missing or wrong")
    return Code(
        tuple(entry["code"]),
        entry.get("call", "*"),
        cast(Course, course),
        bool(entry.get("batch", True)),
        *error_catalog.sentences(entry),
    )
