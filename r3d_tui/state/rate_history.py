"""Clips a second as the console has seen them since it was opened: short rings, one a device and one for all."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from backends.core.run_state import Run
from r3d_tui.views.look import live_rate

KEPT = 240
EVERY_S = 1.0
"""One value a second at most; at half a second's ticks the last counts."""


class History:
    """`rates[device]` oldest first; all together under ""."""

    def __init__(self) -> None:
        self.rates: dict[str, deque[float | None]] = {}
        self._run = ""
        self._last = -EVERY_S

    def add(self, run: Run, now: float) -> None:
        """Take in what the devices do now; a new run begins again."""
        if run.id != self._run:
            self.rates.clear()
            self._run = run.id
        values: Mapping[str, float | None] = {device.id: live_rate(device) for device in run.devices}
        if all(value is None for value in values.values()):
            return
        fresh = now - self._last >= EVERY_S
        known = [value for value in values.values() if value is not None]
        for name, value in {**values, "": sum(known)}.items():
            ring = self.rates.setdefault(name, deque(maxlen=KEPT))
            if fresh or not ring:
                ring.append(value)
            else:
                ring[-1] = value
        if fresh:
            self._last = now
