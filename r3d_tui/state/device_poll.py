"""Reads the devices while no run does, by a process of its own; its readings come as messages. The board begins it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from textual.message import Message

from r3d_tui.state.console_messages import DevicesRead


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
        """Stop; the process ends with its standard input."""
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
