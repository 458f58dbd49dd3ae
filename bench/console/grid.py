"""A terminal's screen in memory: bytes in, cells out. It knows the sequences that Textual writes and no others."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from rich.cells import cell_len

_SEQUENCE = re.compile(
    r"\x1b\[([\x30-\x3f]*)[\x20-\x2f]*([\x40-\x7e])"
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|\x1b[P_^X][^\x1b]*\x1b\\"
    r"|\x1b[\x20-\x2f]*[\x30-\x4f\x51-\x57\x59\x5a\x5c\x60-\x7e]"
)
_LONGEST = 8192
"""Characters after which an escape that never ends is taken for none."""

Cell = tuple[str, str]
"""A character ("" behind a wide one) and the colours and attributes it stands in, as they were written."""
UNWRITTEN: Cell = ("\0", "")


class Grid:
    """`columns` times `rows` cells."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self._cells = [[UNWRITTEN] * columns for _ in range(rows)]
        self._x = self._y = 0
        self._style = ""
        self._held = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> None:
        """What the program wrote; a sequence may be cut anywhere."""
        text = self._held + self._decoder.decode(data)
        self._held = ""
        place = 0
        while (escape := text.find("\x1b", place)) >= 0:
            self._write(text[place:escape])
            found = _SEQUENCE.match(text, escape)
            if found is None and len(text) - escape < _LONGEST:
                self._held = text[escape:]
                return
            place = found.end() if found else escape + 1
            if found and found.group(2):
                self._obey(found.group(1), found.group(2))
        self._write(text[place:])

    def text(self) -> str:
        """The screen as lines of text."""
        return "\n".join("".join(char for char, _ in row).replace("\0", " ").rstrip() for row in self._cells)

    def cells(self) -> tuple[tuple[Cell, ...], ...]:
        """Every cell, to compare."""
        return tuple(map(tuple, self._cells))

    def written(self) -> dict[tuple[int, int], str]:
        """Cells that were written to, by (row, column); all digits are the same digit, so that clocks may go on."""
        return dict(self._written())

    def _written(self) -> Iterator[tuple[tuple[int, int], str]]:
        for y, row in enumerate(self._cells):
            for x, (char, _) in enumerate(row):
                if char != UNWRITTEN[0]:
                    yield (y, x), "0" if char.isdigit() else char

    def _write(self, text: str) -> None:
        for char in text:
            if char == "\r":
                self._x = 0
            elif char == "\n":
                self._y = min(self._y + 1, self.rows - 1)
            elif char >= " ":
                self._put(char, 1 if char < "\x7f" else cell_len(char))

    def _put(self, char: str, width: int) -> None:
        if not width or self._x + width > self.columns:
            return
        row = self._cells[self._y]
        row[self._x] = (char, self._style)
        if width == 2:
            row[self._x + 1] = ("", self._style)
        self._x += width

    def _obey(self, given: str, final: str) -> None:
        numbers = [int(part) if part.isdigit() else 0 for part in given.split(";")]
        if final == "m":
            reset = numbers[0] == 0
            self._style = given.lstrip("0").lstrip(";") if reset else f"{self._style};{given}"
        elif final in "Hf":
            self._move((numbers[1] if len(numbers) > 1 else 1) - 1, numbers[0] - 1)
        elif final in "ABCD":
            step = max(1, numbers[0]) * (1 if final in "BC" else -1)
            self._move(self._x + (step if final in "CD" else 0), self._y + (step if final in "AB" else 0))
        elif final == "J":
            self._cells = [[UNWRITTEN] * self.columns for _ in range(self.rows)]

    def _move(self, x: int, y: int) -> None:
        self._x, self._y = max(0, min(x, self.columns - 1)), max(0, min(y, self.rows - 1))
