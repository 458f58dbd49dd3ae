"""What can happen to the devices of a run, and what there is to do then: the words of `leases`. Times in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from backends.core.events import DeviceState
from backends.core.messages import Line
from backends.inference.batch_layout import Batch


@dataclass(frozen=True, slots=True)
class Started:
    """The process of a device is there."""

    device: str
    at: float


@dataclass(frozen=True, slots=True)
class Opened:
    """A device has its model loaded; its warm-up batch took `latency_s`."""

    device: str
    at: float
    latency_s: float


@dataclass(frozen=True, slots=True)
class Answered:
    """The scores of a lease are here, after `seconds` in compute."""

    device: str
    lease: int
    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Refused:
    """The clips of a lease could not be read: not the device's fault."""

    device: str
    lease: int
    at: float
    reason: Line


@dataclass(frozen=True, slots=True)
class Unusable:
    """The scores of a lease are no finite numbers."""

    device: str
    lease: int
    at: float


@dataclass(frozen=True, slots=True)
class Lost:
    """The process of a device has ended or was ended."""

    device: str
    at: float
    reason: Line
    blame: bool = True
    """The batch in compute may be the cause; False where the device was killed or stopped from outside."""
    again: bool = True
    """A new process may help."""
    at_once: bool = False
    """A new process is worth one try at once, whether or not others are at work."""
    hint: Line = Line("")
    """The mend, where one is known."""


@dataclass(frozen=True, slots=True)
class Take:
    """The user takes a device out of the run, or puts it back."""

    device: str
    at: float
    into: Literal["out", "in"]


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""

    at: float


@dataclass(frozen=True, slots=True)
class Stopping:
    """Nothing more is handed out; what is in flight is waited for."""


Happening = Started | Opened | Answered | Refused | Unusable | Lost | Take | Tick | Stopping


@dataclass(frozen=True, slots=True)
class Start:
    """Spawn a process for the device."""

    device: str


@dataclass(frozen=True, slots=True)
class Give:
    """Send a batch to the device."""

    device: str
    lease: int
    batch: Batch


@dataclass(frozen=True, slots=True)
class Keep:
    """The scores that just came are those of this batch: write them down."""

    device: str
    batch: Batch


@dataclass(frozen=True, slots=True)
class Drop:
    """The clip cannot be read and does not count."""

    clip: int
    reason: Line


@dataclass(frozen=True, slots=True)
class Close:
    """Ask the device to let go of everything and end."""

    device: str


@dataclass(frozen=True, slots=True)
class Overdue:
    """The device is silent past its limit: kill it, and say `Lost` with the reason found."""

    device: str
    silent_s: float
    state: str


@dataclass(frozen=True, slots=True)
class Show:
    """The device's state as people see it has changed."""

    device: str
    state: DeviceState
    reason: Line


@dataclass(frozen=True, slots=True)
class Note:
    """A line worth keeping."""

    text: Line
    level: Literal["info", "warning", "error"] = "warning"


Instruction = Start | Give | Keep | Drop | Close | Overdue | Show | Note
