"""Rows of words with roles, measured in terminal cells: the language between views and widgets.

A row is what a person reads on one line. A role says what a piece of it means (good, bad, dim, ...), never a colour.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec import Struct
from rich.cells import cell_len, set_cell_size

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor moves
    r"|\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS, SOS, PM, APC with their text
    r"|\x1b[ -/]*[0-~]"
    r"|\x9b[0-?]*[ -/]*[@-~]"
    r"|[\x90\x98\x9d-\x9f][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
)
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
_MARK = (
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u1ab0-\u1aff\u1dc0-\u1dff"
    "\u20d0-\u20ff\ufe20-\ufe2f]"
)
_PILES = re.compile(f"({_MARK}{{2}}){_MARK}+")


def safe(text: str) -> str:
    """One line of `text` without anything that a terminal would obey; tabs and line ends become blanks. Idempotent."""
    if text.isascii() and text.isprintable():
        return text
    text = _ESCAPES.sub("", text)
    text = text.replace("\t", "    ").replace("\r\n", " ").replace("\n", " ").replace("\r", " ")
    text = _UNSEEN.sub("", text)
    return _PILES.sub(r"\1", unicodedata.normalize("NFC", text))


def safe_lines(text: str) -> list[str]:
    """The lines of a log, each harmless. Of a progress bar that rewrites its line with CR only the last state stays."""
    lines = text.replace("\r\n", "\n").split("\n")
    return [safe(line.rstrip("\r").rpartition("\r")[2]) for line in lines]


ELLIPSIS = "…"


class Span(NamedTuple):
    """A piece of one line. `action` is what a click on it does, in the words of Textual's actions."""

    text: str
    role: str = ""
    action: str = ""


Row = tuple[Span, ...]
ANSI = {
    "dim": "dim",
    "good": "green",
    "bad": "bold red",
    "warn": "yellow",
    "accent": "cyan",
    "strong": "bold",
    "head": "dim",
    "key": "bold cyan",
    "rule": "dim",
    "focus": "bold cyan",
    "chip": "bold reverse",
    "off": "dim",
    "match": "reverse",
    "cursor": "bold",
}
"""Every role that a widget must draw, in the sixteen colours of a terminal with a dark ground; "" is plain."""


def row(*parts: str | Span) -> Row:
    """A row of spans; a plain string has no role."""
    return tuple(part if isinstance(part, Span) else Span(part) for part in parts)


def text_of(line: Row) -> str:
    """The words of a row, as copied to a clipboard or a file."""
    return "".join(span.text for span in line)


def cells(text: str) -> int:
    """Width of a text in terminal cells; a Chinese character takes two."""
    return cell_len(text)


def fit(text: str, width: int, *, right: bool = False, keep_end: bool = False) -> str:
    """Exactly `width` cells: padded, or cut with an ellipsis (at the front with `keep_end`, as paths want it)."""
    if width <= 0:
        return ""
    size = len(text) if text.isascii() else cell_len(text)
    if size > width:
        return _cut_front(text, width) if keep_end else set_cell_size(text, width - 1) + ELLIPSIS
    blank = " " * (width - size)
    return blank + text if right else text + blank


def shorten(text: str, width: int, *, keep_end: bool = False) -> str:
    """At most `width` cells: `fit` without the padding."""
    return text if cell_len(text) <= width else fit(text, width, keep_end=keep_end).rstrip()


def _cut_front(text: str, width: int) -> str:
    while text and cell_len(text) > width - 1:
        text = text[1:]
    return ELLIPSIS + " " * (width - 1 - cell_len(text)) + text


def width_of(line: Row) -> int:
    return sum([len(text) if text.isascii() else cell_len(text) for text, _, _ in line])


def cut(line: Row, width: int) -> Row:
    """The row in at most `width` cells; what is cut ends in an ellipsis."""
    if width_of(line) <= width:
        return line
    kept: list[Span] = []
    left = width
    for span in line:
        size = cell_len(span.text)
        if size < left:
            kept.append(span)
            left -= size
            continue
        kept.append(span._replace(text=fit(span.text + "  ", left)))
        break
    return tuple(kept) if width > 0 else ()


def ends(left: Row, right: Row, width: int) -> Row:
    """`left` at the left end and `right` at the right end of `width` cells; the left is cut where both do not fit."""
    space = width - width_of(right)
    if space < 4:
        return cut(left, width)
    left = cut(left, space - 1)
    return (*left, Span(" " * (space - width_of(left))), *right)


