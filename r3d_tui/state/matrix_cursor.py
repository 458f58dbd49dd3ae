"""The cursor in the confusion matrix: where it is, and how the matrix looks around it."""

from __future__ import annotations

from backends.core.values import Confusion, Report
from r3d_tui.text.rows import Row
from r3d_tui.views.look import Look
from r3d_tui.views.matrix import Drawing, Heat, Place, matrix


class MatrixCursor:
    """One run's; it begins on the most frequent mistake."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._at: Place | None = None
        self._drawing = Drawing()

    def rows(self, look: Look, room: int, heat: Heat | None) -> list[Row]:
        """The matrix in `room` lines."""
        if self._at is None:
            first = matrix(self._report, look, room, heat)
            self._at = first.place(self._report.confusions[0]) if self._report.confusions else (0, 0)
        self._drawing = matrix(self._report, look, room, heat, self._at)
        return list(self._drawing.rows)

    def move(self, rows: int, columns: int) -> None:
        """No further than the ends."""
        y, x = self._at or (0, 0)
        self._at = self._drawing.kept((y + rows, x + columns))

    @property
    def pair(self) -> Confusion | None:
        """The classes of the cell, and how many videos it counts."""
        return self._drawing.at(self._at or (0, 0))
