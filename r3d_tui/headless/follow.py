"""A run followed without a screen: JSON lines for scripts, plain lines for pipes, a live display for terminals.

`commands.run` calls `follow` with one of the three. They read snapshots only.
"""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Callable, Iterator
from typing import IO, Any, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from backends import api
from backends.core.client import Client, Snapshot
from backends.core.events import Event, StageProgress, to_json
from backends.core.messages import R3dError
from backends.core.run_state import DeviceRun, Run, StageRun
from r3d_tui.headless import sentences
from r3d_tui.lang.words import Words
from r3d_tui.terminal.tty import drawn
from r3d_tui.text import figures
from r3d_tui.text.rows import ANSI, Row, Span, cells, cut, fit, row, safe
from r3d_tui.views.chips import chip_table, table_of
from r3d_tui.views.devices import joined
from r3d_tui.views.look import Look, dotted, marked, packed, sign, stage_word
from r3d_tui.views.phase import computes, running_stages
from r3d_tui.views.running import inference, progress

LOOK_S = 0.25
"""How long Ctrl+C may wait until it is heeded."""
ENDED = ("done", "failed", "stopped", "interrupted")


class Display(Protocol):
    """What draws a run that is followed."""

    def __call__(self, snapshot: Snapshot) -> None:
        """Show what is new in it."""

    def say(self, key: str) -> None:
        """A sentence of the language files, now."""


class Asked:
    """How often the person asked for an end, by Ctrl+C or SIGTERM, since `asking` began."""

    def __init__(self) -> None:
        self.times = 0
        self.heeded = 0

    def __call__(self, _number: int, _frame: object) -> None:
        self.times += 1


@contextlib.contextmanager
def asking() -> Iterator[Asked]:
    """Count Ctrl+C and SIGTERM instead of being ended by them; what to do is decided between two looks at the run."""
    asked = Asked()
    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def follow(client: Client, run_id: str, display: Display, asked: Asked, *, stops: bool) -> Snapshot | None:
    """Show a run until it has ended, and give the last snapshot; None where the person left before its end.

    `stops`: the first Ctrl+C asks the engine to stop and the second leaves it stopping; otherwise the first leaves.
    """
    while True:
        client.changed(LOOK_S)
        if asked.times > asked.heeded:
            if not stops or asked.heeded:
                return None
            asked.heeded = asked.times
            with contextlib.suppress(R3dError):  # it ended by itself in the meantime
                client.stop()
                display.say("plain.stopping_again")
        snapshot = client.snapshot()
        if snapshot.run.id not in (run_id, ""):
            return snapshot
        display(snapshot)
        if snapshot.run.state in ENDED and not snapshot.alive:
            return snapshot


class JsonLines:
    """One JSON event a line: the journal's facts in order, and a progress event for each stage that moved."""

    def __init__(self, client: Client, run_id: str, out: IO[str], say: Callable[[str], None]) -> None:
        self._client, self._run_id, self._out, self._say = client, run_id, out, say
        self._after = 0
        self._progress: dict[str, StageProgress] = {}

    def __call__(self, snapshot: Snapshot) -> None:
        for stage in snapshot.run.stages:
            if stage.state == "running":
                self._tick(stage)
        for number, at, event in self._client.events(self._run_id, self._after):
            self._print(event, at)
            self._after = number
        self._out.flush()

    def say(self, key: str) -> None:
        self._say(key)

    def _tick(self, stage: StageRun) -> None:
        event = StageProgress(stage.name, stage.done, stage.total, stage.unit, stage.rate, stage.note, stage.live)
        if (stage.done or stage.total) and self._progress.get(stage.name) != event:
            self._progress[stage.name] = event
            self._print(event, time.time())

    def _print(self, event: Event, at: float) -> None:
        body: dict[str, Any] = json.loads(to_json(event))
        self._out.write(json.dumps({"kind": body.pop("kind"), "at": at, **body}) + "\n")


def exit_code(run: Run) -> int:
    """What a script is told: 0 done, 130 stopped or cut off, else what the first failed stage ended with."""
    if run.state == "done":
        return 0
    if run.state == "failed":
        return next((stage.exit_code or 1 for stage in run.stages if stage.state == "failed"), 1)
    return 130


EVERY_S = 5.0
"""Seconds between two plain progress lines of a stage."""
TROUBLED = ("retired", "out", "stalled")
WIDEST = 118
"""Cells of the live display at most: a line that is read at one look."""
NAME = 12
"""Cells of the column of names, as in the console's bars."""
LEAST = 24
"""Cells that a stage's sentence takes beside its name at least."""


