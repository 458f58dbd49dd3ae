"""One npu-smi at a time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from backends.ascend.npu_smi_calls import turn
from backends.core.processes import child_environment

_HOLD = """
import sys, time
from backends.ascend.npu_smi_calls import turn
with turn(name=sys.argv[1]) as had:
    print(had, flush=True)
    time.sleep(60)
"""


def test_a_turn_is_waited_for_and_passed_on() -> None:
    """Held by another process it is not had within the wait; once that was killed, it is."""
    name = f"-test-{os.getpid()}"
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, name], stdout=subprocess.PIPE, text=True, env=child_environment(Path())
    )
    try:
        assert holder.stdout is not None
        assert "True" == holder.stdout.readline().strip()
        begun = time.monotonic()
        with turn(0.2, name) as had:
            assert not had
        assert time.monotonic() - begun >= 0.2
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()  # type: ignore[union-attr]
    with turn(10.0, name) as had:
        assert had
    with turn(10.0, name) as had:
        assert had
