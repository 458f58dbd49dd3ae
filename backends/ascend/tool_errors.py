"""What the words of a failed inference tool mean: the catalogue file beside this module. It refuses to run any tool."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.ascend import error_catalog

CATALOGUE = Path(__file__).with_name("tool_words.toml")


@dataclass(frozen=True, slots=True)
class Said:
    """One entry of the catalogue."""

    text: tuple[str, ...]
    any_text: tuple[str, ...]
    status: tuple[int, ...]
    last: bool
    """A code of pyACL, where there is one, says more."""
    call: str
    """The call that such a code is looked up by."""
    again: bool
    """A new process on the same chip may do better."""
    cause: str
    """In English, as `fix`: the msgid of its translations."""
    fix: str

    def fits(self, status: int, words: str) -> bool:
        """Whether an exit status and words, in lower case, are of this kind."""
        found = not self.any_text or any(piece in words for piece in self.any_text)
        return found and (not self.status or status in self.status) and all(piece in words for piece in self.text)


def find(status: int, words: str) -> Said | None:
    """The first entry that fits; None where none does."""
    lowered = words.lower()
    return next((said for said in catalogue() if said.fits(status, lowered)), None)


@functools.cache
def catalogue() -> tuple[Said, ...]:
    """The entries of the file that ships with us. ValueError with the entry's number where one is incomplete."""
    return parse(CATALOGUE.read_text(encoding="utf-8"))


def parse(text: str) -> tuple[Said, ...]:
    """The entries of a catalogue's text."""
    return tuple(_said(number, entry) for number, entry in error_catalog.tables(text, "said"))


def _said(number: int, entry: Mapping[str, Any]) -> Said:
    lacking = error_catalog.lacking(entry)
    if lacking or not (entry.get("text") or entry.get("any") or entry.get("status")):
        what = ", ".join(lacking) or "text, any or status"
        raise ValueError(f"entry {number} of the catalogue of words: {what} is missing")
    text, any_text = (tuple(str(piece).lower() for piece in entry.get(key, ())) for key in ("text", "any"))
    status, call = tuple(entry.get("status", ())), str(entry.get("call", "mdl.execute"))
    return Said(
        text,
        any_text,
        status,
        bool(entry.get("last")),
        call,
        bool(entry.get("again")),
        str(entry["cause"]),
        str(entry["fix"]),
    )
