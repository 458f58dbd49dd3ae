"""Reads the devices while no run does, by a process of its own; its readings come as messages. The board
begins it. And the rates of a run's devices, as this console saw them.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Mapping

from textual.message import Message

from backends.core.run_state import Run
from r3d_tui.state.feed import DevicesRead
from r3d_tui.views.look import live_rate


class DevicePoll:
    """One sampler at a time. `want` and `end` return at once: a thread starts and stops the process."""

    def __init__(self, post: Callable[[Message], object]) -> None:
        self._post = post
        self._target = ""
        self._wake = threading.Event()
        self._ended = False
        self._thread: threading.Thread | None = None

    def want(self, target: str) -> None:
        """Read the devices of a target; "" while a run's own sampler does, or where nobody looks."""
        if target == self._target:
            return
        self._target = target
        if self._thread is None:
            self._thread = threading.Thread(target=self._follow, name="devices", daemon=True)
            self._thread.start()
        self._wake.set()

    def end(self) -> None:
        self._ended, self._target = True, ""
        self._wake.set()

    def _follow(self) -> None:
        while not self._ended:
            if target := self._target:
                self._sample(target)
            self._wake.wait()
            self._wake.clear()

    def _sample(self, target: str) -> None:
        """Post what is read until another target is wanted. A sampler that ends by itself is not started again."""
        from backends import api

        with contextlib.suppress(OSError, ValueError), api.sample_devices(target) as readings:
            for samples in readings:
                if self._target != target:
                    self._wake.set()
                    return
                self._post(DevicesRead(samples))


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
