"""What the console is measured on: acted runs of chips, a finished run, a slow link, a flood. It judges nothing."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from backends.core.messages import Line, line
from backends.core.processes import our_environment
from bench.console.arithmetic import Press, Recording, answers, middle, painted, percentile, settled, span
from bench.console.session import Session

LIMIT_S = 60.0
"""For whatever is waited for; a machine that is busy otherwise takes long."""
FRAME_B = 300
"""Bytes that more than the questions to a terminal take."""
FRAME_S, QUIET_S = 0.06, 0.35
"""So long without a byte, and the first picture stands; so long, and what was asked for it has come."""
WARM_S = 2.5
"""What a program does in its first seconds is start-up."""
LOST_S = 10.0
"""A key without an answer took at least so long."""
LINK = 8000.0
"""Bytes a second of the slow link."""


class Scene(Struct, frozen=True):
    """One thing to watch. Without `chips` it is a workspace in which nothing has run; without `hz` the run is done."""

    name: str
    what: Line
    columns: int = 80
    rows: int = 24
    chips: int = 0
    hz: float = 0.0
    link: float | None = None
    console: bool = True
    """False: an empty application of Textual instead."""


class Start(Struct, frozen=True):
    """How a program began: seconds to its first picture, and to the one with what was asked in the background;
    processor seconds until then and a little more."""

    paint_s: float | None
    whole_s: float | None
    cpu_s: float


class Watched(Struct, frozen=True):
    """What a program cost once it stood. Shares of one core, bytes a second, seconds, MiB."""

    cpu: float
    rate: float
    keys: tuple[float, ...]
    rss_mib: float | None


def live(chips: int, hz: float, columns: int, rows: int, link: float | None = None) -> Scene:
    """A run of so many chips."""
    size = f"{columns}x{rows}"
    what = line("{chips} chips, {hz:g} Hz, {size}", chips=chips, hz=hz, size=size)
    name = f"chips_{chips}"
    if link:
        what = line("{kilo:g} kB/s, {chips} chips, {hz:g} Hz, {size}", kilo=link / 1000, **what.facts)
        name = f"link_{chips}"
    return Scene(name, what, columns, rows, chips, hz, link)


EMPTY = Scene("empty", line("empty application"), console=False)
NEW = Scene("new", line("new workspace"))
FINISHED = Scene("finished", line("finished run"), chips=16)
SIXTEEN = live(16, 1.0, 80, 24)
SCENES = (
    EMPTY,
    NEW,
    SIXTEEN,
    live(64, 2.0, 200, 60),
    FINISHED,
    live(16, 1.0, 80, 24, LINK),
    live(64, 2.0, 200, 60, LINK),
)
STARTS = (EMPTY, NEW, SIXTEEN)


@contextlib.contextmanager
def acted(scene: Scene, folder: Path, events: int = 0, log_lines: int = 0) -> Iterator[subprocess.Popen[str]]:
    """The scene's workspace in `folder`, and the process that acts in it."""
    asked = {"chips": scene.chips, "hz": scene.hz, "events": events, "log-lines": log_lines}
    options = [f"--{name}={value}" for name, value in asked.items()]
    command = [sys.executable, "-m", "bench.fake_run", str(folder), *options]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=our_environment()
    ) as actor:
        assert actor.stdin is not None
        assert actor.stdout is not None
        try:
            if actor.stdout.readline() != "ready\n":
                raise RuntimeError("the played run did not begin")
            yield actor
        finally:
            actor.stdin.close()
            actor.wait(LIMIT_S)


@contextlib.contextmanager
def shown(scene: Scene, folder: Path) -> Iterator[Session]:
    """The scene's program in a pty, until its first picture stands."""
    arguments = ("r3d_tui", "--workspace", str(folder)) if scene.console else ("bench.console.empty",)
    command = (sys.executable, "-m", *arguments)
    session = Session(command, scene.columns, scene.rows, _environment(), scene.link)
    try:
        if not session.read_until("eval" if scene.console else "", LIMIT_S):
            raise RuntimeError("nothing was painted")
        yield session
    finally:
        session.close()


