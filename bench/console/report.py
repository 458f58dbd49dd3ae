"""The bench of the console: every scene in every round, in turn, and the figures beside what is asked for."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct, field

from backends.core.command_reports import BenchFigure, BenchReport
from backends.core.messages import InputError, Line, line
from backends.monitor.cpu_groups import machine, versions
from bench.console import scenes
from bench.console.arithmetic import middle
from bench.console.scenes import EMPTY, FINISHED, SCENES, STARTS, Scene, Start, Watched

Say = Callable[[Line], None]
PAINT = 1.5
"""First paint over that of an empty application, at most."""
MEMORY = 70.0
"""MiB, at most."""
FLAT = 2.0
"""MiB that a flood may add; an allocator's arenas are not given back at once."""
ASKED: dict[str, tuple[float, float, float]] = {
    "chips_16": (0.02, 3000.0, 30.0),
    "chips_64": (0.05, 30_000.0, 40.0),
}
"""Share of a core, bytes a second and milliseconds from key to paint in 95 of 100, at most."""
ON_A_LINK = 500.0
"""Milliseconds."""


class Found(Struct):
    """What all rounds found, by scene."""

    starts: dict[str, list[Start]] = field(default_factory=dict)
    watched: dict[str, list[Watched]] = field(default_factory=dict)
    flood: tuple[float | None, float | None] | None = None


class Asked(Struct, frozen=True):
    """What is measured, and how long."""

    rounds: int = 3
    seconds: float = 10.0
    presses: int = 20
    events: int = 1_000_000
    """Of the flood; 0: without it."""
    log_lines: int = 100_000
    only: tuple[str, ...] = ()
    """Names of scenes; without any: all."""

    def wants(self, scene: Scene) -> bool:
        """Whether a scene is measured."""
        return not self.only or scene.name in self.only


def bench_console(asked: Asked, say: Say) -> BenchReport:
    """Measure the console's own process through a pty. InputError where a scene is not known."""
    if unknown := set(asked.only) - {scene.name for scene in SCENES}:
        names = ", ".join(scene.name for scene in SCENES)
        raise InputError("{name} is no scene", hint="one of {names}", name=min(unknown), names=names)
    before, found = machine(), Found()
    with tempfile.TemporaryDirectory(prefix="r3d-bench-") as scratch:
        for number in range(asked.rounds):
            _round(asked, number, Path(scratch, str(number)), found, say)
        if asked.events:
            say(line("{events} events and {lines} log lines", events=asked.events, lines=asked.log_lines))
            found.flood = scenes.measure_flood(Path(scratch, "flood"), asked.events, asked.log_lines)
    settings = {name: getattr(asked, name) for name in ("rounds", "seconds", "presses", "events", "log_lines")}
    return BenchReport("console", before, versions(("textual", "rich")), settings, tuple(figures(found)), _notes())


def _round(asked: Asked, number: int, folder: Path, found: Found, say: Say) -> None:
    for scene in STARTS:
        if asked.wants(scene) or scene == EMPTY:
            with scenes.acted(scene, folder / f"{scene.name}-start"):
                start = scenes.measure_start(scene, folder / f"{scene.name}-start")
            found.starts.setdefault(scene.name, []).append(start)
    for scene in filter(asked.wants, SCENES):
        say(line("round {n} of {rounds}: {what}", n=number + 1, rounds=asked.rounds, what=str(scene.what)))
        with scenes.acted(scene, folder / scene.name):
            watched = scenes.measure(scene, folder / scene.name, asked.seconds, asked.presses)
        found.watched.setdefault(scene.name, []).append(watched)


