"""What the answers to leases mean: scores that count, clips that cannot be read, scores that are no finite numbers.

The scheduler of leases asks. Under a lease that has expired, or for a batch that has its scores, nothing counts.
"""

from collections.abc import Mapping

from backends.core.messages import Line, line
from backends.inference import lease_events as ev
from backends.inference.batch_layout import Batch
from backends.inference.batch_queue import FAILURES, BatchQueue
from backends.inference.lease_devices import Lease, LeaseDevice

WRONG = 3
"""Batches that a device gives no numbers for and another does, before it is excluded."""
NOTHING_USABLE = 20
"""Clips without usable scores, and none with, before the run is given up."""

GIVES_NO_NUMBERS = line(
    "its scores are not finite numbers where another device's are: the chip may be faulty, see `npu-smi info -t health`"
)
NOT_FINITE = line(
    "its scores are not finite numbers: probably an overflow of fp16, so compile with another compile.precision_mode"
)


class LeaseAnswers:
    def __init__(self, devices: Mapping[str, LeaseDevice], queue: BatchQueue) -> None:
        self._devices, self._queue = devices, queue
        self.late = 0
        """Answers that came under an expired lease."""
        self._unusable_clips = 0
        self._is_usable = False

    @property
    def are_all_unusable(self) -> bool:
        return self._unusable_clips >= NOTHING_USABLE and not self._is_usable

    def handle(self, device: LeaseDevice, event: ev.Answered | ev.Refused | ev.Unusable) -> tuple[ev.Instruction, ...]:
        lease = device.end(event.lease, event.at)
        if isinstance(event, ev.Answered):
            return self._answered(device, event, lease)
        if lease is None or self._queue.leaves_copy(lease.batch):
            return ()
        if isinstance(event, ev.Refused):
            return self._one_by_one(lease.batch, event.reason)
        return self._unusable(device, lease.batch)

    def _answered(self, device: LeaseDevice, event: ev.Answered, lease: Lease | None) -> tuple[ev.Instruction, ...]:
        if lease is None:
            self.late += 1
            return ()
        if self._queue.has_scores(lease.batch):
            self.late += 1
            return device.show("working")
        device.meter.add(event.at, len(lease.batch.clips), event.seconds)
        device.drift.add(event.seconds)
        self._is_usable = True
        wrong = [name for name, reason in self._queue.settle(lease.batch) if reason is NOT_FINITE]
        excluded = (step for name in wrong for step in self._count_wrong(self._devices[name]))
        return (ev.Keep(device.id, lease.batch), *device.show("working"), *excluded)

    def _count_wrong(self, device: LeaseDevice) -> tuple[ev.Instruction, ...]:
        """Another has just given numbers where it gave none."""
        device.wrong += 1
        if device.wrong < WRONG or not device.is_alive:
            return ()
        self._queue.give_back(device.id, device.take_flight(), None)
        device.state, device.policy, device.reason = "retired", "never", GIVES_NO_NUMBERS
        text = line("{device} is out of the run: {reason}", device=device.id, reason=device.reason)
        return (ev.Close(device.id), *device.show("retired", device.reason), ev.LeaseNote(text))

    def _one_by_one(self, batch: Batch, reason: Line) -> tuple[ev.Instruction, ...]:
        """One clip that fails alone does not count."""
        if len(batch.clips) == 1:
            return (ev.Drop(batch.clips[0], reason),)
        self._queue.split(batch)
        return ()

    def _unusable(self, device: LeaseDevice, batch: Batch) -> tuple[ev.Instruction, ...]:
        """Scores that are no numbers: another device tries the batch, then its clips are tried one by one."""
        failures = self._queue.add_failure(batch, device.id, NOT_FINITE)
        tried = {name for name, _ in failures}
        if len(failures) >= FAILURES or all(d.id in tried or not d.is_alive for d in self._devices.values()):
            self._unusable_clips += len(batch.clips) == 1
            return self._one_by_one(batch, NOT_FINITE)
        self._queue.retry(batch)
        return ()
