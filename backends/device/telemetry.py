"""Keeps libraries from calling out: nothing that a process of ours imports may reach the network or write elsewhere.

The environment goes to every child before it imports anything; `no_telemetry` is for the process that is already there.
"""

from __future__ import annotations

import os
import sys
from typing import Any, cast

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
