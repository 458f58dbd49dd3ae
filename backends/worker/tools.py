"""Running foreign tools: each in a session of its own behind a guard, its words heard, ended on request.

A tool that is given a terminal flushes line by line and draws its bar; in a pipe many a library keeps its words back.
"""

import contextlib
import fcntl
import os
import pty
import re
import selectors
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from backends.core.processes import child_environment, kill_group, python_command

KEPT = 1 << 18
"""Bytes of the tool's words that are kept for a diagnosis; the log has all."""

GRACE_S = 5.0
"""Seconds between asking a tool to end and killing it."""


class Ending(Struct, frozen=True):
    status: int
    """Its exit status; 128 + n where signal n ended it."""
    words: str
    """The last that it said, both streams together. Foreign text."""


class Tool:
    """One running tool. Its whole group ends with it, and with this process however that goes."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        workspace: Path,
        *,
        terminal: bool = False,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        """Start `command` in `folder`; `terminal` gives it one to speak to, `extra` is added to its environment."""
        self.words = b""
        """The last that it said."""
        self._ended = False
        self._out, theirs = _terminal() if terminal else os.pipe()
        try:
            self._process = subprocess.Popen(
                python_command("backends.worker.process_guard", *command),
                cwd=folder,
                env=child_environment(workspace, extra),
                stdin=subprocess.PIPE,
                stdout=theirs,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError:
            os.close(self._out)
            raise
        finally:
            os.close(theirs)
        os.set_blocking(self._out, False)

    @property
    def pid(self) -> int:
        """The guard's process id, which names the group."""
        return self._process.pid

    def fileno(self) -> int:
        return self._out

    def hear(self) -> bytes:
        """What it has said since the last call, empty where nothing."""
        heard = b""
        while not self._ended and len(heard) < KEPT:
            try:
                data = os.read(self._out, 65536)
            except BlockingIOError:
                break
            except OSError:  # a terminal that nobody holds open any more
                data = b""
            self._ended = not data
            heard += data
        self.words = (self.words + heard)[-KEPT:]
        return heard

    @property
    def silent(self) -> bool:
        """It will say nothing more: everything that held its output has let go."""
        return self._ended

    def gone(self) -> bool:
        """The tool itself has ended; helpers of its group may still be there."""
        return self._process.poll() is not None

    def end(self, wait_s: float = 0.0, grace_s: float = 0.0) -> Ending:
        """Wait `wait_s` for its end, ask it, wait `grace_s`, kill its group. Safe to call twice."""
        if not self.wait(wait_s):
            kill_group(self.pid, signal.SIGTERM)
            self.wait(grace_s)
        kill_group(self.pid)
        self._process.wait()
        if self._out >= 0:
            self.hear()
            os.close(self._out)
            self._out = -1
            self._ended = True
        if self._process.stdin:
            self._process.stdin.close()
        status = self._process.returncode  # negative: the signal went to the guard too
        return Ending(status if status >= 0 else 128 - status, self.words.decode("utf-8", "replace"))

    def wait(self, seconds: float) -> bool:
        """Wait for its end while hearing it out (one blocked on a full pipe could not end); whether it came."""
        until = time.monotonic() + seconds
        while not self.gone() and time.monotonic() < until:
            if self._out >= 0:
                self.hear()
            time.sleep(0.02)
        return self.gone()


class TimedCopy:
    """Copies what a tool says to our standard output, the log, each line with the time at which it began."""

    def __init__(self) -> None:
        self._is_line_start = True

    def write(self, data: bytes) -> None:
        """A bar that is drawn again over itself stays one line."""
        time_now = time.strftime("%H:%M:%S ").encode()
        for piece in data.splitlines(keepends=True):
            sys.stdout.buffer.write(time_now + piece if self._is_line_start else piece)
            self._is_line_start = piece.endswith(b"\n")
        sys.stdout.flush()


def plain(text: str) -> str:
    """A tool's words without colours and control characters."""
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)
    return "".join(sign for sign in text if sign.isprintable()).strip()


def run_tool(
    command: Sequence[str],
    folder: Path,
    workspace: Path,
    *,
    stop: Callable[[], bool],
    heard: Callable[[int], None],
    counted: bytes = b"",
    extra: Mapping[str, str] | None = None,
) -> Ending:
    """Run `command` in `folder` until it ends or `stop()`, copying what it says to our standard output.

    `heard(lines)` is called whenever it said something, with the number of lines so far that hold `counted`; `extra` is
    added to its environment. Afterwards no process of its group is left.
    """
    tool = Tool(command, folder, workspace, extra=extra)
    try:
        _listen(tool, stop, heard, counted)
        return tool.end(0.5, GRACE_S)
    finally:
        tool.end()


def _listen(tool: Tool, stop: Callable[[], bool], heard: Callable[[int], None], counted: bytes) -> None:
    """Until it has said all or a stop; a grandchild that keeps the pipe open does not hold us."""
    lines, rest, log = 0, b"", TimedCopy()
    with selectors.DefaultSelector() as selector:
        selector.register(tool, selectors.EVENT_READ)
        while not stop() and not tool.silent:
            if not selector.select(0.2):
                if tool.gone():
                    return
                continue
            if data := tool.hear():
                log.write(data)
                *whole, rest = (rest + data).split(b"\n")
                lines += sum(counted in one for one in whole)
                heard(lines)


def _terminal() -> tuple[int, int]:
    """A pseudo-terminal that passes bytes on as they are; (ours, the tool's)."""
    ours, theirs = pty.openpty()
    with contextlib.suppress(termios.error, OSError):
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))  # tqdm draws no bar in 0 x 0
        modes = termios.tcgetattr(theirs)
        modes[1] &= ~termios.OPOST
        modes[3] &= ~termios.ECHO
        termios.tcsetattr(theirs, termios.TCSANOW, modes)
    for descriptor in (ours, theirs):
        os.set_inheritable(descriptor, False)
    return ours, theirs
