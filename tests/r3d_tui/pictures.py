"""Pictures of screens as text: what stands in each cell, and below it its colours in each theme.

A picture is small enough for the repository and tells in a diff what moved. To look at them as pictures:
`python -m tests.r3d_tui.pictures FOLDER` draws every kept one as SVG.
"""

from __future__ import annotations

import io
import itertools
import string
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

KEPT = Path(__file__).parent / "pictures"
MARKS = string.ascii_letters + string.digits + "!#$%&()*+,-./:;<=>?@[]^_{|}~"
Strips = Sequence[Iterable[Segment]]


def seen(strips: Strips) -> tuple[list[str], list[list[tuple[int, str]]]]:
    """The text of each line, and its colours as runs of cells."""
    texts, colours = [], []
    for strip in strips:
        segments = [segment for segment in strip if segment.text and not segment.control]
        texts.append("".join(segment.text for segment in segments).rstrip())
        cells = [(cell_len(segment.text), named(segment.style)) for segment in segments]
        colours.append([(sum(n for n, _ in run), style) for style, run in itertools.groupby(cells, lambda one: one[1])])
    return texts, colours


def named(style: Style | None) -> str:
    """A style in a word: its colours and whether it is bold, dim, underlined or turned round."""
    if style is None:
        return "-"
    front, behind = (colour.name if colour else "-" for colour in (style.color, style.bgcolor))
    marks = [name for name in ("bold", "dim", "underline", "reverse") if getattr(style, name)]
    return " ".join([front, behind, *marks])


def written(size: tuple[int, int], *themes: Strips) -> str:
    """The picture as it is kept: text, then the runs of colours, then what each colour is in each theme."""
    texts, first = seen(themes[0])
    coloured = [first]
    for theme in themes[1:]:
        others, runs = seen(theme)
        assert texts == others, "the theme changes words"
        coloured.append(runs)
    palette: dict[tuple[str, ...], str] = {}
    lines = []
    for line in zip(*coloured, strict=True):
        together = itertools.groupby(zip(*map(_cells, line), strict=True))
        runs_of_line = [(len(list(run)), palette.setdefault(colours, _mark(len(palette)))) for colours, run in together]
        lines.append(" ".join(f"{mark}{cells}" for cells, mark in runs_of_line))
    body = ["x".join(map(str, size)), *(f"|{text}" for text in texts), "colours"]
    body += [f"{len(list(same))}x {line}" for line, same in itertools.groupby(lines)]
    body += [f"{mark} = {' / '.join(colours)}" for colours, mark in palette.items()]
    return "\n".join(body) + "\n"


def _mark(number: int) -> str:
    return MARKS[number] if number < len(MARKS) else f"'{number}'"


def _cells(runs: list[tuple[int, str]]) -> Iterator[str]:
    for cells, colour in runs:
        yield from itertools.repeat(colour, cells)


def drawn(text: str, theme: int) -> tuple[int, list[Text]]:
    """A kept picture's columns and its lines for Rich, in one of the themes it is kept in."""
    head, *lines = text.splitlines()
    width = int(head.partition("x")[0])
    at = lines.index("colours")
    palette = dict(line.split(" = ", 1) for line in lines[at:] if " = " in line)
    styles = {mark: _style(pair.split(" / ")[theme]) for mark, pair in palette.items()}
    rows: list[Text] = []
    for line in lines[at + 1 :]:
        if " = " in line:
            break
        times, _, runs = line.partition(" ")
        for _ in range(int(times[:-1])):
            rows.append(_row(lines[len(rows)][1:], runs.split(), styles, width))
    return width, rows


def _row(text: str, runs: list[str], styles: dict[str, Style], width: int) -> Text:
    text += " " * (width - cell_len(text))
    row = Text(no_wrap=True)
    place = 0
    for run in runs:
        mark, cells = ("'" + run.split("'")[1] + "'", run.split("'")[2]) if run[0] == "'" else (run[0], run[1:])
        piece, left = "", int(cells)
        while left > 0 and place < len(text):
            left -= cell_len(text[place])
            piece += text[place]
            place += 1
        row.append(piece, styles[mark])
    return row


def _style(name: str) -> Style:
    if name == "-":
        return Style()
    front, behind, *marks = name.split(" ")
    colours = [None if colour == "-" else colour for colour in (front, behind)]
    known: dict[str, Any] = dict.fromkeys(marks, True)
    return Style(color=colours[0], bgcolor=colours[1], **known)


def svg(text: str, theme: int, title: str) -> str:
    """A kept picture as SVG."""
    width, rows = drawn(text, theme)
    console = Console(record=True, width=width, file=io.StringIO(), color_system="truecolor")
    for row in rows:
        console.print(row, overflow="crop", crop=False)
    return console.export_svg(title=title)


def main() -> None:
    """Draw every kept picture, or those whose names hold a word, into a folder."""
    folder, words = Path(sys.argv[1]), sys.argv[2:]
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(KEPT.glob("*.txt")):
        if all(word in path.stem for word in words):
            text = path.read_text(encoding="utf-8")
            for theme in range(text.rstrip().rpartition("\n")[2].count(" / ") + 1):
                drawn_now = svg(text, theme, f"{path.stem} {theme}")
                (folder / f"{path.stem}-{theme}.svg").write_text(drawn_now, encoding="utf-8")


if __name__ == "__main__":
    main()
