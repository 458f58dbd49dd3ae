"""A stage's log: its lines as rows, what was searched for marked, and where the matches are."""

from __future__ import annotations

import re

from r3d_tui.text.rows import Row, Span, row

_LEVELS = (
    (re.compile(r"\b(?:error|failed|failure|traceback|exception|fatal|critical|E[0-9]{5})\b", re.IGNORECASE), "bad"),
    (re.compile(r"\b(?:warn|warning)\b", re.IGNORECASE), "warn"),
)


def matches(lines: list[str], pattern: str) -> list[int]:
    """The numbers of the lines that hold `pattern`, capitals ignored where it has none."""
    if not pattern:
        return []
    if pattern.islower():
        return [number for number, line in enumerate(lines) if pattern in line.lower()]
    return [number for number, line in enumerate(lines) if pattern in line]


def log_row(line: str, pattern: str) -> Row:
    role = next((role for expression, role in _LEVELS if expression.search(line)), "")
    if not pattern:
        return row(Span(line, role))
    spans: list[Span] = []
    haystack = line.lower() if pattern.islower() else line
    if len(haystack) != len(line):  # a letter whose small form is longer: no marking rather than a wrong one
        return row(Span(line, role))
    place = 0
    while (found := haystack.find(pattern, place)) >= 0:
        spans += [Span(line[place:found], role), Span(line[found : found + len(pattern)], "match")]
        place = found + len(pattern)
    return (*spans, Span(line[place:], role))
