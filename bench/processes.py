"""Whole processes timed in turn: what every bench that compares commands stands on."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from backends.core.messages import Line, StageError, line
from backends.core.processes import our_environment, python_command

Say = Callable[[Line], None]


class Contender(Struct, frozen=True):
    """A command that is timed."""

    name: str
    what: Line
    command: tuple[str, ...]
    out: Path
    """Its working folder, empty before each run."""


class Taken(Struct, frozen=True):
    """What one run took."""

    wall_s: float
    cpu_s: float
    """Processor time of the process and of all its children that it waited for; not of a process that it detached."""


def r3d_tui(*arguments: object) -> tuple[str, ...]:
    """Our command line in a process of its own."""
    return python_command("r3d_tui", *map(str, arguments))


def race(contenders: Sequence[Contender], rounds: int, say: Say) -> dict[str, tuple[Taken, ...]]:
    """Every contender once a round, so that what else the machine does falls on all of them."""
    found: dict[str, list[Taken]] = {one.name: [] for one in contenders}
    for number in range(rounds):
        for one in contenders:
            say(line("round {n} of {rounds}: {what}", n=number + 1, rounds=rounds, what=str(one.what)))
            shutil.rmtree(one.out, ignore_errors=True)
            os.sync()  # what another wrote is not on its way to the disk meanwhile
            found[one.name].append(timed(one.command, one.out))
    return {name: tuple(runs) for name, runs in found.items()}


def timed(command: Sequence[str], folder: Path, extra: Mapping[str, str] | None = None) -> Taken:
    """Run a command in `folder`. StageError with its last line where it fails."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile() as file:
        begun = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env={**our_environment(), **(extra or {})}, stdin=subprocess.DEVNULL, stdout=file,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begun
        file.seek(0)
        said = file.read().decode("utf-8", "replace")
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        reason = said.strip().rpartition("\n")[2][:300]
        raise StageError("{command}: {reason}", command=" ".join(command)[:200], reason=reason)
    return Taken(wall, usage.ru_utime + usage.ru_stime)


def walls(runs: Iterable[Taken]) -> tuple[float, ...]:
    """Seconds by the clock of each run."""
    return tuple(one.wall_s for one in runs)


def middle(values: Sequence[float]) -> float | None:
    """The median; None of nothing."""
    return statistics.median(values) if values else None
