"""What stage code is handed: where to read, where to write, how to report.

A stage is a function `run(job: Job) -> Outcome`. It raises an error of `backends.core.messages` for what a person
can fix; anything else is a fault of ours and its traceback goes to the stage's log.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

from msgspec.structs import replace

from backends.core.codec import decode, dumps
from backends.core.events import (
    KEPT,
    DeviceChanged,
    DeviceProgress,
    Event,
    ItemSetAside,
    Outcome,
    Skipped,
    StageNote,
    StageProgress,
)
from backends.core.messages import Line, Scalar, Stopped
from backends.core.stage_request import Request, Upstream

__all__ = ["Job", "Request", "Upstream"]

TICK_S = 0.5
"""Least time between two ticks of one stage or one device: twice a second is enough for eyes."""


class Job:
    """The one object between a stage and the engine. Safe to report through from several threads."""

    def __init__(self, request: Request, say: Callable[[Event], None]) -> None:
        self.stage = request.stage
        self.workspace = request.workspace
        self.params = request.params
        """JSON values that decide the outcome; decode them with `codec.decode(Params, dict(job.params))`."""
        self.tuning = request.tuning
        """JSON values that change speed only."""
        self.inputs = request.inputs
        """Files and folders from outside, by name."""
        self.upstream = request.upstream
        """Stages that this one depends on, by name; one that was skipped is absent. One that `is_growing` is followed:
        it is replaced by what it gave, once that is known, and the stage must not end before."""
        self.out = request.out
        """The artifact's folder: kept between attempts with the same fingerprint, so that work is resumed.
        Whatever is found here was made by an earlier attempt of the very same work, perhaps cut off anywhere."""
        self.scratch = request.scratch
        """This attempt's own folder; nobody reads it afterwards but a person."""
        self.like = request.like
        """The folder of a finished artifact of the same work with other additions (`Stage.adds`), to be read only."""
        self.samples = request.samples
        """The file of the run's readings of devices (`stores.samples`); None where nobody samples."""
        self._say = say
        self._lock = threading.Lock()
        self._ticks: dict[str, float] = {}
        self._set_aside: list[Skipped] = []
        self._set_aside_count = self._temporary_count = self._skipped_sum = 0
        self._stop = threading.Event()
        self._commands: list[Mapping[str, Any]] = []

    def progress(
        self,
        done: int,
        total: int | None = None,
        unit: str = "",
        *,
        rate: float | None = None,
        note: Line | None = None,
        figures: Mapping[str, Scalar] | None = None,
    ) -> None:
        """Say how far the stage is. Call it as often as you like: at most two ticks a second go out, and the last."""
        if self._due(self.stage, last=total is not None and done >= total):
            self._say(StageProgress(self.stage, done, total, unit, rate, note or Line(""), dict(figures or {})))

    def device_progress(self, tick: DeviceProgress, *, last: bool = False) -> None:
        """Say how far a device is; throttled like `progress`."""
        if self._due("device " + tick.device, last=last):
            self._say(tick)

    def device(
        self, device: str, state: Any, *, name: str = "", reason: Line | None = None, pid: int | None = None
    ) -> None:
        """Say that a device entered a state (`events.DeviceState`)."""
        self._say(DeviceChanged(device, state, name, reason or Line(""), pid))

    def note(self, text: Line, level: Literal["info", "warning", "error"] = "info") -> None:
        self._say(StageNote(self.stage, text, level))

    def set_aside(self, item: str, reason: Line, *, is_temporary: bool = False) -> None:
        """Report that an item is skipped; a resumed stage reports all of them again.

        `is_temporary`: the reason may pass, so that the next run tries again (see `events.Skipped`).
        """
        text = dumps(Skipped(item, reason)).encode()
        with self._lock:
            self._set_aside_count += 1
            self._temporary_count += is_temporary
            self._skipped_sum += int.from_bytes(hashlib.sha256(text).digest()[:16], "big")  # in any order the same
            if len(self._set_aside) < KEPT:
                self._set_aside.append(Skipped(item, reason, is_temporary))
        self._say(ItemSetAside(self.stage, item, reason, is_temporary))

    @property
    def set_aside_count(self) -> int:
        """How many items were skipped so far in this attempt."""
        return self._set_aside_count

    @property
    def stopping(self) -> bool:
        """True once the user asked to stop: finish the item at hand, make it durable, and call `check_stop`."""
        return self._stop.is_set()

    def check_stop(self) -> None:
        """Raise Stopped once the user asked to stop. Call it between items."""
        if self._stop.is_set():
            raise Stopped

    def commands(self) -> list[Mapping[str, Any]]:
        """Commands for this stage since the last call, such as {"command": "device", "id": "1", "take": "out"}."""
        with self._lock:
            taken, self._commands = self._commands, []
        return taken

    def obey(self, command: Mapping[str, Any]) -> None:
        """Hand in a command from the engine (the worker's reader thread calls this)."""
        if command.get("command") == "stop":
            self._stop.set()
            return
        if command.get("command") == "settled":
            settled = decode(Upstream, command["upstream"])
            self.upstream = {**self.upstream, str(command["stage"]): settled}
            return
        with self._lock:
            self._commands.append(command)

    def complete(self, outcome: Outcome) -> Outcome:
        """The outcome with the skipped items filled in (the worker calls this)."""
        return replace(
            outcome,
            set_aside=tuple(self._set_aside),
            set_aside_count=self._set_aside_count,
            temporary_count=self._temporary_count,
            skipped_digest=f"{self._skipped_sum % 2**128:032x}" if self._set_aside_count else "",
        )

    def _due(self, key: str, *, last: bool) -> bool:
        now = time.monotonic()
        with self._lock:
            if not last and now - self._ticks.get(key, -TICK_S) < TICK_S:
                return False
            self._ticks[key] = now
        return True
