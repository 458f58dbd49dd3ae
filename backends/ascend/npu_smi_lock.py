"""One npu-smi at a time: small boards refuse a call while another is at work, and the tool is slow on large ones.

The turn is a name in the kernel (an abstract Unix socket, Linux only) that one process of a user can hold. No file is
left behind, and it is free again however its holder ends. Whoever waits too long goes on without it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from collections.abc import Iterator

PAUSE_S = 0.05
WAIT_S = 30.0
"""More than the longest call: its limit ends it before."""


@contextlib.contextmanager
def turn(wait_s: float = WAIT_S, name: str = "") -> Iterator[bool]:
    """Hold this user's turn; gives whether it was had. `name` separates turns in tests."""
    held = socket.socket(socket.AF_UNIX) if sys.platform == "linux" else None
    until = time.monotonic() + wait_s
    had = False
    try:
        while held is not None and not had:
            try:
                held.bind(f"\0r3d-tui-npu-smi-{os.getuid()}{name}")
                had = True
            except OSError:
                if time.monotonic() >= until:
                    break
                time.sleep(PAUSE_S)
        yield had
    finally:
        if held is not None:
            held.close()
