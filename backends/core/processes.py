"""Processes of ours: how they die with their parent, how they are told apart, how they are found again.

Both sides of a process boundary use this; it knows nothing of what the processes do. Linux only where it says so.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from backends.device import lifeline
from backends.device.lifeline import QUIET

die_with_parent = lifeline.die_with_parent
MARK = "R3D_TUI_WORKSPACE"
"""Environment variable that every child carries, so that leftovers of a killed engine can be found."""
LIFELINE = "lifeline"
"""The thread of a stage's process that waits for orders. It holds no lock that a forked child would want."""
SIMULATED = "R3D_TUI_SIMULATED"
"""Environment variable of all processes of a workspace whose chips are simulated."""
_RUN_MODULE = Path(__file__).with_name("run_module.py")


def child_environment(workspace: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a process that must not outlive its engine: `our_environment`, and marked."""
    return {**our_environment(), MARK: mark(workspace), **(extra or {})}


def python_command(module: str, *arguments: str) -> tuple[str, ...]:
    """What runs a module of ours in a process of its own, whatever lies in the current folder."""
    return (sys.executable, str(_RUN_MODULE), module, *arguments)


def our_environment() -> dict[str, str]:
    """This process's environment for a Python process of ours: UTF-8, able to import what we can, no telemetry.

    Pythons that libraries start import nothing from the current folder either, from Python 3.11 on. OpenBLAS would
    start a thread a core when NumPy is imported, each of which spins at first (half of the import's processor time on
    two cores); nothing here multiplies matrices with NumPy.
    """
    roots = [str(Path(__file__).resolve().parents[2]), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    path = os.pathsep.join(root for root in roots if root)
    ours = {**QUIET, "PYTHONPATH": path, "PYTHONUTF8": "1", "PYTHONSAFEPATH": "1"}
    return {"OPENBLAS_NUM_THREADS": "1", **os.environ, **ours}


def foreign_environment() -> dict[str, str]:
    """This process's environment without our packages, which another Python must not see."""
    ours = str(Path(__file__).resolve().parents[2])
    environment = dict(os.environ)
    parts = environment.pop("PYTHONPATH", "").split(os.pathsep)
    path = os.pathsep.join(part for part in parts if part not in ("", ours))
    return {**environment, "PYTHONPATH": path} if path else environment


def mark(workspace: Path) -> str:
    """What `MARK` holds for a workspace: its real path in ASCII."""
    return os.fsencode(os.path.realpath(workspace)).hex()


def end_group_with(stream: IO[bytes]) -> None:
    """Watch `stream` in a thread and kill this process's group at its end of file. For children that lead a group."""

    def watch() -> None:
        with contextlib.suppress(OSError, ValueError):
            while stream.read(4096):
                pass
        kill_group(os.getpid())

    threading.Thread(target=watch, name="guard", daemon=True).start()


def kill_group(pid: int, sig: int = signal.SIGKILL) -> None:
    """Signal the process group that `pid` leads; nothing happens where it has gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, sig)


def is_alive(pid: int) -> bool:
    """Whether there is such a process; another account's, which may be hidden from us in /proc, counts."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def start_time(pid: int) -> int | None:
    """Clock ticks since boot at which `pid` started (Linux), None where there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])


def leftovers(workspace: Path) -> Iterator[int]:
    """Process ids, other than this one's, that carry the mark of `workspace` (Linux; elsewhere none)."""
    wanted = f"{MARK}={mark(workspace)}".encode()
    for entry in os.scandir("/proc") if sys.platform == "linux" else ():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if wanted in Path(entry.path, "environ").read_bytes().split(b"\0") and start_time(int(entry.name)):
                yield int(entry.name)


def reap(workspace: Path) -> tuple[int, ...]:
    """Kill what a dead engine left behind, stopped processes too; gives their pids. Hold the engine's lock."""
    found = tuple(leftovers(workspace))
    for pid in found:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    return found