class Changes:
    """Which stages and devices are in another state than when they were last asked for."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}

    def of_stage(self, stage: StageRun) -> bool:
        return self._is_new(stage.name, stage.state, "waiting")

    def dropped(self, run: Run) -> list[DeviceRun]:
        """Devices that have stopped working since."""
        return [one for one in run.devices if self._is_new(one.id, one.state) and one.state in TROUBLED]

    def _is_new(self, name: str, state: str, first: str = "") -> bool:
        before, self._states[name] = self._states.get(name, first), state
        return before != state


class PlainLines:
    """A line when a stage changes its state, and every few seconds how far it is. For pipes and logs."""

    def __init__(self, words: Words, out: IO[str]) -> None:
        self._words, self._out = words, out
        self._width = max(cells(sentences.stage_name(words, name)) for name in api.stage_names())
        self._changes = Changes()
        self._said: dict[str, float] = {}

    def __call__(self, snapshot: Snapshot) -> None:
        for stage in snapshot.run.stages:
            name = sentences.stage_name(self._words, stage.name)
            if self._changes.of_stage(stage):
                self._line(name, dotted(sentences.stage_said(self._words, stage)))
            elif stage.state == "running" and stage.done and self._is_time(stage.name):
                self._line(name, sentences.progress_said(self._words, stage))
        for device in self._changes.dropped(snapshot.run):
            self._line(safe(device.id), sentences.device_said(self._words, device))
        self._out.flush()

    def say(self, key: str) -> None:
        self._out.write(drawn(self._words(key)) + "\n")
        self._out.flush()

    def _is_time(self, name: str) -> bool:
        now = time.monotonic()
        if now - self._said.setdefault(name, now) < EVERY_S:
            return False
        self._said[name] = now
        return True

    def _line(self, name: str, text: str) -> None:
        self._out.write(drawn(f"{fit(name, self._width)}  {text}".rstrip()) + "\n")


class LiveDisplay:
    """The stages that run and their devices, below the lines of those that ended. For terminals.

    It is drawn again when a row changed and never by a clock of its own, so nothing flickers and a stopped engine
    is not covered up by a moving bar.
    """

    def __init__(self, words: Words, console: Console | None = None) -> None:
        self._words = words
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._live = Live(console=self._console, auto_refresh=False, transient=True, vertical_overflow="crop")
        self._rows: list[Row] = []
        self._changes = Changes()

    def __enter__(self) -> LiveDisplay:  # noqa: PYI034 - typing.Self needs Python 3.11
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def __call__(self, snapshot: Snapshot) -> None:
        words, above = self._words, list[Row]()
        for stage in snapshot.run.stages:
            if self._changes.of_stage(stage) and stage.state != "running":
                above += ended_rows(words, stage, self._width)
        for device in self._changes.dropped(snapshot.run):
            above += _warning(f"{device.id}  {sentences.device_said(words, device)}", self._width)
        rows = live_rows(words, snapshot, self._width, self._console.size.height - 2, time.time())
        if rows != self._rows:
            self._rows = rows
            self._live.update(Group(*map(_text, rows)), refresh=True)
        self._print(above)

    def say(self, key: str) -> None:
        self._print(_warning(self._words(key), self._width))

    @property
    def _width(self) -> int:
        return min(self._console.size.width - 1, WIDEST)

    def _print(self, above: list[Row]) -> None:
        """Above what runs, which is drawn again below it: all in one writing."""
        if above:
            self._console.print(Group(*map(_text, above)))


def _warning(text: str, width: int) -> list[Row]:
    return marked("interrupted", safe(text), width, "warn")


def _text(line: Row) -> Text:
    text = Text(no_wrap=True, overflow="crop")
    for span in line:
        text.append(drawn(span.text), style=ANSI.get(span.role))
    return text


def ended_rows(words: Words, stage: StageRun, width: int) -> list[Row]:
    """A stage that has ended: sign, name, state; behind it why and what it measured, in as many lines as it takes."""
    mark, name = sign(stage.state), stage_word(words, stage.name)
    role = mark.role if mark.role in ("bad", "warn", "dim") else ""
    indent = 2 + NAME
    said = sentences.stage_said(words, stage)
    if width - indent < LEAST:  # a very narrow window: below the name
        lines = packed(said, width - 2)
        return [cut(row(mark, " ", Span(name, role)), width), *(row("  ", Span(text, role)) for text in lines)]
    first, *rest = packed(said, width - indent)
    head = row(mark, " ", Span(fit(name, NAME), role), Span(first, role))
    return [head, *(row(" " * indent, Span(text, role)) for text in rest)]


def live_rows(words: Words, snapshot: Snapshot, width: int, height: int, now: float) -> list[Row]:
    """What runs, as the console's panes have it: bars, under inference the chips, in `width` x `height` cells."""
    rows: list[Row] = []
    if snapshot.stalled_s is not None:
        rows.append(row(Span(words("header.stalled", time=figures.clock(snapshot.stalled_s)), "warn")))
    look = Look(words, width - 1, min(height, 12), now)
    for stage in running_stages(snapshot):
        rows += [row(sign(stage.state), *line) for line in progress(stage, look)]
        if computes(stage):
            found = table_of(snapshot, joined(snapshot), {})
            rows += [row(" ", *line) for line in inference(snapshot, stage, look, found)]
            rows += _few(chip_table(found, look, ""), max(0, height - len(rows)), words)
    return [cut(line, width) for line in rows[: max(1, height)]]


def _few(rows: list[Row], most: int, words: Words) -> list[Row]:
    """The first rows of a table; the last one counts those that are left out."""
    if len(rows) > most:
        rows = [*rows[: max(0, most - 1)], row("    ", Span(words("plain.more_devices", n=len(rows) - most), "dim"))]
    return rows
