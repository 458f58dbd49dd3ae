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

from collections.abc import Iterable, Iterator, Mapping

from backends.core.messages import Line, line
from backends.inference import lease_events as ev
from backends.inference.batch_layout import Batch
from backends.inference.batch_queue import BatchQueue, Held
from backends.inference.lease_answers import NOT_FINITE, LeaseAnswers
from backends.inference.lease_assignment import Assigner
from backends.inference.lease_devices import LeaseDevice, LeaseLimits
from backends.inference.running_accuracy import Meter

DEATHS = 2
"""New processes at once for a device that is killed from outside; for a fault that may pass it is one."""


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
        self.tool = tool
        """The devices take their share at once, see above."""
        self._queue = BatchQueue(fresh, total, is_open_ended=open_ended)
        self._answers = LeaseAnswers(self.devices, self._queue)
        self._assigner = Assigner(self.devices, self._queue, is_tool=tool)
        self.starved_s = 0.0
        """Seconds in which a device was ready and `More` had brought nothing: no device had a batch."""
        self._starved_at: float | None = None
        self._is_paused = False

    # what can be asked

    @property
    def finished(self) -> bool:
        """Nothing is left to hand out and nothing is waited for."""
        return not (self._queue or self._queue.is_open_ended or self._in_flight)

    @property
    def held(self) -> list[Held]:
        """Batches that failed every device they were given to."""
        return self._queue.held

    @property
    def late(self) -> int:
        """Answers that came under an expired lease."""
        return self._answers.late

    @property
    def quiet(self) -> bool:
        """A stop was requested and nothing is in flight any more."""
        return self.stopping and not self._in_flight

    @property
    def failure(self) -> Line | None:
        """Why the work cannot go on: no device is left and none may come back, or none gives usable scores."""
        if self._answers.are_all_unusable:
            return NOT_FINITE
        if self.finished or any(d.is_alive or d.is_waiting for d in self.devices.values()):
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
        return self.devices[device].is_open and not self.devices[device].is_stalled

    @property
    def _in_flight(self) -> bool:
        leases = (lease for device in self.devices.values() for lease in device.flight)
        return any(not self._queue.has_scores(lease.batch) for lease in leases)

    # what happens

    def begin(self, at: float) -> tuple[ev.Instruction, ...]:
        """The instructions to begin with: every device is started but those left out."""
        return tuple(step for device in self.devices.values() for step in self._begin(device, at))

    def _begin(self, device: LeaseDevice, at: float) -> tuple[ev.Instruction, ...]:
        out = device.left_out
        return device.show("out", out) if out.template else self._start(device, at)

    def handle(self, event: ev.Happening) -> tuple[ev.Instruction, ...]:
        if isinstance(event, ev.More | ev.Stopping):
            return self._handle(event)
        if self._starved_at is not None:
            self.starved_s += event.at - self._starved_at
        steps = self._handle(event)
        self._starved_at = event.at if self._is_starved else None
        return steps

    @property
    def _is_starved(self) -> bool:
        is_idle = self._queue.is_open_ended and not (self._queue or self._in_flight)
        return is_idle and any(device.state == "ready" for device in self.devices.values())

    def _handle(self, event: ev.Happening) -> tuple[ev.Instruction, ...]:
        if isinstance(event, ev.Tick):
            steps = [step for device in self.devices.values() for step in self._overdue(device, event.at)]
            return (*steps, *self._settle(event.at))
        if isinstance(event, ev.More):
            self._queue.extend(event.batches, is_last=event.is_last)
            return ()  # handed out with the next event, at the latest the next tick
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
            return device.show("loading")
        if isinstance(event, ev.Opened) and device.state == "loading":
            device.state, device.since, device.warm_s = "ready", event.at, event.latency_s
            return device.show("ready")
        if isinstance(event, ev.Answered | ev.Refused | ev.Unusable):
            return self._answers.handle(device, event)
        if isinstance(event, ev.Lost) and device.is_alive:
            return self._lost(device, event)
        if isinstance(event, ev.Alive) and device.is_open:
            return self._at_work(device, event)
        if isinstance(event, ev.Closed) and device.is_alive:
            self._queue.give_back(device.id, device.take_flight(), None)
            device.state = "out"
            return () if self.stopping else device.show("out", line("excluded on request"))
        if isinstance(event, ev.Take):
            return self._take(device, event)
        return ()

    def _at_work(self, device: LeaseDevice, event: ev.Alive) -> tuple[ev.Instruction, ...]:
        device.since, device.is_stalled = event.at, False
        if event.began_at is None or device.is_computing:
            return ()
        device.is_computing = True
        device.meter.begin(event.began_at)
        return device.show("working")

    def _lost(self, device: LeaseDevice, event: ev.Lost) -> tuple[ev.Instruction, ...]:
        self._queue.give_back(device.id, device.take_flight(), event.reason if event.blame else None)
        device.reason, device.hint, device.policy = event.reason, event.hint, event.policy
        fix = (ev.LeaseNote(event.hint),) if event.hint.template else ()
        worth = DEATHS if event.is_killed else event.policy == "retry"
        if device.deaths < worth and device.state != "leaving" and not self.stopping:
            device.deaths += 1
            text = line("{device} failed and gets a new process: {reason}", device=device.id, reason=event.reason)
            return (ev.LeaseNote(text), *fix, *self._start(device, event.at))
        device.state = "retired"
        text = line("{device} is out of the run: {reason}", device=device.id, reason=event.reason)
        return (*device.show("retired", event.reason), ev.LeaseNote(text), *fix)

    def _take(self, device: LeaseDevice, event: ev.Take) -> tuple[ev.Instruction, ...]:
        if event.into == "in":
            if device.state == "leaving":
                device.state, device.shown = "ready", "working"
                return (ev.Show(device.id, "working", Line("")),)
            return () if device.is_alive else self._start(device, event.at)
        if device.flight and self.tool:
            device.state = "leaving"
            return (ev.Close(device.id),)
        if device.state in ("ready", "leaving") and device.flight:
            device.state, device.shown = "leaving", "working"
            text = line("is being excluded: {n} batches in work end first", n=len(device.flight))
            return (ev.Show(device.id, "working", text),)
        return self._leave(device) if device.is_alive else ()

    def _leave(self, device: LeaseDevice) -> tuple[ev.Instruction, ...]:
        device.state = "out"
        return (ev.Close(device.id), *device.show("out", line("excluded on request")))

    def _settle(self, at: float) -> tuple[ev.Instruction, ...]:
        """Let leavers go, bring devices back where none is left, hand out what waits."""
        steps: list[ev.Instruction] = []
        for device in self.devices.values():
            if device.state == "leaving" and not device.flight:
                steps += self._leave(device)
        if not self.finished and not self.stopping:
            steps += self._bring_back(at)
        if not self.stopping:
            steps += self._assigner.assign(at, self.starved_s)
        for device in self.devices.values():
            if device.state == "ready" and not device.flight and device.shown == "working":
                steps += device.show("idle")
        return tuple(steps)

    def _bring_back(self, at: float) -> tuple[ev.Instruction, ...]:
        steps: list[ev.Instruction] = []
        if any(d.is_alive for d in self.devices.values()):
            self._is_paused = False
            return ()
        for device in self.devices.values():
            if device.state == "retired" and device.policy != "never" and device.restarts > 0:
                device.restarts -= 1
                steps.append(ev.LeaseNote(line("no device was left: {device} is started again", device=device.id)))
                steps += self._start(device, at)
        if not steps and not self._is_paused and any(d.is_waiting for d in self.devices.values()):
            self._is_paused = True
            steps.append(ev.LeaseNote(line("no device is at work: include one to go on")))
        return tuple(steps)

    def _start(self, device: LeaseDevice, at: float) -> tuple[ev.Instruction, ...]:
        device.state, device.since, device.left_out = "starting", at, Line("")
        device.is_computing = device.is_stalled = False
        return (ev.Start(device.id), *device.show("loading"))

    # time

    def _overdue(self, device: LeaseDevice, at: float) -> tuple[ev.Instruction, ...]:
        limit = device.limit(self.limits, is_tool=self.tool)
        silent = at - device.since
        if limit is None:
            return ()
        if silent > limit:
            return (ev.Overdue(device.id, silent),)
        if device.flight and silent > max(2.0, limit / 4):
            device.is_stalled = True
            reason = line("no answer for {seconds:.0f} s", seconds=silent)
            return device.show("stalled", reason)
        return ()
