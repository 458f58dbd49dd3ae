"""What Ray runs on a server: it holds `server_process` by its pipes and passes bytes on; `ray_driver`'s actor.

It stands in a module of its own so that a server finds it in the r3d-tui that is installed there: no code travels.
"""

import contextlib
import os
import selectors
import subprocess
import time

from backends.cluster.local_carrier import SERVER
from backends.core.processes import our_environment, python_command

SETTLE_S = 0.02
"""How long more output is waited for once some is there."""
TAKEN = "ASCEND_RT_VISIBLE_DEVICES"


class ServerRelay:
    """One server's process. Ray calls it on one thread, which the kernel ties the process's life to."""

    def __init__(self) -> None:
        environment = our_environment()
        if not environment.get(TAKEN):
            environment.pop(TAKEN, None)  # Ray hides the chips of who asked it for none
        self._process = subprocess.Popen(
            python_command(SERVER), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, bufsize=0
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._down, self._up = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._down, False)
        os.set_blocking(self._up, False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._up, selectors.EVENT_READ)
        self._unsent = bytearray()

    def exchange(self, orders: bytes, seconds: float) -> tuple[bytes, bool]:
        """Send, and give what came within `seconds`, and whether the process has ended."""
        self._unsent += orders
        until, found, ended = time.monotonic() + seconds, bytearray(), False
        while not ended:
            self._flush()
            wait = SETTLE_S if found or self._unsent else max(0.0, until - time.monotonic())
            if self._selector.select(wait):
                data = os.read(self._up, 1 << 20)
                ended = not data
                found += data
            elif found or time.monotonic() >= until:
                break
            if len(found) > 1 << 26 or (found and time.monotonic() >= until):
                break
        return bytes(found), ended

    def close(self, seconds: float) -> None:
        """Let the process end: it removes its scratch folder."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self._process.kill()

    def _flush(self) -> None:
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            while self._unsent:
                del self._unsent[: os.write(self._down, memoryview(self._unsent)[: 1 << 20])]