def wrap(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` cells, broken at blanks, and inside words that are too long or Chinese."""
    width = max(width, 2)
    lines: list[str] = []
    line = ""
    for word in _words(text):
        if cell_len(line) + cell_len(word.rstrip()) <= width:
            line += word
            continue
        if line.strip():
            lines.append(line.rstrip())
        line = word.lstrip()
        while cell_len(line.rstrip()) > width:
            head = set_cell_size(line, width).rstrip()
            lines.append(head)
            line = line[len(head) :]
    return [*lines, line.rstrip()] if line.strip() or not lines else lines


_NO_START = "，。；：、）》！？,.;:)!?"


def _words(text: str) -> Iterable[str]:
    word = ""
    for char in text:
        if cell_len(char) == 2:  # a Chinese line may break after every character, but not before a full stop
            if word and char not in _NO_START:
                yield word
                word = ""
            word += char
        elif word.endswith(" ") and char != " ":
            yield word
            word = char
        else:
            word += char
    if word:
        yield word


class Column(Struct, frozen=True):
    """One column of a table. Widths are given, not measured, so that nothing jumps when a figure grows."""

    head: str
    width: int
    right: bool = False
    rank: int = 0
    """0 stays always; the highest rank goes first where the width does not suffice."""
    flex: bool = False
    """Takes what the others leave; `width` is then its least."""
    keep_end: bool = False

    @property
    def least(self) -> int:
        """Cells that it takes at least."""
        return self.width if self.flex else max(self.width, cell_len(self.head))


GAP = 2
_GAP = Span(" " * GAP)


class Grid(Struct, frozen=True):
    """Columns with their widths settled for a place: rows of it are aligned, whenever each is drawn."""

    columns: tuple[Column, ...]
    """Those that are shown."""
    places: tuple[int, ...]
    """Which cells of a line they take."""
    sizes: tuple[int, ...]
    width: int
    fits: bool
    """No row of it has to be cut."""

    def head(self, marked: str = "") -> Row:
        """The headings; the one that is `marked` stands out."""
        return self._aligned(
            [Span(one.head, "focus" if marked and one.head == marked else "head") for one in self.columns]
        )

    def row(self, line: Sequence[str | Span]) -> Row:
        """One line of cells, of all columns, also of those that are not shown."""
        return self._aligned(
            [cell if isinstance(cell, Span) else Span(cell) for cell in (line[i] for i in self.places)]
        )

    def _aligned(self, spans: Sequence[Span]) -> Row:
        out: list[Span] = []
        for (text, role, action), column, size in zip(spans, self.columns, self.sizes, strict=True):
            if out:
                out.append(_GAP)
            out.append(Span(fit(text, size, right=column.right, keep_end=column.keep_end), role, action))
        return tuple(out) if self.fits else cut(tuple(out), self.width)


def grid(columns: Sequence[Column], width: int) -> Grid:
    """The columns that fit in `width` cells, and how wide each is."""
    shown = list(range(len(columns)))
    while _sum(columns, shown) > width and any(columns[i].rank for i in shown):
        shown.remove(max(shown, key=lambda i: (columns[i].rank, i)))
    spare = max(0, width - _sum(columns, shown))
    flexes = [i for i in shown if columns[i].flex]
    sizes = {i: columns[i].least for i in shown}
    for place, i in enumerate(flexes):
        sizes[i] += spare // len(flexes) + (1 if place < spare % len(flexes) else 0)
    fits = sum(sizes.values()) + GAP * (len(shown) - 1) <= width
    return Grid(tuple(columns[i] for i in shown), tuple(shown), tuple(sizes[i] for i in shown), width, fits)


def table(
    columns: Sequence[Column], body: Iterable[Sequence[str | Span]], width: int, *, head: bool = True, marked: str = ""
) -> list[Row]:
    """A heading and one row for each line of `body`, exactly aligned, in at most `width` cells."""
    settled = grid(columns, width)
    return [*([settled.head(marked)] if head else []), *map(settled.row, body)]


def _sum(columns: Sequence[Column], shown: Sequence[int]) -> int:
    return sum(columns[i].least for i in shown) + GAP * max(0, len(shown) - 1)


def changed(old: Row | None, new: Row) -> tuple[int, int] | None:
    """First cell and number of cells to draw again; None where nothing differs."""
    if old is None:
        return 0, 10_000
    if old == new:
        return None
    first = 0
    start = 0
    while first < min(len(old), len(new)) and old[first] == new[first]:
        start += cell_len(new[first].text)
        first += 1
    wide, was = (start + width_of(line[first:]) for line in (new, old))
    end = max(wide, was)
    if wide == was:
        last = 1
        while last < min(len(old), len(new)) - first + 1 and old[-last] == new[-last]:
            end -= cell_len(new[-last].text)
            last += 1
    return start, max(1, end - start)
