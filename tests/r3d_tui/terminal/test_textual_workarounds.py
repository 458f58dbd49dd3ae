"""The terminal's cells are the same whether Textual's own bytes or ours reach it."""

from __future__ import annotations

import random
from typing import ClassVar

import pyte
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.app import ComposeResult
from textual.driver import Driver
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widgets import Static

from r3d_tui.terminal.textual_workarounds import PLAIN, ConsoleBase, Lean, Pen, pen_of

STYLES = (
    None,
    Style.null(),
    Style.parse("bold #cfd6dd on #12161b"),
    Style.parse("dim #cfd6dd on #12161b"),
    Style.parse("#84909c on #12161b"),
    Style.parse("#84909c on #264a78"),
    Style.parse("bold reverse"),
    Style.parse("underline #e06b69"),
    Style.parse("green"),
    Style.parse("bold cyan on black"),
    Style.parse("color(123) on color(200)"),
)
TEXTS = ("      ", "abc", "  7 ", "视频", "━━╸──", "x", "a\u0301b")
COLUMNS, ROWS = 40, 6


def _console() -> Console:
    console = Console(force_terminal=True, width=COLUMNS)
    console._color_system = ColorSystem.TRUECOLOR
    return console


def _line(chance: random.Random) -> Strip:
    segments = [Segment(chance.choice(TEXTS), chance.choice(STYLES)) for _ in range(14)]
    return Strip(segments).adjust_cell_length(COLUMNS)


class Terminal:
    """A terminal's screen."""

    def __init__(self) -> None:
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.Stream(self._screen)

    def show(self, text: str) -> list[list[tuple[object, ...]]]:
        """What it shows after a text; of a blank the glyph's colour is not compared, for it is not seen."""
        self._stream.feed(text.replace("\n", "\r\n"))
        return [[_seen(self._screen.buffer[y][x]) for x in range(COLUMNS)] for y in range(ROWS)]


def _seen(cell: pyte.screens.Char) -> tuple[object, ...]:
    marks = (cell.bg, cell.underscore, cell.reverse, cell.strikethrough)
    if cell.data == " " and not (cell.reverse or cell.underscore):
        return (" ", *marks)
    return (cell.data, cell.fg, cell.bold, *marks)


def _picture(lines: list[Strip]) -> LayoutUpdate:
    return LayoutUpdate([[line] for line in lines], Region(0, 0, COLUMNS, ROWS))


def test_pictures_look_the_same_in_fewer_bytes() -> None:
    """One picture after another, in all sorts of styles, some lines of it as they were before."""
    chance = random.Random(7)
    plain, ours, lean = Terminal(), Terminal(), Lean()
    lines = [_line(chance) for _ in range(ROWS)]
    for _ in range(60):
        lines = [line if chance.random() < 0.4 else _line(chance) for line in lines]
        theirs = _picture(lines).render_segments(_console())
        mine = lean.of(_picture(lines)).render_segments(_console())
        assert plain.show(theirs) == ours.show(mine)
        assert len(mine) < len(theirs)


def test_what_is_shown_already_is_not_sent() -> None:
    """The same picture again takes no bytes, until the terminal may show something else."""
    lines = [Strip([Segment("视频 abc".ljust(38), STYLES[2])]) for _ in range(ROWS)]
    lean = Lean()
    first = lean.of(_picture(lines)).render_segments(_console())
    assert "" == lean.of(_picture(lines)).render_segments(_console())
    lean.forget()
    assert first == lean.of(_picture(lines)).render_segments(_console())
    lines[2] = Strip([Segment("视频 abd".ljust(38), STYLES[2])])
    changed = lean.of(_picture(lines)).render_segments(_console())
    assert "\x1b[3;8H\x1b[1;38;2;207;214;221;48;2;18;22;27md\x1b[0m" == changed


def test_changed_parts_look_the_same_in_fewer_bytes() -> None:
    """Of spans that begin and end anywhere in the pieces of a line, where the rest of the line stays as it was."""
    chance = random.Random(8)
    for _ in range(60):
        terminal, lean = Terminal(), Lean()
        terminal.show(lean.of(_picture([Strip([Segment("#" * COLUMNS)])] * ROWS)).render_segments(_console()))
        lines = [Strip([Segment("0123456789" * 4, chance.choice(STYLES))]) for _ in range(ROWS)]
        chops = [{0: line.crop(0, 15), 15: None, 25: line.crop(25, 40)} for line in lines]
        left = chance.randrange(0, 12)
        spans = [(y, left, chance.randrange(left + 1, 41)) for y in range(ROWS)]
        update = ChopsUpdate(chops, spans, [[15, 25, 40]] * ROWS)
        ours = lean.of(update).render_segments(_console())
        seen = terminal.show(ours)
        for y, begin, end in spans:
            drawn = {x for x in (*range(15), *range(25, 40)) if begin <= x < end}
            text = "".join(str(seen[y][x][0]) for x in range(COLUMNS))
            assert "".join(str(x % 10) if x in drawn else "#" for x in range(COLUMNS)) == text
        assert len(ours) < len(update.render_segments(_console()))


def test_a_pen_is_read_from_a_styles_codes() -> None:
    """Attributes, and colours of every system."""
    assert Pen(frozenset({"1"}), "38;2;1;2;3", "48;5;7") == pen_of("1;38;2;1;2;3;48;5;7")
    assert Pen(frozenset({"7", "4"}), "93", "101") == pen_of("4;7;93;101")
    assert Pen(frozenset(), "32", "44") == pen_of("32;44")
    assert PLAIN == pen_of("")


def test_anything_else_is_left_as_it_is() -> None:
    """What Textual draws in other ways goes its way."""
    assert Lean().of(None) is None
    assert "text" == Lean().of("text")


class Recorder(Driver):
    """A terminal of 40x6 that keeps what is written to it."""

    written: ClassVar[list[str]] = []

    def write(self, data: str) -> None:
        """Keep it."""
        self.written.append(data)

    def start_application_mode(self) -> None:
        """Say how large it is."""
        size = Size(COLUMNS, ROWS)
        self.process_message(events.Resize(size, size))

    def disable_input(self) -> None:
        """There is none."""

    def stop_application_mode(self) -> None:
        """There is nothing to leave."""


class Unchanging(ConsoleBase):
    """Lays its one word out again, and ends."""

    def get_driver_class(self) -> type[Driver]:
        """The terminal that keeps what is written."""
        return Recorder

    def compose(self) -> ComposeResult:
        """One word."""
        yield Static("word")

    def on_mount(self) -> None:
        """Once the word stands."""
        self.set_timer(0.2, self._again)

    def _again(self) -> None:
        Recorder.written.append("AGAIN")
        self.screen.refresh(layout=True)
        self.set_timer(0.2, self.exit)


async def test_a_layout_that_moves_nothing_writes_nothing() -> None:
    """Not even the cursor's place: over a slow link each write delays what follows."""
    Recorder.written.clear()
    await Unchanging().run_async(mouse=False)
    place = Recorder.written.index("AGAIN")
    assert any("word" in text for text in Recorder.written[:place])
    assert not [text for text in Recorder.written[place + 1 :] if text.endswith("H")]
