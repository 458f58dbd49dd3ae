"""What the scheduler of leases knows of one device, and how long a device may be silent. No process, no clock."""

from collections import deque
from typing import Literal

from msgspec import Struct, field

from backends.core.events import DeviceState
from backends.core.messages import Line
from backends.device.failures import RestartPolicy
from backends.inference import lease_events as ev
from backends.inference.batch_layout import Batch
from backends.inference.running_accuracy import Meter
from backends.monitor.drift import Drift


class LeaseLimits(Struct, frozen=True):
    """How long a device may be silent, in seconds."""

    start_s: float = 30.0
    """From the spawn until the process reports."""
    load_s: float = 300.0
    """Until the model is loaded and warm."""
    answer_s: float = 0.0
    """For a batch; 0: twenty times the device's own p95 latency, and ten seconds at least."""


class Lease(Struct):
    """A batch in flight, under its number."""

    number: int
    batch: Batch


class LeaseDevice(Struct):
    """A device as the scheduler sees it; its states: see `lease_scheduler`."""

    id: str
    restarts: int
    deaths: int = 0
    """After which it got a new process at once."""
    wrong: int = 0
    """Batches that it gave no numbers for and another did."""
    left_out: Line = Line("")
    """Why it was not chosen for the run; it takes part once somebody includes it."""
    meter: Meter = field(default_factory=Meter)
    drift: Drift = field(default_factory=Drift)
    state: Literal["starting", "loading", "ready", "leaving", "out", "retired"] = "out"
    since: float = 0.0
    flight: deque[Lease] = field(default_factory=deque)
    warm_s: float = 0.0
    starved_before_s: float = 0.0
    """Of `Leases.starved_s` what was before its first batch."""
    shown: DeviceState = "found"
    reason: Line = Line("")
    hint: Line = Line("")
    policy: RestartPolicy = "again"
    is_computing: bool = False
    """Of a tool: it has begun to compute what it has."""
    is_stalled: bool = False

    @property
    def is_waiting(self) -> bool:
        """Excluded during the run, so that somebody may be waited for who includes it again."""
        return self.state == "out" and not self.left_out.template

    @property
    def is_alive(self) -> bool:
        return self.is_open or self.state in ("starting", "loading")

    @property
    def is_open(self) -> bool:
        """It has its model loaded."""
        return self.state in ("ready", "leaving")

    def show(self, state: DeviceState, reason: Line = Line("")) -> tuple[ev.Instruction, ...]:
        """What people are to see of it; nothing where they see it already."""
        if self.shown == state:
            return ()
        self.shown = state
        return (ev.Show(self.id, state, reason),)

    def take_flight(self) -> list[Batch]:
        """Take away what it has in flight."""
        flight = [lease.batch for lease in self.flight]
        self.flight.clear()
        return flight

    def end(self, number: int, at: float) -> Lease | None:
        """It has answered a lease; None where that had expired."""
        for lease in self.flight:
            if lease.number == number:
                self.flight.remove(lease)
                self.since, self.is_stalled = at, False
                return lease
        return None

    def limit(self, limits: LeaseLimits, *, is_tool: bool) -> float | None:
        """Seconds that it may be silent now; None: for as long as it likes."""
        if self.state == "starting":
            return limits.start_s
        if self.state == "loading":
            return limits.load_s
        if not self.flight:
            return None
        if is_tool and not self.is_computing:
            return limits.start_s + limits.load_s
        slowest = max(self.meter.p95_s or 0.0, self.warm_s)
        return limits.answer_s or max(10.0, 20 * slowest)
