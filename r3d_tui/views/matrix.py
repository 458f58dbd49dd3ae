"""The confusion matrix as a picture that fits: counts where there is room, half blocks where not, else the top pairs.

It refuses to know runs: a report and a room in, rows out.
"""

from __future__ import annotations

from msgspec import Struct

from backends.core.values import Report
from r3d_tui.text.rows import Row, Span, cells, cut, fit, row
from r3d_tui.text.safe import safe
from r3d_tui.views.look import Look, paragraph

Colour = tuple[int, int, int]
NAME = 18
"""Cells of a class's name at most."""
CELLS = (3, 2)
"""Cells of a count: apart where there is room, else side by side where colours part them."""


class Heat(Struct, frozen=True):
    """The colours of shares: from the ground (0) to `right` on the diagonal and `wrong` beside it (1)."""

    ground: Colour
    right: Colour
    wrong: Colour
    ink: Colour
    """Of counts on pale cells; on strong ones they take the ground's."""

    def colour(self, share: float, *, diagonal: bool) -> Colour:
        """Of a share of a class's videos; a few are seen at once, as a single mistake should be."""
        end = self.right if diagonal else self.wrong
        part = 0.0 if share <= 0 else min(1.0, 0.18 + 0.82 * share)
        red, green, blue = (round(a + (b - a) * part) for a, b in zip(self.ground, end, strict=True))
        return red, green, blue


class Matrix(Struct, frozen=True):
    """Counts by class (row) and best label (column). Rows are the scored classes; columns may hold more labels."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    videos: tuple[int, ...]
    """Of each row's class."""

    def share(self, row: int, column: int) -> float:
        """Of the row's videos."""
        return self.counts[row][column] / max(1, self.videos[row])

    def diagonal(self, row: int, column: int) -> bool:
        """Whether the cell counts right videos."""
        return self.rows[row] == self.columns[column]


def counted(report: Report) -> Matrix:
    """The report's classes and confusions as a matrix, in the order of names."""
    rows = tuple(sorted(score.label for score in report.classes if score.videos))
    more = {pair.predicted for pair in report.confusions} - set(rows)
    columns = (*rows, *sorted(more))
    found = {(pair.label, pair.predicted): pair.videos for pair in report.confusions}
    found.update({(score.label, score.label): score.top1 for score in report.classes})
    videos = {score.label: score.videos for score in report.classes}
    counts = tuple(tuple(found.get((r, c), 0) for c in columns) for r in rows)
    return Matrix(rows, columns, counts, tuple(videos[r] for r in rows))


def matrix(report: Report, look: Look, room: int, heat: Heat | None) -> list[Row]:
    """The picture in `room` lines; without `heat` (few colours) shares are told by shade and figure."""
    scored = [score.label for score in report.classes if score.videos]
    if not scored:
        return []
    if len(scored) > min(look.width, 2 * room):  # not counted: of 700 classes that takes longer than a key may
        return _pairs(report, look, room)
    whole = counted(report)
    name = min(NAME, max(cells(safe(label)) for label in whole.rows))
    numbers = len(str(len(whole.columns)))
    least = name + numbers + 2
    note = paragraph(look.words("matrix.legend"), look.width, "dim")
    if len(whole.rows) + 1 + len(note) <= room:
        most = max(map(max, whole.counts))
        for size in CELLS if heat is not None and most < 100 else CELLS[:1]:
            if least + size * len(whole.columns) <= look.width:
                return [*_counts(whole, name, numbers, heat, size), *note]
    half = paragraph(look.words("matrix.halves"), look.width, "dim")
    lines = (len(whole.rows) + 1) // 2
    if heat is not None and lines + len(half) <= room and least + len(whole.columns) <= look.width:
        return [*_halves(whole, name, numbers, heat), *half]
    return _pairs(report, look, room)


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _counts(whole: Matrix, name: int, numbers: int, heat: Heat | None, size: int) -> list[Row]:
    every = range(1, len(whole.columns) + 1)
    if size == CELLS[0]:
        heads = "".join(fit(f"{n} " if n < 100 else str(n), size, right=True) for n in every)
    else:  # every second number, so that they stand apart
        heads = "".join(fit(str(n), size, right=True) if n % 2 else " " * size for n in every)
    rows: list[Row] = [row(Span(" " * (name + numbers + 2) + heads, "head"))]
    for y, label in enumerate(whole.rows):
        spans = [Span(fit(safe(label), name)), Span(f" {y + 1:>{numbers}} ", "head")]
        spans += [_cell(whole, y, x, heat, size) for x in range(len(whole.columns))]
        rows.append(tuple(spans))
    return rows


def _cell(whole: Matrix, y: int, x: int, heat: Heat | None, size: int) -> Span:
    count, share, diagonal = whole.counts[y][x], whole.share(y, x), whole.diagonal(y, x)
    text = fit(f"{count} " if count < 100 and size == CELLS[0] else str(count), size, right=True)
    if not count:
        return Span(fit(" ·", size), "off")
    if heat is None:
        return Span(text, "good" if diagonal else "bad")
    ink = heat.ground if share > 0.45 else heat.ink
    return Span(text, f"{_hex(ink)}/{_hex(heat.colour(share, diagonal=diagonal))}")


def _halves(whole: Matrix, name: int, numbers: int, heat: Heat) -> list[Row]:
    rows = []
    for y in range(0, len(whole.rows), 2):
        spans = [Span(fit(safe(whole.rows[y]), name)), Span(f" {y + 1:>{numbers}} ", "head")]
        for x in range(len(whole.columns)):
            upper = heat.colour(whole.share(y, x), diagonal=whole.diagonal(y, x))
            lower = heat.ground
            if y + 1 < len(whole.rows):
                lower = heat.colour(whole.share(y + 1, x), diagonal=whole.diagonal(y + 1, x))
            spans.append(Span("▀", f"{_hex(upper)}/{_hex(lower)}"))
        rows.append(tuple(spans))
    return rows


def _pairs(report: Report, look: Look, room: int) -> list[Row]:
    of = {score.label: score.videos for score in report.classes if score.videos}
    text = look.words("matrix.large", n=len(of), shown=min(len(report.confusions), max(0, room - 3)))
    rows = [*paragraph(text, look.width, "dim"), ()]
    for pair in report.confusions[: max(0, room - len(rows))]:
        share = Span(f"{pair.videos:>4}/{of.get(pair.label, 0):<4}", "warn")
        line = row(share, " ", fit(safe(pair.label), NAME), Span(" → ", "dim"), safe(pair.predicted))
        rows.append(cut(line, look.width))
    return rows