def figures(found: Found) -> Iterator[BenchFigure]:
    """Every figure with what is asked of it."""
    yield from _starts(found.starts)
    for scene in SCENES:
        if scene.name in found.watched:
            yield from _watched(scene, found.watched[scene.name])
    if found.flood is not None:
        early, late = found.flood
        what = str(line("flood of events"))
        yield _figure("flood.rss_mib", line("{what}: memory at its end", what=what), late, "MiB", most=MEMORY)
        grown = late - early if late is not None and early is not None else None
        text = line("{what}: memory grown since its first quarter", what=what)
        yield _figure("flood.grown_mib", text, grown, "MiB", most=FLAT)


def _starts(starts: dict[str, list[Start]]) -> Iterator[BenchFigure]:
    empty = starts.get(EMPTY.name, [])
    for scene in STARTS:
        if scene.name not in starts:
            continue
        mine, what = starts[scene.name], str(scene.what)
        paints = tuple(1000 * one.paint_s for one in mine if one.paint_s is not None)
        yield _figure(
            f"{scene.name}.first_paint_ms", line("{what}: first paint", what=what), middle(paints), "ms", paints
        )
        cpu = tuple(1000 * one.cpu_s for one in mine)
        text = line("{what}: start, processor time", what=what)
        yield _figure(f"{scene.name}.start_cpu_ms", text, middle(cpu), "ms", cpu)
        if scene.console:
            wholes = tuple(1000 * one.whole_s for one in mine if one.whole_s is not None)
            text = line("{what}: chips, data and plan stand", what=what)
            yield _figure(f"{scene.name}.whole_ms", text, middle(wholes), "ms", wholes)
            pairs = list(zip(mine, empty, strict=False))
            ratios = tuple(one.paint_s / other.paint_s for one, other in pairs if one.paint_s and other.paint_s)
            text = line("{what}: first paint beside empty", what=what)
            yield _figure(f"{scene.name}.first_paint_ratio", text, middle(ratios), "x", ratios, PAINT)
            ratios = tuple(one.cpu_s / other.cpu_s for one, other in pairs if other.cpu_s)
            text = line("{what}: start beside empty", what=what)
            yield _figure(f"{scene.name}.start_cpu_ratio", text, middle(ratios), "x", ratios)


def _watched(scene: Scene, watched: list[Watched]) -> Iterator[BenchFigure]:
    what = str(scene.what)
    cpu, rate, key = ASKED.get(scene.name, (None, None, None))
    if scene == FINISHED:
        cpu, rate = 0.005, 0.0
    if scene.link is not None:
        key = ON_A_LINK
    shares = tuple(100 * one.cpu for one in watched)
    limit = None if cpu is None else 100 * cpu
    yield _figure(f"{scene.name}.cpu_percent", line("{what}: of a core", what=what), middle(shares), "%", shares, limit)
    rates = tuple(one.rate for one in watched)
    yield _figure(f"{scene.name}.bytes_per_s", line("{what}: written", what=what), middle(rates), "B/s", rates, rate)
    if scene.console:
        text = line("{what}: key to paint, median", what=what)
        yield _figure(f"{scene.name}.key_p50_ms", text, scenes.keys_ms(watched, 0.5), "ms")
        text = line("{what}: key to paint, 95 of 100", what=what)
        yield _figure(f"{scene.name}.key_p95_ms", text, scenes.keys_ms(watched, 0.95), "ms", most=key)
    memory = tuple(one.rss_mib for one in watched if one.rss_mib is not None)
    most = MEMORY if scene.console else None
    yield _figure(f"{scene.name}.rss_mib", line("{what}: memory", what=what), middle(memory), "MiB", memory, most)


def _figure(
    name: str, what: Line, value: float | None, unit: str, runs: tuple[float, ...] = (), most: float | None = None
) -> BenchFigure:
    return BenchFigure(name, what, value, unit, runs, most=most)


def _notes() -> tuple[Line, ...]:
    return (
        line("the chips are acted: their figures are made up, the files are those of a real run"),
        line("first paint: nine tenths of the first picture; a key's answer: a whole picture shows its effect"),
        line("times by the clock are worth nothing while the machine does other work"),
    )
