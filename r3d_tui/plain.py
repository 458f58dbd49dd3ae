"""The plain face: a run followed in lines or in a rich progress display, without a screen. It only reads snapshots."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Any

from backends.contract.client import Snapshot
from backends.contract.events import Event, StageProgress, to_json
from backends.contract.lines import Line
from backends.contract.run import Run, StageRun
from r3d_tui.documents import result_document
from r3d_tui.lang.words import Words
from r3d_tui.safe import safe

if TYPE_CHECKING:
    from backends.engine.client import LiveClient

EVERY_S = 5.0
"""Seconds between two plain progress lines of a stage."""
ENDED = ("done", "failed", "stopped", "interrupted")


def follow(client: LiveClient, run_id: str, draw: Callable[[Snapshot], None]) -> Snapshot:
    """Hand snapshots of a run to `draw` until it has ended, and give the last one."""
    while True:
        client.changed(1.0)
        snapshot = client.snapshot()
        if snapshot.run.id not in (run_id, ""):
            return snapshot
        draw(snapshot)
        if snapshot.run.state in ENDED and not snapshot.alive:
            return snapshot


class JsonLines:
    """One JSON event a line: the journal's facts in order, and a progress event for each stage that moved."""

    def __init__(self, client: LiveClient, run_id: str, out: IO[str]) -> None:
        self._client, self._run_id, self._out = client, run_id, out
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

    def _tick(self, stage: StageRun) -> None:
        event = StageProgress(stage.name, stage.done, stage.total, stage.unit, stage.rate, stage.note, stage.live)
        if (stage.done or stage.total) and self._progress.get(stage.name) != event:
            self._progress[stage.name] = event
            self._print(event, time.time())

    def _print(self, event: Event, at: float) -> None:
        body: dict[str, Any] = json.loads(to_json(event))
        self._out.write(json.dumps({"kind": body.pop("kind"), "at": at, **body}) + "\n")


class PlainLines:
    """A line when a stage changes its state, and every few seconds how far it is. For pipes and logs."""

    def __init__(self, words: Words, out: IO[str]) -> None:
        self._words, self._out = words, out
        self._states: dict[str, str] = {}
        self._said: dict[str, float] = {}
        self._devices: dict[str, str] = {}

    def __call__(self, snapshot: Snapshot) -> None:
        for stage in snapshot.run.stages:
            if self._states.get(stage.name, "waiting") != stage.state:
                self._states[stage.name] = stage.state
                self._say(stage.name, state_words(self._words, stage))
            elif stage.state == "running" and stage.done:
                self._maybe(stage)
        for device in snapshot.run.devices:
            if device.state in ("retired", "out", "stalled") and self._devices.get(device.id) != device.state:
                self._say(device.id, f"{device.state}: {self._words.line(device.reason)}")
            self._devices[device.id] = device.state
        self._out.flush()

    def _maybe(self, stage: StageRun) -> None:
        now = time.monotonic()
        if now - self._said.setdefault(stage.name, now) >= EVERY_S:
            self._said[stage.name] = now
            self._say(stage.name, progress_words(stage))

    def _say(self, name: str, text: str) -> None:
        self._out.write(f"{safe(name):<11} {text}\n")


