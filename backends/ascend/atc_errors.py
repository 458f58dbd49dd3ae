"""What atc's failures mean: the catalogue file beside this module, matched against what atc said.

It matches codes and pieces of text, never whole sentences: those change from release to release.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.ascend import error_catalog
from backends.core.messages import Line
from backends.core.values import Trouble

CATALOGUE = Path(__file__).with_name("atc_codes.toml")

_CODE = re.compile(r"\bE(?:[A-Z]\d{4}|\d{5})\b")
_HEADLINE = "ATC run failed"


@dataclass(frozen=True, slots=True)
class Failure:
    """One entry of the catalogue."""

    codes: tuple[str, ...]
    text: tuple[str, ...]
    any_text: tuple[str, ...]
    last: bool
    cause: str
    """In English, as `fix`: the msgid of its translations."""
    fix: str


def diagnose(words: str, failures: tuple[Failure, ...] | None = None) -> Trouble | None:
    """What `words`, atc's output, say went wrong. None where they hold no error code and nothing known."""
    failures = catalogue() if failures is None else failures
    codes = _codes(words)
    known = [(rank, failure) for failure in failures if (rank := _rank(failure, codes, words.lower())) is not None]
    if not known:
        return Trouble(codes[0], _message(words, codes[0])) if codes else None
    failure = min(known, key=lambda pair: pair[0])[1]
    code = next((code for code in codes if code in failure.codes), codes[0] if codes else None)
    pieces = (*failure.text, *failure.any_text)
    message = _message(words, code or next(piece for piece in pieces if piece.lower() in words.lower()))
    return Trouble(code, message, Line(failure.cause), Line(failure.fix))


@functools.cache
def catalogue() -> tuple[Failure, ...]:
    """The entries of the file that ships with us. ValueError with the entry's number where one is incomplete."""
    return parse(CATALOGUE.read_text(encoding="utf-8"))


def parse(text: str) -> tuple[Failure, ...]:
    """The entries of a catalogue's text."""
    return tuple(_failure(number, entry) for number, entry in error_catalog.tables(text, "failure"))


def _failure(number: int, entry: Mapping[str, Any]) -> Failure:
    lacking = error_catalog.lacking(entry)
    if lacking or not (entry.get("code") or entry.get("text") or entry.get("any")):
        raise ValueError(f"failure {number} of the atc catalogue: {', '.join(lacking) or 'code or text'} is missing")
    texts = _list(entry.get("text")), _list(entry.get("any"))
    return Failure(_list(entry.get("code")), *texts, bool(entry.get("last")), str(entry["cause"]), str(entry["fix"]))


def _list(value: Any) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)


def _codes(words: str) -> tuple[str, ...]:
    """Error codes in the order in which they stand, those behind the headline first; warnings (W11001) are none."""
    _, headline, behind = words.partition(_HEADLINE)
    found = _CODE.findall(behind) if headline else []
    return tuple(dict.fromkeys([*found, *_CODE.findall(words)]))


def _rank(failure: Failure, codes: tuple[str, ...], words: str) -> tuple[bool, bool, int] | None:
    """How well an entry matches, least first; None where it does not."""
    places = [codes.index(code) for code in failure.codes if code in codes]
    if (failure.codes and not places) or not all(piece.lower() in words for piece in failure.text):
        return None
    if failure.any_text and not any(piece.lower() in words for piece in failure.any_text):
        return None
    return failure.last, not (failure.text or failure.any_text), min(places, default=0)


def _message(words: str, mark: str) -> str:
    """The line that holds `mark`, without its time stamp and control characters."""
    _, headline, behind = words.partition(_HEADLINE)
    texts = (behind, words) if headline else (words,)
    lines = (line for text in texts for line in text.splitlines() if mark.lower() in line.lower())
    plain = "".join(" " if unicodedata.category(c).startswith("C") else c for c in next(lines, ""))
    plain = re.sub(r"\[PID:\s*\d+\]\s*(?:\d{4}-\d\d-\d\d-[\d:.]+\s*)?", "", plain)
    return re.sub(r"\s+", " ", plain).strip()[:300]
