"""The lines of the log that is looked at, bounded, wrapped to a width, and searched. It knows no widget and no file.

Its rows have their level in colour and what was searched for marked.
"""

import re
from bisect import bisect_left

from r3d_tui.state.feed import LogPiece
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


KEPT = 20_000
"""Lines; older ones are in the file."""
LATE = 100
"""Lines of which the words may come behind them."""
LONGEST = 4_000
"""Characters of one line that are shown."""


class LogBook:
    """Takes in pieces; gives wrapped rows of text as (line number, text)."""

    def __init__(self) -> None:
        self.stage = ""
        self.lines: list[str] = []
        self.dropped = 0
        """Lines that are no longer kept."""
        self.pattern = ""
        self.only = False
        """Only the lines that match are shown."""
        self.found: list[int] = []
        """Numbers of the lines that match."""
        self.place = -1
        """Which of `found` is looked at; -1: none."""
        self._worded: dict[str, str] = {}
        self._partial = False
        self._width = 0
        self._wrapped: list[tuple[int, str]] = []
        self._matching: tuple[tuple[int, str, int], list[tuple[int, str]]] = ((0, "", 0), [])

    def take(self, piece: LogPiece) -> None:
        if piece.fresh or piece.stage != self.stage:
            self.stage, self.lines, self.dropped, self._partial = piece.stage, [], 0, False
            self._wrapped, self._worded = [], {}
        self._worded.update(piece.worded)
        lines = [line[:LONGEST] for line in piece.lines]
        first = max(0, len(self.lines) - LATE) if piece.worded else len(self.lines)
        if self._partial and self.lines and lines:
            first = min(first, len(self.lines) - 1)
            lines[0] = (self.lines.pop() + lines[0])[:LONGEST]
        while self._wrapped and self._wrapped[-1][0] >= first:
            self._wrapped.pop()
        self.lines += lines
        self._partial = piece.partial if piece.lines else self._partial
        if len(self.lines) > KEPT:
            self._drop(len(self.lines) - KEPT * 3 // 4)
            first = 0
        self._wrap_from(first)
        self._search()

    def shown(self) -> list[str]:
        """The lines in the reader's language, as far as they are ours."""
        return [*map(self._shown, self.lines)] if self._worded else self.lines

    def _shown(self, line: str) -> str:
        place = found.end() if (found := TIME.match(line)) else 0
        return line[:place] + self._worded.get(line[place:], line[place:])

    def search(self, pattern: str) -> None:
        """Look for a text; the last match is looked at first."""
        self.pattern = pattern
        self._search()
        self.place = len(self.found) - 1

    def turn(self, step: int) -> int | None:
        """Go to another match; gives its line, None where there is none."""
        if not self.found:
            return None
        self.place = (self.place + step) % len(self.found)
        return self.found[self.place]

    @property
    def here(self) -> int | None:
        """The line of the match that is looked at."""
        return self.found[self.place] if 0 <= self.place < len(self.found) else None

    def wrapped(self, width: int) -> list[tuple[int, str]]:
        """All lines, those too long in several pieces."""
        if width != self._width:
            self._width = width
            self._wrapped = []
            self._wrap_from(0)
        if not (self.only and self.pattern):
            return self._wrapped
        key = (self.dropped + len(self.lines), self.pattern, width)
        if key != self._matching[0] or self._partial:
            found = (
                (number, piece) for number in self.found for piece in pieces(self._shown(self.lines[number]), width)
            )
            self._matching = (key, list(found))
        return self._matching[1]

    def row_of(self, line: int) -> int:
        return bisect_left(self.wrapped(self._width), line, key=lambda pair: pair[0])

    def _drop(self, count: int) -> None:
        self.lines = self.lines[count:]
        self.dropped += count
        self._wrapped = []

    def _wrap_from(self, first: int) -> None:
        if self._width < 2:
            return
        for number in range(first, len(self.lines)):
            self._wrapped += [(number, piece) for piece in pieces(self._shown(self.lines[number]), self._width)]

    def _search(self) -> None:
        here = self.here
        self.found = matches(self.shown(), self.pattern) if self.pattern else []
        self.place = self.found.index(here) if here in self.found else len(self.found) - 1
