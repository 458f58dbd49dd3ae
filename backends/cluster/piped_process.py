"""A Python process of ours by its pipes, for both carriers and for what Ray runs: bytes down and up, and no waiting."""

import contextlib
import os
import subprocess
from collections.abc import Mapping

from backends.core.processes import python_command

PIECE = 1 << 20


class PipedProcess:
    """It stays in this process's group, and ends with it."""

    def __init__(self, *command: str, environment: Mapping[str, str]) -> None:
        """`command`: a module of ours and its arguments."""
        self._process = subprocess.Popen(
            python_command(*command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, bufsize=0
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._down, self._up = self._process.stdin, self._process.stdout
        os.set_blocking(self._down.fileno(), False)
        os.set_blocking(self._up.fileno(), False)
        self._unsent = bytearray()

    def fileno(self) -> int:
        """The descriptor to wait on for what it says."""
        return self._up.fileno()

    def send(self, data: bytes = b"") -> bool:
        """Send this after what could not be sent before; whether something is left. An ended process takes nothing."""
        self._unsent += data
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            while self._unsent:
                del self._unsent[: os.write(self._down.fileno(), memoryview(self._unsent)[:PIECE])]
        return bool(self._unsent)

    def read(self) -> bytes:
        """What it said; to be called where there is something. Empty: it has ended."""
        return os.read(self._up.fileno(), PIECE)

    def hang_up(self) -> None:
        """Close its standard input, at which it is to end by itself."""
        self._down.close()

    def end(self, seconds: float = 0.0) -> None:
        """Kill it, unless it ends by itself within `seconds`."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self._process.kill()
        self._process.wait()
        self._down.close()
        self._up.close()
