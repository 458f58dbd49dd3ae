"""A run that is followed, drawn without a screen: plain lines for pipes and logs, a live display for terminals."""

from __future__ import annotations

import time
from typing import IO

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from backends import api
from backends.core.client import Snapshot
from backends.core.run_state import DeviceRun, StageRun
from backends.core.values import DeviceSample
from r3d_tui.headless import sentences
from r3d_tui.lang.words import Words
from r3d_tui.terminal.tty import drawn
from r3d_tui.text import figures
from r3d_tui.text.rows import Column, Row, Span, cells, cut, fit, row, table
from r3d_tui.text.safe import safe
from r3d_tui.views.devices import SIMULATED
from r3d_tui.views.look import (
    Look,
    dotted,
    elapsed,
    left,
    live_rate,
    marked,
    packed,
    share,
    sign,
    stage_word,
    state_word,
)
from r3d_tui.views.stages import progress_words
from r3d_tui.widgets.meter import meter

EVERY_S = 5.0
"""Seconds between two plain progress lines of a stage."""
TROUBLED = ("retired", "out", "stalled")
WIDEST = 118
"""Cells of the live display at most: a line that is read at one look."""
LEAST = 24
"""Cells that a stage's sentence takes beside its name at least."""
STYLES = {
    "good": "green",
    "bad": "bold red",
    "warn": "yellow",
    "accent": "cyan",
    "strong": "bold",
    "dim": "dim",
    "off": "dim",
    "head": "dim",
}


class PlainLines:
    """A line when a stage changes its state, and every few seconds how far it is. For pipes and logs."""

    def __init__(self, words: Words, out: IO[str]) -> None:
        self._words, self._out = words, out
        self._width = name_width(words)
        self._states: dict[str, str] = {}
        self._said: dict[str, float] = {}
        self._devices: dict[str, str] = {}

    def __call__(self, snapshot: Snapshot) -> None:
        for stage in snapshot.run.stages:
            name = sentences.stage_name(self._words, stage.name)
            if self._states.get(stage.name, "waiting") != stage.state:
                self._states[stage.name] = stage.state
                self._line(name, dotted(sentences.stage_said(self._words, stage)))
            elif stage.state == "running" and stage.done and self._is_time(stage.name):
                self._line(name, sentences.progress_said(self._words, stage))
        for device in snapshot.run.devices:
            if device.state in TROUBLED and self._devices.get(device.id) != device.state:
                self._line(safe(device.id), sentences.device_said(self._words, device))
            self._devices[device.id] = device.state
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


def name_width(words: Words) -> int:
    """Cells of the longest name of a stage."""
    return max(cells(sentences.stage_name(words, name)) for name in api.stage_names())


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
        self._states: dict[str, str] = {}
        self._devices: dict[str, str] = {}

    def __enter__(self) -> LiveDisplay:  # noqa: PYI034 - typing.Self needs Python 3.11
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def __call__(self, snapshot: Snapshot) -> None:
        words, above = self._words, list[Row]()
        for stage in snapshot.run.stages:
            if stage.state not in ("running", self._states.get(stage.name, "waiting")):
                above += ended_rows(words, stage, self._width)
            self._states[stage.name] = stage.state
        for device in snapshot.run.devices:
            if device.state in TROUBLED and self._devices.get(device.id) != device.state:
                above += _warning(f"{device.id}  {sentences.device_said(words, device)}", self._width)
            self._devices[device.id] = device.state
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
        text.append(drawn(span.text), style=STYLES.get(span.role))
    return text


def ended_rows(words: Words, stage: StageRun, width: int) -> list[Row]:
    """A stage that has ended: sign, name, state; behind it why and what it measured, in as many lines as it takes."""
    mark, name = sign(stage.state), stage_word(words, stage.name)
    role = mark.role if mark.role in ("bad", "warn", "dim") else ""
    indent = 2 + name_cells(words)
    said = sentences.stage_said(words, stage)
    if width - indent < LEAST:  # a very narrow window: below the name
        lines = packed(said, width - 2)
        return [cut(row(mark, " ", Span(name, role)), width), *(row("  ", Span(text, role)) for text in lines)]
    first, *rest = packed(said, width - indent)
    head = row(mark, " ", Span(fit(name, name_cells(words)), role), Span(first, role))
    return [head, *(row(" " * indent, Span(text, role)) for text in rest)]