class RichDisplay:
    """A bar for each running stage, below the lines of those that ended. For terminals."""

    def __init__(self, words: Words) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.fields[stage]:<11}", markup=False),
            BarColumn(bar_width=28),
            TextColumn("{task.fields[words]}", markup=False),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, transient=True)
        self._words = words
        self._tasks: dict[str, Any] = {}
        self._states: dict[str, str] = {}

    def __enter__(self) -> RichDisplay:  # noqa: PYI034 - typing.Self needs Python 3.11
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, snapshot: Snapshot) -> None:
        for stage in snapshot.run.stages:
            if stage.state == "running":
                self._bar(stage)
            elif self._states.get(stage.name, "waiting") != stage.state:
                self._end(stage)
            self._states[stage.name] = stage.state

    def _bar(self, stage: StageRun) -> None:
        if stage.name not in self._tasks:
            self._tasks[stage.name] = self._progress.add_task("", total=None, stage=stage.name, words="")
        words = progress_words(stage)
        self._progress.update(self._tasks[stage.name], completed=stage.done, total=stage.total, words=words)

    def _end(self, stage: StageRun) -> None:
        from rich.text import Text

        if stage.name in self._tasks:
            self._progress.remove_task(self._tasks.pop(stage.name))
        style = {"failed": "bold red", "done": "green", "cached": "cyan"}.get(stage.state, "dim")
        text = Text(f"{stage.name:<11} ").append(state_words(self._words, stage), style=style)
        self._progress.console.print(text, soft_wrap=True)


def state_words(words: Words, stage: StageRun) -> str:
    """A stage's state, time, reason and figures in one line."""
    parts: list[str] = [stage.state]
    if stage.seconds is not None:
        parts.append(f"{stage.seconds:.1f} s")
    if stage.state != "done" and stage.reason.template:
        parts.append(words.line(stage.reason))
    if stage.state == "failed" and stage.hint.template:
        parts.append(words.line(stage.hint))
    if stage.outcome and stage.state in ("done", "cached"):
        parts.append(figure_words(stage))
    if stage.set_aside_count:
        parts.append(words.line(Line("{n} set aside", {"n": stage.set_aside_count})))
    return "  ".join(part for part in parts if part)


def progress_words(stage: StageRun) -> str:
    """How far a stage is: done of total, unit, rate."""
    total = f"/{stage.total}" if stage.total else ""
    rate = f"  {stage.rate:.1f}/s" if stage.rate else ""
    return f"{stage.done}{total} {safe(stage.unit)}{rate}".strip()


def figure_words(stage: StageRun) -> str:
    """A settled stage's figures, as name=value."""
    assert stage.outcome is not None
    parts = []
    for name, value in stage.outcome.figures.items():
        if value is not None:
            parts.append(f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={safe(str(value))}")
    return " ".join(parts)


def ending_words(snapshot: Snapshot, words: Words) -> list[str]:
    """The last lines of a run: its state, what it measured, what was set aside."""
    run = snapshot.run
    lines = [f"run {run.id}: {run.state}" + (f" ({words.line(run.reason)})" if run.reason.template else "")]
    result = result_document(snapshot)
    if result["top1"] is not None:
        over = f"over {result['videos']} videos, {result['videos_set_aside']} set aside"
        top5 = f", top-5 {result['top5']:.4f}" if result["top5"] is not None else ""
        lines.append(f"top-1 {result['top1']:.4f}{top5} ({over})")
    if result["clips_per_s"] is not None:
        label = " (simulated chips)" if _simulated(run) else ""
        lines.append(f"{result['clips']} clips at {result['clips_per_s']:.2f} clips/s{label}")
    return lines


def _simulated(run: Run) -> bool:
    outcomes = [stage.outcome for stage in run.stages if stage.name == "infer" and stage.outcome is not None]
    return any(str(outcome.figures.get("runtime")).endswith("simulated") for outcome in outcomes)


def exit_code(run: Run) -> int:
    """What a script is told: 0 done, 130 stopped or cut off, else what the first failed stage ended with."""
    if run.state == "done":
        return 0
    if run.state == "failed":
        return next((stage.exit_code or 1 for stage in run.stages if stage.state == "failed"), 1)
    return 130


@contextlib.contextmanager
def stop_on_interrupt(client: LiveClient) -> Iterator[None]:
    """Ctrl+C and SIGTERM ask the engine to stop; a second Ctrl+C lets go of it and leaves it stopping."""
    asked = False

    def ask(_number: int, _frame: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        sys.stderr.write("stopping: the item at hand is finished first; Ctrl+C again to leave it to itself\n")
        client.stop()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
