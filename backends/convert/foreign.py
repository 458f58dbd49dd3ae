"""Running a foreign tool: in a session of its own, its words streamed to the log, ended on request.

It refuses to judge: it gives the exit status and what was said last.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from backends.contract.process import child_environment, kill_group

KEPT = 1 << 18
"""Bytes of the tool's words that are kept for a diagnosis; the log has all."""

GRACE_S = 5.0
"""Seconds between asking a tool to end and killing it."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a tool ended."""

    status: int
    """Its exit status; 128 + n where signal n ended it."""
    words: str
    """The last that it said, both streams together. Foreign text."""


def run_tool(
    command: Sequence[str], folder: Path, workspace: Path, *, stop: Callable[[], bool], heard: Callable[[int], None]
) -> Ending:
    """Run `command` in `folder` until it ends or `stop()`, copying what it says to our standard output.

    `heard(lines)` is called whenever it said something, with the number of lines so far. Afterwards no process of its
    group is left.
    """
    guard = [sys.executable, "-m", "backends.convert.guard", *command]
    process = subprocess.Popen(
        guard,
        cwd=folder,
        env=child_environment(workspace),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        words = _listen(process, stop, heard)
        _leave(process)
    finally:
        kill_group(process.pid)
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream:
                stream.close()
    return Ending(process.returncode, words.decode("utf-8", "replace"))


def _listen(process: subprocess.Popen[bytes], stop: Callable[[], bool], heard: Callable[[int], None]) -> bytes:
    """All that is said until the guard ends or a stop; a grandchild that keeps the pipe open does not hold us."""
    assert process.stdout is not None
    kept, lines = b"", 0
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not stop():
            if not selector.select(0.2):
                if process.poll() is not None:
                    break
                continue
            data = os.read(process.stdout.fileno(), 65536)
            if not data:
                break
            sys.stdout.buffer.write(data)
            sys.stdout.flush()
            kept, lines = (kept + data)[-KEPT:], lines + data.count(b"\n")
            heard(lines)
    return kept


def _leave(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end where it is near; otherwise (a stop) ask the group to end."""
    try:
        process.wait(0.5)
    except subprocess.TimeoutExpired:
        kill_group(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + GRACE_S
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
