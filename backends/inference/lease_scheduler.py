"""Who computes what: a state machine that hands batches to devices and takes them back. No process, no clock.

Events go in (`handle`), instructions come out; times are passed in, in seconds. The states of a device:

    starting   its process was requested            → loading, retired
    loading    the process is there, the model not  → ready, retired
    ready      it computes, or would                → leaving, retired
    leaving    excluded, but batches are in flight  → out, retired
    out        excluded, or never chosen            → starting
    retired    lost, with its reason                → starting

A device whose fault is worth it goes back to starting at once, one time; one that was killed from outside, two times.

A batch is handed out under a lease number. What a device had in flight when it was lost goes back to the front of
the queue and to another device where there is one. A batch that failed two devices by itself is held back and named;
what the devices were lost by from outside (a kill, a stop) is not blamed on it. What is in flight at a device that
stalls is handed to an idle one too, and the first answer counts. An answer under a lease that has expired, or for a
batch that has its scores, is ignored, so no clip counts twice.

A device of our own processes has two or three leases in flight. A tool that computes a folder of files, and loads the
model for each, takes its share of all that is left at once (`tool=True`), and answers lease by lease.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping

from backends.core.events import DeviceState
from backends.core.messages import Line, line
from backends.inference import lease_events as ev
from backends.inference.batch_layout import Batch
from backends.inference.lease_devices import Held, Lease, LeaseDevice, LeaseLimits
from backends.inference.running_accuracy import Meter

DEPTH = 2
"""Batches in flight at a device: one in compute, one being read, so that it never waits for us."""
QUICK_DEPTH, QUICK_S = 3, 0.1
"""The same where a batch takes less than that: one in compute, one read, one whose order is on its way. A chip that
takes 13 ms a batch stood still for 36 % of the time with two and 25 % with three on a busy machine of two cores."""
DEATHS = 2
"""New processes at once for a device that is killed from outside; for a fault that may pass it is one."""
WRONG = 3
"""Batches that a device gives no numbers for and another does, before it is excluded."""
NOTHING_USABLE = 20
"""Clips without usable scores, and none with, before the run is given up."""
FAILURES = 2
"""Devices that a batch may fail before it is held back."""


GIVES_NO_NUMBERS = line(
    "its scores are not finite numbers where another device's are: the chip may be faulty, see `npu-smi info -t health`"
)
NOT_FINITE = line(
    "its scores are not finite numbers: probably an overflow of fp16, so compile with another compile.precision_mode"
)

_None: tuple[ev.Instruction, ...] = ()


class Leases:
    """The state machine; see the module's text. `total` is the number of batches that `fresh` gives.

    `open_ended`: `More` brings batches during the run, until the last of them.
    """

    def __init__(
        self,
        devices: Iterable[str],
        fresh: Iterator[Batch],
        total: int,
        limits: LeaseLimits | None = None,
        restarts: int = 2,
        left_out: Mapping[str, Line] | None = None,
        *,
        tool: bool = False,
        open_ended: bool = False,
    ) -> None:
        self.limits = limits or LeaseLimits()
        out = left_out or {}
        self.devices = {name: LeaseDevice(name, restarts, left_out=out.get(name, Line(""))) for name in devices}
        self.stopping = False
        self.late = 0
        """Answers that came under an expired lease."""
        self.held: list[Held] = []
        self._fresh = fresh
        self._later: deque[Batch] = deque()
        """What `More` brought."""
        self._left = total
        self._returned: deque[Batch] = deque()
        self._failures: dict[int, tuple[tuple[str, Line], ...]] = {}
        self._numbers = iter(range(1, 1 << 62))
        self.starved_s = 0.0
        """Seconds in which a device was ready and `More` had brought nothing: no device had a batch."""
        self._starved_at: float | None = None
        self._open_ended = open_ended
        self._splits = 1 << 40 if open_ended else total
        self._paused = False
        self.tool = tool
        """The devices take their share at once, see above."""
        self._copied: dict[int, bool] = {}
        """Batches in flight at two devices, by their id: whether one has answered."""
        self._unusable_clips = 0
        self._usable = False

    # what can be asked

    @property
    def finished(self) -> bool:
        """Nothing is left to hand out and nothing is waited for."""
        return not (self._left or self._open_ended or self._returned or self._in_flight)

    @property
    def quiet(self) -> bool:
        """A stop was requested and nothing is in flight any more."""
        return self.stopping and not self._in_flight

    @property
    def failure(self) -> Line | None:
        """Why the work cannot go on: no device is left and none may come back, or none gives usable scores."""
        if self._unusable_clips >= NOTHING_USABLE and not self._usable:
            return NOT_FINITE
        if self.finished or any(d.alive or d.waits for d in self.devices.values()):
            return None
        lost = self._lost_last
        return line("no device is left: {reason}", reason=lost.reason if lost else line("none was given"))

    @property
    def retired(self) -> int:
        """How many devices are lost by now."""
        return sum(d.state == "retired" for d in self.devices.values())

    @property
    def hint(self) -> Line:
        """The fix that goes with `failure`; empty where none is known."""
        return self._lost_last.hint if self._lost_last else Line("")

    @property
    def _lost_last(self) -> LeaseDevice | None:
        return next((d for d in reversed(self.devices.values()) if d.reason.template), None)

    def meter(self, device: str) -> Meter:
        """What the device has done so far, over all its processes."""
        return self.devices[device].meter

    def mean_rate(self, device: str, at: float) -> float | None:
        """Clips a second since the device's first batch, without the time in which nothing was there to compute."""
        one = self.devices[device]
        return one.meter.mean(at - (self.starved_s - one.starved_before_s))

    def is_open(self, device: str) -> bool:
        """The device has its model loaded, and is not known to hang."""
        return self.devices[device].state in ("ready", "leaving") and not self.devices[device].is_stalled

    @property
    def _in_flight(self) -> bool:
        leases = (lease for device in self.devices.values() for lease in device.flight)
        return any(not self._copied.get(lease.batch.id) for lease in leases)

    # what happens

    def begin(self, at: float) -> tuple[ev.Instruction, ...]:
        """The instructions to begin with: every device is started but those left out."""
        return tuple(step for device in self.devices.values() for step in self._begin(device, at))

    def _begin(self, device: LeaseDevice, at: float) -> tuple[ev.Instruction, ...]:
        out = device.left_out
        return self._show(device, "out", out) if out.template else self._start(device, at)

    def handle(self, event: ev.Happening) -> tuple[ev.Instruction, ...]:
        """What to do now that `event` has happened."""
        if isinstance(event, ev.More | ev.Stopping):
            return self._handle(event)
        if self._starved_at is not None:
            self.starved_s += event.at - self._starved_at
        steps = self._handle(event)
        self._starved_at = event.at if self._is_starved else None
        return steps

    @property
    def _is_starved(self) -> bool:
        is_idle = self._open_ended and not (self._left or self._returned or self._in_flight)
        return is_idle and any(device.state == "ready" for device in self.devices.values())

    def _handle(self, event: ev.Happening) -> tuple[ev.Instruction, ...]:
        if isinstance(event, ev.Tick):
            steps = [step for device in self.devices.values() for step in self._overdue(device, event.at)]
            return (*steps, *self._settle(event.at))
        if isinstance(event, ev.More):
            self._later.extend(event.batches)
            self._left += len(event.batches)
            self._open_ended = not event.is_last
            return _None  # handed out with the next event, at the latest the next tick
        if isinstance(event, ev.Stopping):
            self.stopping = True
            # a tool's share may take long: what it has done counts, the rest it gives back
            return tuple(ev.Close(one.id) for one in self.devices.values() if self.tool and one.flight)
        device = self.devices.get(event.device)
        if device is None:
            return (ev.LeaseNote(line("there is no device {device} in this run", device=event.device)),)
        return (*self._one(device, event), *self._settle(event.at))

    def _one(self, device: LeaseDevice, event: ev.Happening) -> tuple[ev.Instruction, ...]:
        if isinstance(event, ev.Started) and device.state == "starting":
            device.state, device.since = "loading", event.at
            return self._show(device, "loading")
        if isinstance(event, ev.Opened) and device.state == "loading":
            device.state, device.since, device.warm_s = "ready", event.at, event.latency_s
            return self._show(device, "ready")
        if isinstance(event, ev.Answered):
            return self._answered(device, event)
        if isinstance(event, ev.Refused):
            return self._refused(device, event)
        if isinstance(event, ev.Unusable):
            return self._unusable(device, event)
        if isinstance(event, ev.Lost) and device.alive:
            return self._lost(device, event)
        if isinstance(event, ev.Alive) and device.state in ("ready", "leaving"):
            return self._at_work(device, event)
        if isinstance(event, ev.Closed) and device.alive:
            self._give_back(device)
            device.state = "out"
            return _None if self.stopping else self._show(device, "out", line("excluded on request"))
        if isinstance(event, ev.Take):
            return self._take(device, event)
        return _None

    def _at_work(self, device: LeaseDevice, event: ev.Alive) -> tuple[ev.Instruction, ...]:
        device.since, device.is_stalled = event.at, False
        if event.began_at is None or device.is_computing:
            return _None
        device.is_computing = True
        device.meter.begin(event.began_at)
        return self._show(device, "working")

    def _answered(self, device: LeaseDevice, event: ev.Answered) -> tuple[ev.Instruction, ...]:
        lease = self._end(device, event.lease, event.at)
        if lease is None:
            self.late += 1
            return _None
        if self._copied.get(lease.batch.id):
            self.late += 1
            return self._show(device, "working")
        if lease.batch.id in self._copied:
            self._copied[lease.batch.id] = True
        device.meter.add(event.at, len(lease.batch.clips), event.seconds)
        device.drift.add(event.seconds)
        self._usable = True
        failed = self._failures.pop(lease.batch.id, ())
        wrong = [name for name, reason in failed if reason is NOT_FINITE]
        excluded = (step for name in wrong for step in self._count_wrong(self.devices[name]))
        return (ev.Keep(device.id, lease.batch), *self._show(device, "working"), *excluded)

    def _count_wrong(self, device: LeaseDevice) -> tuple[ev.Instruction, ...]:
        """Another has just given numbers where it gave none."""
        device.wrong += 1
        if device.wrong < WRONG or not device.alive:
            return _None
        self._give_back(device)
        device.state, device.policy, device.reason = "retired", "never", GIVES_NO_NUMBERS
        text = line("{device} is out of the run: {reason}", device=device.id, reason=device.reason)
        return (ev.Close(device.id), *self._show(device, "retired", device.reason), ev.LeaseNote(text))

    def _refused(self, device: LeaseDevice, event: ev.Refused) -> tuple[ev.Instruction, ...]:
        """Clips of a batch that cannot be read are tried one by one; one that fails alone does not count."""
        lease = self._end(device, event.lease, event.at)
        if lease is None or self._is_taken_care_of(lease.batch):
            return _None
        return self._one_by_one(lease.batch, event.reason)

    def _one_by_one(self, batch: Batch, reason: Line) -> tuple[ev.Instruction, ...]:
        if len(batch.clips) == 1:
            return (ev.Drop(batch.clips[0], reason),)
        for clip in reversed(batch.clips):
            self._splits += 1
            self._returned.appendleft(Batch(self._splits, (clip,)))
        return _None

    def _unusable(self, device: LeaseDevice, event: ev.Unusable) -> tuple[ev.Instruction, ...]:
        """Scores that are no numbers: another device tries the batch, then its clips are tried one by one."""
        lease = self._end(device, event.lease, event.at)
        if lease is None or self._is_taken_care_of(lease.batch):
            return _None
        batch = lease.batch
        failures = (*self._failures.pop(batch.id, ()), (device.id, NOT_FINITE))
        tried = {name for name, _ in failures}
        if len(failures) >= FAILURES or all(d.id in tried or not d.alive for d in self.devices.values()):
            self._unusable_clips += len(batch.clips) == 1
            return self._one_by_one(batch, NOT_FINITE)
        self._failures[batch.id] = failures
        self._returned.appendleft(batch)
        return _None

    def _lost(self, device: LeaseDevice, event: ev.Lost) -> tuple[ev.Instruction, ...]:
        self._give_back(device, event.reason if event.blame else None)
        device.reason, device.hint, device.policy = event.reason, event.hint, event.policy
        fix = (ev.LeaseNote(event.hint),) if event.hint.template else ()
        worth = DEATHS if event.is_killed else event.policy == "retry"
        if device.deaths < worth and device.state != "leaving" and not self.stopping:
            device.deaths += 1
            text = line("{device} failed and gets a new process: {reason}", device=device.id, reason=event.reason)
            return (ev.LeaseNote(text), *fix, *self._start(device, event.at))
        device.state = "retired"
        text = line("{device} is out of the run: {reason}", device=device.id, reason=event.reason)
        return (*self._show(device, "retired", event.reason), ev.LeaseNote(text), *fix)

    def _give_back(self, device: LeaseDevice, blamed_for: Line | None = None) -> None:
        """What the device had in flight goes back to the front of the queue; the first of it may be to blame."""
        flight = [lease.batch for lease in device.flight]
        device.flight.clear()
        back = [batch for batch in flight if not self._is_taken_care_of(batch)]
        if back and back[0] is flight[0] and blamed_for is not None:
            failures = (*self._failures.get(back[0].id, ()), (device.id, blamed_for))
            self._failures[back[0].id] = failures
            if len(failures) >= FAILURES:
                self.held.append(Held(back.pop(0), failures))
        self._returned.extendleft(reversed(back))

    def _is_taken_care_of(self, batch: Batch) -> bool:
        """Of a batch that was at two devices: it has its scores, or the other device still has it."""
        if batch.id not in self._copied:
            return False
        if self._copied[batch.id]:
            return True
        del self._copied[batch.id]  # the other device has it alone now
        return True

    def _take(self, device: LeaseDevice, event: ev.Take) -> tuple[ev.Instruction, ...]:
        if event.into == "in":
            if device.state == "leaving":
                device.state, device.shown = "ready", "working"
                return (ev.Show(device.id, "working", Line("")),)
            return () if device.alive else self._start(device, event.at)
        if device.flight and self.tool:
            device.state = "leaving"
            return (ev.Close(device.id),)
        if device.state in ("ready", "leaving") and device.flight:
            device.state, device.shown = "leaving", "working"
            text = line("is being excluded: {n} batches in work end first", n=len(device.flight))
            return (ev.Show(device.id, "working", text),)
        return self._leave(device) if device.alive else _None

    def _leave(self, device: LeaseDevice) -> tuple[ev.Instruction, ...]:
        device.state = "out"
        return (ev.Close(device.id), *self._show(device, "out", line("excluded on request")))

    def _settle(self, at: float) -> tuple[ev.Instruction, ...]:
        """Let leavers go, bring devices back where none is left, hand out what waits."""
        steps: list[ev.Instruction] = []
        for device in self.devices.values():
            if device.state == "leaving" and not device.flight:
                steps += self._leave(device)
        if not self.finished and not self.stopping:
            steps += self._bring_back(at)
        for device in self.devices.values() if self.tool else ():
            steps += self._share_out(device, at)
        for depth in range(1, 1 if self.tool else QUICK_DEPTH + 1):
            for device in self.devices.values():
                steps += self._hand_out(device, depth, at)
        steps += self._hand_copies(at)
        for device in self.devices.values():
            if device.state == "ready" and not device.flight and device.shown == "working":
                steps += self._show(device, "idle")
        return tuple(steps)

    def _bring_back(self, at: float) -> tuple[ev.Instruction, ...]:
        steps: list[ev.Instruction] = []
        if any(d.alive for d in self.devices.values()):
            self._paused = False
            return _None
        for device in self.devices.values():
            if device.state == "retired" and device.policy != "never" and device.restarts > 0:
                device.restarts -= 1
                steps.append(ev.LeaseNote(line("no device was left: {device} is started again", device=device.id)))
                steps += self._start(device, at)
        if not steps and not self._paused and any(d.waits for d in self.devices.values()):
            self._paused = True
            steps.append(ev.LeaseNote(line("no device is at work: include one to go on")))
        return tuple(steps)

    def _start(self, device: LeaseDevice, at: float) -> tuple[ev.Instruction, ...]:
        device.state, device.since, device.left_out = "starting", at, Line("")
        device.is_computing = device.is_stalled = False
        return (ev.Start(device.id), *self._show(device, "loading"))

    def _hand_out(self, device: LeaseDevice, depth: int, at: float) -> tuple[ev.Instruction, ...]:
        if self.stopping or device.state != "ready" or len(device.flight) >= depth:
            return _None
        if depth > DEPTH and (device.meter.latency_s or QUICK_S) >= QUICK_S:
            return _None
        takers = sum(d.alive and d.state != "leaving" for d in self.devices.values())
        if depth > 1 and not self._open_ended and self._left + len(self._returned) < takers:
            return _None  # the last batches one by one: a slow device must not sit on what others could do
        batch = self._next(device)
        if batch is None:
            return _None
        if device.meter.begin(at):
            device.starved_before_s = self.starved_s
        return (self._lease(device, batch, at), *self._show(device, "working"))

    def _lease(self, device: LeaseDevice, batch: Batch, at: float) -> ev.Give:
        if not device.flight:
            device.since = at
        lease = Lease(next(self._numbers), batch)
        device.flight.append(lease)
        return ev.Give(device.id, lease.number, batch)

    def _share_out(self, device: LeaseDevice, at: float) -> tuple[ev.Instruction, ...]:
        """A tool's share: of all that is left as much as each of the idle devices would get."""
        if self.stopping or device.state != "ready" or device.flight:
            return _None
        idle = sum(d.alive and d.state != "leaving" and not d.flight for d in self.devices.values())
        wanted = -(-(self._left + len(self._returned)) // idle)
        given: list[ev.Instruction] = []
        while len(given) < wanted and (batch := self._next(device)) is not None:
            given.append(self._lease(device, batch, at))
        device.is_computing = False
        return (*given, *self._show(device, "loading", line("{n} batches", n=len(given)))) if given else _None

    def _hand_copies(self, at: float) -> list[ev.Instruction]:
        """What is in flight at stalled devices, to idle ones that have nothing else to do."""
        if self.stopping or self._left or self._returned:
            return []
        steps: list[ev.Instruction] = []
        idle = [d for d in self.devices.values() if d.state == "ready" and not d.flight]
        stalled = [d for d in self.devices.values() if d.is_stalled and d.state in ("ready", "leaving")]
        waiting = [lease.batch for d in stalled for lease in d.flight if lease.batch.id not in self._copied]
        for place, device in enumerate(idle):
            for batch in waiting[place :: len(idle)][: None if self.tool else DEPTH]:  # the rest once it is idle again
                self._copied[batch.id] = False
                steps.append(self._lease(device, batch, at))
            if device.flight:
                steps += self._show(device, "loading" if self.tool else "working")
        return steps

    def _next(self, device: LeaseDevice) -> Batch | None:
        others = any(d.alive and d is not device and d.state != "leaving" for d in self.devices.values())
        for batch in self._returned:
            if not (others and device.id in (name for name, _ in self._failures.get(batch.id, ()))):
                self._returned.remove(batch)
                return batch
        if self._left:
            self._left -= 1
            return next(self._fresh, None) or self._later.popleft()
        return None

    def _end(self, device: LeaseDevice, number: int, at: float) -> Lease | None:
        for lease in device.flight:
            if lease.number == number:
                device.flight.remove(lease)
                device.since, device.is_stalled = at, False
                return lease
        return None

    # time

    def _overdue(self, device: LeaseDevice, at: float) -> tuple[ev.Instruction, ...]:
        limit = device.limit(self.limits, is_tool=self.tool)
        silent = at - device.since
        if limit is None:
            return _None
        if silent > limit:
            return (ev.Overdue(device.id, silent),)
        if device.flight and silent > max(2.0, limit / 4):
            device.is_stalled = True
            reason = line("no answer for {seconds:.0f} s", seconds=silent)
            return self._show(device, "stalled", reason)
        return _None

    def _show(self, device: LeaseDevice, state: DeviceState, reason: Line | None = None) -> tuple[ev.Instruction, ...]:
        if device.shown == state:
            return _None
        device.shown = state
        return (ev.Show(device.id, state, reason or Line("")),)