def measure_start(scene: Scene, folder: Path) -> Start:
    """Start it once and look at its first picture."""
    with shown(scene, folder) as session:
        session.read_for(4 * QUIET_S)
        found, ended = session.recording, time.perf_counter()
        whole = found[: settled(found, QUIET_S, ended)]
        first = next((n for n, (_, data) in enumerate(whole, 1) if len(data) > FRAME_B), 0)
        first += settled(whole[first:], FRAME_S, ended)

        def after(pieces: Recording) -> float | None:
            at = painted(pieces, session.columns, session.rows)
            return None if at is None else at - session.began

        return Start(after(whole[:first]), after(whole), session.cpu_s())


def measure(scene: Scene, folder: Path, seconds: float, presses: int) -> Watched:
    """Watch it for `seconds`, then press keys."""
    with shown(scene, folder) as session:
        session.press("2")
        session.read_for(WARM_S)
        begun, cpu = time.perf_counter(), session.cpu_s()
        session.read_for(seconds)
        ended = time.perf_counter()
        share = (session.cpu_s() - cpu) / (ended - begun)
        rate = span(session.recording, begun, ended) / (ended - begun)
        keys = _keys(session, scene, presses) if scene.console else ()
        return Watched(share, rate, keys, session.rss_mib())


def _keys(session: Session, scene: Scene, presses: int) -> tuple[float, ...]:
    """Go down and up among the chips, or between panels where there are none."""
    pairs = (("j", r"›\[x\] 1 "), ("k", r"›\[x\] 0 ")) if scene.hz else (("4", "─ Model"), ("5", "─ Accuracy"))
    gap = 0.8 if scene.link else 0.3
    asked = []
    for number in range(presses):
        session.read_for(gap + random.uniform(0, gap))
        key, shows = pairs[number % 2]
        asked.append(Press(session.press(key), shows))
    session.read_for(2.0 if scene.link else 0.7)
    found = answers(session.recording, asked, session.columns, session.rows)
    return tuple(LOST_S if one is None else one for one in found)


def measure_flood(folder: Path, events: int, log_lines: int) -> tuple[float | None, float | None]:
    """Memory in MiB when a quarter of a flood was shown, and at its end; the log is on the screen with the chips."""
    scene = live(8, 2.0, 120, 40)
    early: list[float | None] = []
    with acted(scene, folder, events, log_lines) as actor, shown(scene, folder) as session:
        assert actor.stdin is not None
        assert actor.stdout is not None
        actor.stdin.write("\n")
        actor.stdin.flush()
        os.set_blocking(actor.stdout.fileno(), False)
        done, begun = 0, time.perf_counter()
        while done < events and time.perf_counter() - begun < 60 * LIMIT_S:
            session.read_for(0.2)
            told = [int(text) for text in actor.stdout.readlines()]
            done = told[-1] if told else done
            if done >= events / 4 and not early:
                session.read_for(2.0)
                early.append(session.rss_mib())
        session.read_for(WARM_S)
        return (early[0] if early else None), session.rss_mib()


def keys_ms(watched: list[Watched], share: float) -> float | None:
    """A percentile of all rounds' keys, in ms; 0.5: their median."""
    every = [1000 * key for one in watched for key in one.keys]
    return middle(every) if share == 0.5 else percentile(every, share)


def _environment() -> dict[str, str]:
    """As in a good terminal: colours, UTF-8, bytecode kept as an installation has it."""
    dropped = ("NO_COLOR", "TMUX", "PYTHONDONTWRITEBYTECODE", "TEXTUAL")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(part for part in (root, kept.get("PYTHONPATH", "")) if part)
    return {**kept, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8", "PYTHONPATH": path}
