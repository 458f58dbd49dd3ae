"""Catalogue files of failures: reading their tables."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any


def tables(text: str, name: str) -> Iterable[tuple[int, Mapping[str, Any]]]:
    """The tables `[[name]]` of a catalogue's text, numbered from 1. ValueError where it is no TOML."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return enumerate(tomllib.loads(text).get(name, ()), 1)


def lacking(table: Mapping[str, Any]) -> list[str]:
    """The sentences that a table should have and has not."""
    return [key for key in ("cause", "fix") if not table.get(key)]
