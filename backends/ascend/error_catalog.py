"""Catalogue files of failures: each entry's cause and fix in every language. It refuses to know what fits an entry."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

LANGUAGES = ("en", "zh")
Told = Mapping[str, str]
"""One sentence by language."""


class Entry(Protocol):
    """One entry, whatever else it has."""

    @property
    def cause(self) -> Told:
        """Why it failed."""

    @property
    def fix(self) -> Told:
        """What mends it."""


def tables(text: str, name: str) -> Iterable[tuple[int, Mapping[str, Any]]]:
    """The tables `[[name]]` of a catalogue's text, numbered from 1. ValueError where it is no TOML."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return enumerate(tomllib.loads(text).get(name, ()), 1)


def lacking(table: Mapping[str, Any]) -> list[str]:
    """The sentences that a table should have and has not."""
    return [f"{key}_{tag}" for key in ("cause", "fix") for tag in LANGUAGES if not table.get(f"{key}_{tag}")]


def sentences(table: Mapping[str, Any]) -> tuple[Told, Told]:
    """Cause and fix of a table that lacks nothing."""
    cause, fix = ({tag: str(table[f"{key}_{tag}"]) for tag in LANGUAGES} for key in ("cause", "fix"))
    return cause, fix


def translated(entries: Iterable[Entry], language: str) -> dict[str, str]:
    """The English sentences and the same in `language` ("zh"), for a face that shows them."""
    return {told["en"]: told[language] for entry in entries for told in (entry.cause, entry.fix)}
