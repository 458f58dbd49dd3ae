"""What Ray runs on a server: it holds `server_process` by its pipes and passes bytes on; `ray_driver`'s actor.

It stands in a module of its own so that a server finds it in the r3d-tui that is installed there: no code travels.
"""

import selectors
import time

from backends.cluster.local_carrier import SERVER
from backends.cluster.piped_process import PipedProcess
from backends.core.processes import our_environment

SETTLE_S = 0.02
"""How long more output is waited for once some is there."""
TAKEN = "ASCEND_RT_VISIBLE_DEVICES"


class ServerRelay:
    """One server's process. Ray calls it on one thread, which the kernel ties the process's life to."""

    def __init__(self) -> None:
        environment = our_environment()
        if not environment.get(TAKEN):
            environment.pop(TAKEN, None)  # Ray hides the chips of who asked it for none
        self._process = PipedProcess(SERVER, environment=environment)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._process, selectors.EVENT_READ)

    def exchange(self, orders: bytes, seconds: float) -> tuple[bytes, bool]:
        """Send, and give what came within `seconds`, and whether the process has ended."""
        is_left = self._process.send(orders)
        until, found, ended = time.monotonic() + seconds, bytearray(), False
        while not ended:
            wait = SETTLE_S if found or is_left else max(0.0, until - time.monotonic())
            if self._selector.select(wait):
                data = self._process.read()
                ended = not data
                found += data
            elif found or time.monotonic() >= until:
                break
            if len(found) > 1 << 26 or (found and time.monotonic() >= until):
                break
            is_left = self._process.send()
        return bytes(found), ended

    def close(self, seconds: float) -> None:
        """Let the process end: it removes its scratch folder."""
        self._process.hang_up()
        self._process.end(seconds)
