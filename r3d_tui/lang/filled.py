"""Lines that were filled before they became a fact of another line, read back by their templates.

It refuses to know any language: it tells the template and its facts, and `words` words them.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable

from backends.core.messages import Line

LEAST_LETTERS = 8
"""A template with fewer of its own (`{path}: {reason}`) fits too much to be told from foreign text."""
LEAST_FIRST = 4
"""But fewer are enough where it begins with as many (`busy: {names}`)."""
MOST_CHARACTERS = 400
"""Longer text is foreign."""


class Filled:
    """The templates of a language file, most words first: `filled.read("no answer for 30 s")` gives the line."""

    def __init__(self, templates: Iterable[str]) -> None:
        known = [(_texts(template), template) for template in templates]
        telling = [
            (_letters("".join(texts)), max(texts, key=len), template)
            for texts, template in known
            if _letters("".join(texts)) >= LEAST_LETTERS or _letters(texts[0]) >= LEAST_FIRST
        ]
        self._known = [(part, template) for _, part, template in sorted(telling, reverse=True)]
        self._read: dict[str, Line | None] = {}

    def read(self, text: str) -> Line | None:
        """The line that `text` was, its facts as text. None where no template fits."""
        if len(text) > MOST_CHARACTERS:
            return None
        if text not in self._read:
            self._read[text] = self._find(text)
        return self._read[text]

    def _find(self, text: str) -> Line | None:
        for part, template in self._known:
            if part in text and (match := re.fullmatch(_pattern(template), text, re.DOTALL)):
                return Line(template, match.groupdict())
        return None


def _texts(template: str) -> list[str]:
    return [text for text, *_ in string.Formatter().parse(template)] or [""]


def _letters(text: str) -> int:
    return sum(letter.isalpha() for letter in text)


def _pattern(template: str) -> str:
    """A pattern of what the template can become; a placeholder that stands twice is the same both times."""
    seen: set[str] = set()
    parts = []
    for text, name, *_ in string.Formatter().parse(template):
        parts.append(re.escape(text))
        if name:
            parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>.+?)")
            seen.add(name)
    return "".join(parts)
