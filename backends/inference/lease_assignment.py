"""Which device gets which batches of those that wait: the scheduler of leases asks after everything that happens."""

from collections.abc import Mapping
from itertools import count

from backends.core.messages import line
from backends.inference import lease_events as ev
from backends.inference.batch_layout import Batch
from backends.inference.batch_queue import BatchQueue
from backends.inference.lease_devices import Lease, LeaseDevice

DEPTH = 2
"""Batches in flight at a device: one in compute, one being read, so that it never waits for us."""
QUICK_DEPTH, QUICK_S = 3, 0.1
"""The same where a batch takes less than that: one in compute, one read, one whose order is on its way. A chip that
takes 13 ms a batch stood still for 36 % of the time with two and 25 % with three on a busy machine of two cores."""


class Assigner:
    """Numbers the leases. `is_tool`: the devices take their share of all that is left at once."""

    def __init__(self, devices: Mapping[str, LeaseDevice], queue: BatchQueue, *, is_tool: bool) -> None:
        self._devices, self._queue, self._is_tool = devices, queue, is_tool
        self._numbers = count(1)

    def assign(self, at: float, starved_s: float) -> list[ev.Instruction]:
        """Leases for the devices that have room; `starved_s` as of `Leases`."""
        steps: list[ev.Instruction] = []
        if self._is_tool:
            for device in self._devices.values():
                steps += self._share_out(device, at)
        else:
            for depth in range(1, QUICK_DEPTH + 1):
                for device in self._devices.values():
                    steps += self._hand_out(device, depth, at, starved_s)
        return steps + self._hand_copies(at)

    def _hand_out(self, device: LeaseDevice, depth: int, at: float, starved_s: float) -> tuple[ev.Instruction, ...]:
        if device.state != "ready" or len(device.flight) >= depth:
            return ()
        if depth > DEPTH and (device.meter.latency_s or QUICK_S) >= QUICK_S:
            return ()
        if depth > 1 and not self._queue.is_open_ended and len(self._queue) < sum(map(_takes, self._devices.values())):
            return ()  # the last batches one by one: a slow device must not sit on what others could do
        batch = self._next(device)
        if batch is None:
            return ()
        if device.meter.begin(at):
            device.starved_before_s = starved_s
        return (self._lease(device, batch, at), *device.show("working"))

    def _share_out(self, device: LeaseDevice, at: float) -> tuple[ev.Instruction, ...]:
        """A tool's share: of all that is left as much as each of the idle devices would get."""
        if device.state != "ready" or device.flight:
            return ()
        idle = sum(_takes(one) and not one.flight for one in self._devices.values())
        wanted = -(-len(self._queue) // idle)
        given: list[ev.Instruction] = []
        while len(given) < wanted and (batch := self._next(device)) is not None:
            given.append(self._lease(device, batch, at))
        device.is_computing = False
        return (*given, *device.show("loading", line("{n} batches", n=len(given)))) if given else ()

    def _hand_copies(self, at: float) -> list[ev.Instruction]:
        """What is in flight at stalled devices, to idle ones that have nothing else to do."""
        if self._queue:
            return []
        steps: list[ev.Instruction] = []
        idle = [d for d in self._devices.values() if d.state == "ready" and not d.flight]
        stalled = [d for d in self._devices.values() if d.is_stalled and d.is_open]
        waiting = [lease.batch for d in stalled for lease in d.flight if not self._queue.is_copied(lease.batch)]
        for place, device in enumerate(idle):
            for batch in waiting[place :: len(idle)][: None if self._is_tool else DEPTH]:  # the rest once it is idle
                self._queue.copy(batch)
                steps.append(self._lease(device, batch, at))
            if device.flight:
                steps += device.show("loading" if self._is_tool else "working")
        return steps

    def _next(self, device: LeaseDevice) -> Batch | None:
        has_others = any(_takes(one) and one is not device for one in self._devices.values())
        return self._queue.next(device.id, has_others=has_others)

    def _lease(self, device: LeaseDevice, batch: Batch, at: float) -> ev.Give:
        if not device.flight:
            device.since = at
        lease = Lease(next(self._numbers), batch)
        device.flight.append(lease)
        return ev.Give(device.id, lease.number, batch)


def _takes(device: LeaseDevice) -> bool:
    return device.is_alive and device.state != "leaving"
