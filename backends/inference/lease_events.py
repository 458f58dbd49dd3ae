"""What can happen to the devices of a run, and what there is to do then: the words of `leases`. Times in seconds."""

from typing import Literal

from msgspec import Struct

from backends.core.events import DeviceState
from backends.core.messages import Line
from backends.device.failures import RestartPolicy
from backends.inference.batch_layout import Batch


class DeviceEvent(Struct, frozen=True):
    """Something that happened to one device."""

    device: str
    at: float


class Started(DeviceEvent, frozen=True):
    """The process of a device is there."""


class Opened(DeviceEvent, frozen=True):
    """A device has its model loaded; its warm-up batch took `latency_s`."""

    latency_s: float


class LeaseEvent(Struct, frozen=True):
    device: str
    lease: int
    at: float


class Answered(LeaseEvent, frozen=True):
    """The scores of a lease are here, after `seconds` in compute."""

    seconds: float


class Refused(LeaseEvent, frozen=True):
    """The clips of a lease could not be read: not the device's fault."""

    reason: Line


class Unusable(LeaseEvent, frozen=True):
    """The scores of a lease are no finite numbers."""


class Alive(DeviceEvent, frozen=True):
    """A device that takes many leases at once is at work on them: it stages their files, or it computes."""

    began_at: float | None = None
    """When it began to compute them; None: it has not yet."""


class Lost(DeviceEvent, frozen=True):
    """The process of a device has ended or was ended."""

    reason: Line
    blame: bool = True
    """The batch in compute may be the cause; False where the device was killed or stopped from outside."""
    policy: RestartPolicy = "again"
    is_killed: bool = False
    """The kernel or a person ended it."""
    hint: Line = Line("")
    """The fix, where one is known."""


class Take(DeviceEvent, frozen=True):
    """The user excludes a device, or includes it again."""

    into: Literal["out", "in"]


class Closed(DeviceEvent, frozen=True):
    """A tool that was to close has, and has answered what it had done."""


class More(Struct, frozen=True):
    """More batches to hand out; `is_last`: none will follow."""

    batches: tuple[Batch, ...]
    is_last: bool = False


class Tick(Struct, frozen=True):
    """Time has passed."""

    at: float


class Stopping(Struct, frozen=True):
    """Nothing more is handed out; what is in flight is waited for."""


Happening = Started | Opened | Answered | Refused | Unusable | Alive | Lost | Closed | Take | More | Tick | Stopping


class Start(Struct, frozen=True):
    """Spawn a process for the device."""

    device: str


class Give(Struct, frozen=True):
    """Send a batch to the device."""

    device: str
    lease: int
    batch: Batch


class Keep(Struct, frozen=True):
    """The scores that just came are those of this batch: write them down."""

    device: str
    batch: Batch


class Drop(Struct, frozen=True):
    """The clip cannot be read and does not count."""

    clip: int
    reason: Line


class Close(Struct, frozen=True):
    """Ask the device to release everything and end."""

    device: str


class Overdue(Struct, frozen=True):
    """The device is silent past its limit: kill it, and say `Lost` with the reason found."""

    device: str
    silent_s: float


class Show(Struct, frozen=True):
    """The device's state as people see it has changed."""

    device: str
    state: DeviceState
    reason: Line


class LeaseNote(Struct, frozen=True):
    """A line worth keeping."""

    text: Line
    level: Literal["info", "warning", "error"] = "warning"


Instruction = Start | Give | Keep | Drop | Close | Overdue | Show | LeaseNote
