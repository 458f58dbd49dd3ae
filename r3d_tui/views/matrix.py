"""The confusion matrix as a picture that fits: counts where there is room, half blocks where not, else the pairs."""

from typing import Literal

from msgspec import Struct

from backends.core.values import ClassScore, Confusion, Report
from r3d_tui.text.rows import Row, Span, cells, cut, fit, row, safe
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


class SoFar(Struct, frozen=True):
    """Of a report what a matrix is drawn from; also of the videos so far."""

    classes: tuple[ClassScore, ...] = ()
    confusions: tuple[Confusion, ...] = ()
    is_whole: bool = True
    """False: only the lowest classes and the first confusions."""


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
        return self.rows[row] == self.columns[column]


def _rows(report: Report | SoFar) -> list[str]:
    """Classes that were scored; while inference goes on all of them, so that nothing moves."""
    return [score.label for score in report.classes if score.videos or isinstance(report, SoFar)]


def counted(report: Report | SoFar) -> Matrix:
    """The report's classes and confusions as a matrix, in the order of names."""
    rows = tuple(sorted(_rows(report)))
    more = {pair.predicted for pair in report.confusions} - set(rows)
    columns = (*rows, *sorted(more))
    found = {(pair.label, pair.predicted): pair.videos for pair in report.confusions}
    found.update({(score.label, score.label): score.top1 for score in report.classes})
    videos = {score.label: score.videos for score in report.classes}
    counts = tuple(tuple(found.get((r, c), 0) for c in columns) for r in rows)
    return Matrix(rows, columns, counts, tuple(videos[r] for r in rows))


Place = tuple[int, int]
"""A cell: row and column; of a list of pairs its row alone counts."""


class Drawing(Struct, frozen=True):
    """The rows of the matrix, and which pair of classes stands where in it."""

    rows: tuple[Row, ...] = ()
    whole: Matrix | None = None
    """None: `pairs` are listed."""
    pairs: tuple[Confusion, ...] = ()

    def kept(self, place: Place) -> Place:
        rows, columns = (len(self.pairs), 1) if self.whole is None else (len(self.whole.rows), len(self.whole.columns))
        return max(0, min(place[0], rows - 1)), max(0, min(place[1], columns - 1))

    def at(self, place: Place) -> Confusion | None:
        """The classes of a cell (one class where it counts right videos), and how many videos it holds."""
        y, x = self.kept(place)
        if self.whole is None:
            return self.pairs[y] if self.pairs else None
        return Confusion(self.whole.rows[y], self.whole.columns[x], self.whole.counts[y][x])

    def place(self, pair: Confusion) -> Place:
        if self.whole is None:
            return (self.pairs.index(pair) if pair in self.pairs else 0), 0
        return self.whole.rows.index(pair.label), self.whole.columns.index(pair.predicted)


def matrix(report: Report | SoFar, look: Look, room: int, heat: Heat | None, cursor: Place | None = None) -> Drawing:
    """The picture in `room` lines; without `heat` (few colours) shares are told by shade and figure.

    With a `cursor` the last line names its cell.
    """
    scored = _rows(report)
    if not scored:
        return Drawing()
    if len(scored) > min(look.width, 2 * room):  # not counted: of 700 classes that takes longer than a key may
        return _pairs(report, look, room, cursor)
    whole = counted(report)
    form, note = _form(whole, look, room - (cursor is not None), heat)
    if form == "pairs":
        return _pairs(report, look, room, cursor)
    found = Drawing(whole=whole)
    cursor = None if cursor is None else found.kept(cursor)
    drawn = _halves(whole, heat, cursor) if form == "halves" and heat else _counts(whole, heat, int(form[-1]), cursor)
    named = [_named(whole, cursor, look)] if cursor is not None else []
    return Drawing((*drawn, *note, *named), whole)


