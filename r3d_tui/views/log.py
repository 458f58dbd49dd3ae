"""A stage's log: its lines as rows, what was searched for marked, and where the matches are."""

from __future__ import annotations

import re

from r3d_tui.text.rows import Row, Span, cells, wrap

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


TIME = re.compile(r"\d\d:\d\d:\d\d ")
"""What stands before a line in a stage's log."""


def level(line: str) -> str:
    """The role of a whole line, by the words in it."""
    return next((role for expression, role in _LEVELS if expression.search(line)), "")


def pieces(line: str, width: int) -> list[str]:
    """A line in as many rows as it takes, broken at blanks; the second stands under the first's text, not its time."""
    if len(line) <= width and (line.isascii() or cells(line) <= width):
        return [line]
    found = TIME.match(line)
    if found is None or width < 3 * len(found[0]):
        return wrap(line, width)
    first, *rest = wrap(line[found.end() :], width - found.end())
    return [found[0] + first, *(" " * found.end() + piece for piece in rest)]


def log_row(piece: str, pattern: str, role: str) -> Row:
    """A piece of a line whose role is `role`, its time dim, what was searched for marked."""
    found = TIME.match(piece)
    time, text = (found[0], piece[found.end() :]) if found else ("", piece)
    head = (Span(time, "dim"),) if time else ()
    haystack = text.lower() if pattern.islower() else text
    if not pattern or len(haystack) != len(text):  # a letter whose small form is longer: no marking, not a wrong one
        return (*head, Span(text, role))
    spans: list[Span] = []
    place = 0
    while (at := haystack.find(pattern, place)) >= 0:
        spans += [Span(text[place:at], role), Span(text[at : at + len(pattern)], "match")]
        place = at + len(pattern)
    return (*head, *spans, Span(text[place:], role))
