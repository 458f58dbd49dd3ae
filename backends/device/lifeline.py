"""How our child processes behave, under any Python: they end with their parent, and nothing in them calls out."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from typing import Any, cast

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int | None = None) -> None:
    """Ask the kernel (Linux) to kill this process when the thread that spawned it ends; end at once if it has."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent is not None and os.getppid() != parent:
        os._exit(1)


QUIET = {"ORT_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
"""Environment under which nothing calls out.

ONNX Runtime's Linux wheel (1.24 on) otherwise asks for mobile.events.data.microsoft.com and writes a device id under
~/.cache when it is imported; its own `disable_telemetry_events()` comes too late. DO_NOT_TRACK is what others heed.
"""


def no_telemetry() -> None:
    """Call before anything heavy is imported.

    OpenVINO 2026.4 sends an event on import, from a forked copy of the importing process, with its threads' locks held,
    which stays behind when they deadlock, and writes to ~/intel. Its own code falls back to a stub where the module for
    that is missing.
    """
    os.environ.update(QUIET)
    cast("Any", sys.modules).setdefault("openvino_telemetry", None)  # None: importing it raises ModuleNotFoundError
