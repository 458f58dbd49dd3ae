"""Words for people, by key for our own and by template for those of the backends. It refuses to know what they mean."""

from __future__ import annotations

import functools
import json
import locale
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backends.core.messages import Line, Scalar, fill
from r3d_tui.lang.filled import Filled
from r3d_tui.text.safe import safe

LANGUAGES = ("en", "zh")
"""Each is a file beside this one."""
NESTED = frozenset({"cause", "found", "hint", "place", "reason", "trouble", "way", "what", "where", "why"})
"""Facts that may be a line of the backends themselves. Others are names and numbers, and stay as they are."""
LISTED = frozenset({"hints", "reasons"})
"""Facts that may be several such lines with "; " between them, each perhaps behind the name of a device."""


class Words:
    """One language: `words("key", n=3)` for ours, `words.line(line)` for a `Line` of the backends."""

    def __init__(self, language: str = "en") -> None:
        self.language = language if language in LANGUAGES else "en"
        document = _read(self.language)
        self._lines: Mapping[str, str] = {**document.pop("system", {}), **document.pop("lines", {})}
        self._words = _flat(document)

    def __call__(self, key: str, /, **facts: Scalar) -> str:
        """Our own word or sentence. An unknown key shows as itself: a fault to see, not to crash on."""
        template = self._words.get(key, key)
        return safe(fill(template, facts)) if facts else template

    def get(self, key: str, default: str) -> str:
        """Our own word, or `default` where there is none (a stage that this version does not know)."""
        return self._words.get(key) or safe(default)

    def line(self, line: Line) -> str:
        """A line of the backends in this language, harmless; in English where nobody translated its template."""
        if self.language == "en":
            return safe(fill(line.template, line.facts))
        facts = {name: self._fact(name, value) for name, value in line.facts.items()}
        template = self._template(line.template)
        if not line.facts and template == line.template:
            return safe(self._inner(template))
        return safe(fill(template, facts))

    def _template(self, english: str) -> str:
        return self._lines.get(english) or self._catalogued.get(english, english)

    def _fact(self, name: str, value: Scalar) -> Scalar:
        """A fact that is our own word: a stage's name, or a line of the backends that stands inside another."""
        if not isinstance(value, str):
            return value
        if name in ("stage", "stages"):
            return ", ".join(self._words.get(f"stage.{one}", one) for one in value.split(", "))
        if name in LISTED:
            return "; ".join(self._behind_a_name(one) for one in value.split("; "))
        return self._inner(value) if name in NESTED else value

    def _inner(self, text: str) -> str:
        known = self._template(text)
        if known != text:
            return known
        line = self._filled.read(text)
        return self.line(line) if line else text

    def _behind_a_name(self, text: str) -> str:
        known = self._inner(text)
        name, colon, rest = text.partition(": ")
        return known if known != text or not colon else f"{name}: {self._inner(rest)}"

    @functools.cached_property
    def _filled(self) -> Filled:
        return Filled([*self._lines, *self._catalogued])

    @functools.cached_property
    def _catalogued(self) -> Mapping[str, str]:
        """What the backends' catalogues of error codes bring along in this language; read when first looked for."""
        from backends import api

        return api.translations(self.language)

    @property
    def other(self) -> str:
        """The language that the language key turns to."""
        return LANGUAGES[(LANGUAGES.index(self.language) + 1) % len(LANGUAGES)]


def chosen(language: str | None = None) -> str:
    """The language asked for, else the locale's, else English."""
    if language:
        return language.lower()[:2]
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return "zh" if value.lower().startswith("zh") else "en"
    return "zh" if (locale.getlocale()[0] or "").lower().startswith("zh") else "en"


def speakable(language: str, encoding: str) -> str:
    """The language, or English where the terminal's encoding has no Chinese."""
    try:
        "中文".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return "en"
    return language


_TABLE = re.compile(r"\[([a-z0-9_.]+)\]")
_STRING = re.compile(r"""([a-z0-9_]+|"(?:[^"\\]|\\.)*") = ("(?:[^"\\]|\\.)*"|'[^']*')""")


def _read(language: str) -> dict[str, Any]:
    text = Path(__file__).with_name(f"{language}.toml").read_text(encoding="utf-8")
    found = _strings(text)
    return _toml(text) if found is None else found


def _strings(text: str) -> dict[str, Any] | None:
    """A TOML file that holds nothing but tables of strings on one line each; None where it holds anything else.

    The general reader takes 6 to 20 ms for our files, before the first picture; this takes one or two.
    """
    whole: dict[str, Any] = {}
    table = whole
    for line in text.splitlines():
        if not line or line[0] == "#":
            continue
        if found := _STRING.fullmatch(line):
            table[_string(found[1])] = _string(found[2])
        elif found := _TABLE.fullmatch(line):
            table = whole
            for name in found[1].split("."):
                table = table.setdefault(name, {})
        else:
            return None
    return whole


def _string(text: str) -> str:
    if text[0] not in "\"'":
        return text
    return str(json.loads(text)) if text[0] == '"' and "\\" in text else text[1:-1]


def _toml(text: str) -> dict[str, Any]:
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        import tomli as tomllib  # type: ignore[no-redef,import-not-found,unused-ignore]
    return tomllib.loads(text)


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            found.update(_flat(value, f"{prefix}{key}."))
        else:
            found[prefix + key] = str(value)
    return found
