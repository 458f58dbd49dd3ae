"""Keeps libraries from talking to the outside: nothing that a stage imports may call home or write elsewhere."""

from __future__ import annotations

import sys
from typing import Any, cast


def no_telemetry() -> None:
    """Call before `import openvino`: without this the import itself sends an event over the network.

    OpenVINO 2026.4 does so from a forked copy of the importing process, with its threads' locks held, which stays
    behind when they deadlock, and writes to ~/intel. Its own code falls back to a stub where the module is missing.
    """
    cast("Any", sys.modules).setdefault("openvino_telemetry", None)  # None: importing it raises ModuleNotFoundError