def _form(
    whole: Matrix, look: Look, room: int, heat: Heat | None
) -> tuple[Literal["counts 3", "counts 2", "halves", "pairs"], list[Row]]:
    least = sum(_margin(whole)) + 2
    note = paragraph(look.words("matrix.legend"), look.width, "dim")
    note = note if len(whole.rows) + 1 + len(note) <= room else []
    if len(whole.rows) + 1 <= room:
        if least + 3 * len(whole.columns) <= look.width:
            return "counts 3", note
        if heat is not None and max(map(max, whole.counts)) < 100 and least + 2 * len(whole.columns) <= look.width:
            return "counts 2", note
    half = paragraph(look.words("matrix.halves"), look.width, "dim")
    lines = (len(whole.rows) + 1) // 2
    if heat is not None and lines <= room and least + len(whole.columns) <= look.width:
        return "halves", half if lines + len(half) <= room else []
    return "pairs", []


def _margin(whole: Matrix) -> tuple[int, int]:
    """Cells of the names and of the numbers at the left."""
    return min(NAME, max(cells(safe(label)) for label in whole.rows)), len(str(len(whole.columns)))


def _named(whole: Matrix, cursor: Place, look: Look) -> Row:
    y, x = cursor
    share = f"{whole.counts[y][x]}/{whole.videos[y]}"
    return cut(row(Span(share, "strong"), "  ", *_arrow(whole.rows[y], whole.columns[x])), look.width)


def _arrow(label: str, predicted: str) -> Row:
    return row(safe(label), Span(" → ", "dim"), safe(predicted))


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _counts(whole: Matrix, heat: Heat | None, size: int, cursor: Place | None) -> list[Row]:
    name, numbers = _margin(whole)
    every = range(1, len(whole.columns) + 1)
    if size == CELLS[0]:
        heads = "".join(fit(f"{n} " if n < 100 else str(n), size, right=True) for n in every)
    else:  # every second number, so that they stand apart
        heads = "".join(fit(str(n), size, right=True) if n % 2 else " " * size for n in every)
    rows: list[Row] = [row(Span(" " * (name + numbers + 2) + heads, "head"))]
    for y, label in enumerate(whole.rows):
        spans = [Span(fit(safe(label), name)), Span(f" {y + 1:>{numbers}} ", "head")]
        spans += [_cell(whole, y, x, heat, size) for x in range(len(whole.columns))]
        if cursor is not None and cursor[0] == y:
            spans[2 + cursor[1]] = spans[2 + cursor[1]]._replace(role="match")
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


def _halves(whole: Matrix, heat: Heat, cursor: Place | None) -> list[Row]:
    name, numbers = _margin(whole)
    rows = []
    for y in range(0, len(whole.rows), 2):
        spans = [Span(fit(safe(whole.rows[y]), name)), Span(f" {y + 1:>{numbers}} ", "head")]
        for x in range(len(whole.columns)):
            upper = heat.colour(whole.share(y, x), diagonal=whole.diagonal(y, x))
            lower = heat.ground
            if y + 1 < len(whole.rows):
                lower = heat.colour(whole.share(y + 1, x), diagonal=whole.diagonal(y + 1, x))
            if cursor in ((y, x), (y + 1, x)):
                spans.append(Span("▲" if cursor == (y, x) else "▼", "match"))
            else:
                spans.append(Span("▀", f"{_hex(upper)}/{_hex(lower)}"))
        rows.append(tuple(spans))
    return rows


def _pairs(report: Report | SoFar, look: Look, room: int, cursor: Place | None) -> Drawing:
    of = {score.label: score.videos for score in report.classes if score.videos}
    text = look.words("matrix.large", n=len(of), shown=min(len(report.confusions), max(0, room - 3)))
    rows = [*paragraph(text, look.width, "dim"), ()]
    found = Drawing(pairs=report.confusions[: max(0, room - len(rows))])
    here = -1 if cursor is None else found.kept(cursor)[0]
    for place, pair in enumerate(found.pairs):
        share = Span(f"{pair.videos:>4}/{of.get(pair.label, 0):<4}", "match" if place == here else "warn")
        line = row(share, " ", *_arrow(fit(safe(pair.label), NAME), pair.predicted))
        rows.append(cut(line, look.width))
    return Drawing(tuple(rows), None, found.pairs)
