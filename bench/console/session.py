"""One program in a pty of its own: what it writes and when, keys to it, a link as slow as asked, its cost in /proc."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.console.grid import Grid

_ASKED = re.compile(rb"\x1b\[\?(\d+)\$p|\x1b\[6n|\x1b\[0?c")
ENDS_S = 5.0


class Session:
    """Runs `command` until it is closed. Linux only. `link`: bytes a second that the terminal takes at most."""

    def __init__(
        self, command: Sequence[str], columns: int, rows: int, environment: Mapping[str, str], link: float | None = None
    ) -> None:
        self.columns, self.rows = columns, rows
        self.recording: list[tuple[float, bytes]] = []
        self._link, self._tokens, self._filled = link, 0.0, time.perf_counter()
        self._tail = b""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.began = time.perf_counter()
        controlling = (os.POSIX_SPAWN_OPEN, 0, os.ttyname(slave), os.O_RDWR, 0)
        others = ((os.POSIX_SPAWN_DUP2, 0, 1), (os.POSIX_SPAWN_DUP2, 0, 2))
        self.pid = os.posix_spawnp(
            command[0], list(command), dict(environment), file_actions=(controlling, *others), setsid=True
        )
        os.close(slave)
        self._ended = False

    def read_for(self, seconds: float) -> None:
        """Take what comes for so long."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0 and not self._ended:
            self._take(left)

    def read_until(self, shows: str, limit: float) -> bool:
        """Take what comes until the screen shows an expression; False where it does not in `limit` seconds."""
        end = time.perf_counter() + limit
        grid, fed = Grid(self.columns, self.rows), 0
        while time.perf_counter() < end and not self._ended:
            for _, data in self.recording[fed:]:
                grid.feed(data)
            fed = len(self.recording)
            if len(grid.written()) > self.columns and re.search(shows, grid.text()):
                return True
            self._take(0.05)
        return False

    def press(self, key: str) -> float:
        """Send a key; gives when."""
        at = time.perf_counter()
        with contextlib.suppress(OSError):
            os.write(self._master, key.encode())
        return at

    def cpu_s(self) -> float:
        """Processor time of all its threads so far, in seconds."""
        total = 0
        for task in Path(f"/proc/{self.pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError, ValueError, IndexError):
                total += int(task.read_text().split()[0])
        return total / 1e9

    def rss_mib(self) -> float | None:
        """Resident memory."""
        with contextlib.suppress(OSError):
            found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text())
            return int(found.group(1)) / 1024 if found else None
        return None

    def close(self) -> None:
        """End it: by SIGTERM, and by force where that does not do."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not self._ended:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, number)
                self._link = None
                self.read_for(ENDS_S)
        os.close(self._master)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)

    def _take(self, seconds: float) -> None:
        limit = self._allowed()
        if limit < 1:
            time.sleep(0.005)
            return
        ready, _, _ = select.select([self._master], [], [], seconds)
        if not ready:
            return
        try:
            data = os.read(self._master, limit)
        except OSError:  # the other side has gone
            data = b""
        if not data:
            self._ended = True
            return
        self._tokens -= len(data)
        self.recording.append((time.perf_counter(), data))
        self._answer(data)

    def _allowed(self) -> int:
        if self._link is None:
            return 1 << 16
        now = time.perf_counter()
        self._tokens = min(self._tokens + (now - self._filled) * self._link, self._link * 0.05)
        self._filled = now
        return int(self._tokens)

    def _answer(self, data: bytes) -> None:
        """Answer as a terminal with synchronised output does, once the question has come over the link."""
        self._tail = (self._tail + data)[-256:]
        end = 0
        for found in _ASKED.finditer(self._tail):
            end = found.end()
            if found.group(1):
                state = b"2" if found.group(1) == b"2026" else b"0"
                reply = b"\x1b[?" + found.group(1) + b";" + state + b"$y"
            else:
                reply = b"\x1b[1;1R" if found.group(0).endswith(b"n") else b"\x1b[?62;22c"
            with contextlib.suppress(OSError):
                os.write(self._master, reply)
        self._tail = self._tail[end:]