def name_cells(words: Words) -> int:
    """Cells of the column of names, one of them empty."""
    return max(cells(stage_word(words, name)) for name in api.stage_names()) + 1


def live_rows(words: Words, snapshot: Snapshot, width: int, height: int, now: float) -> list[Row]:
    """What runs: a line a stage, under inference one a device, in at most `width` cells and `height` lines."""
    rows: list[Row] = []
    if snapshot.stalled_s is not None:
        rows.append(row(Span(words("header.stalled", time=figures.clock(snapshot.stalled_s)), "warn")))
    running = [stage for stage in snapshot.run.stages if stage.state == "running"]
    for number, stage in enumerate(running, 1):
        rows.append(_stage_row(words, stage, width, now))
        if stage.name == "infer" and snapshot.run.devices:
            samples = {sample.device: sample for sample in snapshot.samples}
            room = height - len(rows) - (len(running) - number)
            rows += _device_rows(words, snapshot.run.devices, samples, width, room)
    return [cut(line, width) for line in rows[: max(1, height)]]


def _stage_row(words: Words, stage: StageRun, width: int, now: float) -> Row:
    part = share(stage)
    took = figures.clock(elapsed(stage, now))
    name = fit(stage_word(words, stage.name), name_cells(words))
    if part is None:
        return row(sign(stage.state), " ", Span(name, "strong"), dotted([took, sentences.progress_said(words, stage)]))
    said = progress_words(stage, Look(words, width))
    if left(stage) is None:
        said.append(took)
    length = 28 if width >= 100 else 14 if width >= 70 else 8
    return row(
        sign(stage.state),
        " ",
        Span(name, "strong"),
        *meter(part, length),
        f" {figures.percent(part):>5}  ",
        dotted(said),
    )


def _device_rows(
    words: Words, devices: tuple[DeviceRun, ...], samples: dict[str, DeviceSample], width: int, room: int
) -> list[Row]:
    heat = any(sample.power_w is not None or sample.temp_c is not None for sample in samples.values())
    columns = [
        Column("", 2),
        Column(words("devices.device"), 8),
        Column(words("stages.state"), 8),
        Column(words("infer.done"), 8, right=True),
        Column(words("infer.now"), 7, right=True),
        Column(words("infer.p50"), 7, right=True, rank=2),
        Column(words("infer.busy"), 5, right=True, rank=3),
        *([Column(words("devices.power"), 7, right=True, rank=4)] if heat else []),
        *([Column(words("devices.temp"), 5, right=True, rank=5)] if heat else []),
        Column(words("devices.name"), min(20, max(cells(safe(device.name)) for device in devices)), rank=1),
    ]
    simulated = any(device.name.endswith(SIMULATED) for device in devices)
    room -= 1 + simulated
    shown = devices if len(devices) <= room else devices[: max(0, room - 1)]
    body = [_device_cells(words, device, samples.get(device.id), heat=heat) for device in shown]
    rows = table(columns, body, width)
    if simulated:
        rows.insert(0, row("    ", Span(words("sim.speed"), "warn")))
    if more := len(devices) - len(shown):
        rows.append(row("    ", Span(words("plain.more_devices", n=more), "dim")))
    return rows


def _device_cells(words: Words, device: DeviceRun, sample: DeviceSample | None, *, heat: bool) -> list[str | Span]:
    mark = sign(device.state)
    power = figures.number(sample.power_w if sample else None, 1, "W")
    temp = figures.number(sample.temp_c if sample else None, 0, "°C")
    return [
        Span(f" {mark.text}", mark.role),
        safe(device.id),
        Span(state_word(words, device.state), mark.role if mark.role in ("warn", "bad") else ""),
        figures.count(device.clips),
        Span(figures.rate(live_rate(device)), "strong"),
        figures.number(device.latency_ms, 1),
        figures.percent(device.utilisation),
        *([power, temp] if heat else []),
        safe(device.name),
    ]
