"""The hands of an inference run: processes, pipes and the file of rows, moved by what `leases` decides.

    until the leases are finished, stopped or at a dead end:
        wait for answers, a command or the next twentieth of a second
        report to the leases what happened; do what they instruct
        sync what is due; report what counts
    close the devices, in every case

It knows no runtimes, clips and layouts.
"""

from __future__ import annotations

import selectors
import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from backends.ascend import plog
from backends.core.device_samples import read_history
from backends.core.events import DeviceProgress
from backends.core.messages import (
    N_,
    InputError,
    Line,
    NeedError,
    R3dError,
    Scalar,
    StageError,
    Stopped,
    line,
    os_reason,
)
from backends.device.model_runtime import DeviceSpec
from backends.device.protocol import Answer, Order
from backends.inference import lease_events as ev
from backends.inference.device_link import DeviceLink, as_line, close_all
from backends.inference.lease_scheduler import Leases
from backends.inference.running_accuracy import Meter
from backends.monitor.drift import figures as drift_figures
from backends.monitor.energy import EnergyMeter
from backends.worker.job import Job

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TURN_S = 0.05
"""How long a turn waits where nothing comes."""
REPORT_S = 0.5
CLOSE_S = 10.0
"""How long devices may take to close at the end; a chip's runtime needs about two seconds."""
TOOL_CLOSE_S = 60.0
"""The same for tools, which write what they measured then."""
FAIL_S = 4.0
"""The same where the run has failed: what has its model open releases it."""
LOOK_S = 0.5
"""How often silences are looked at."""


class Work(Struct, frozen=True):
    """What one attempt did. Seconds are on a monotonic clock."""

    version: str | None
    """Of the runtime; None where no device was opened."""
    devices: int
    """How many computed at least one batch."""
    batches: int
    clips: int
    load_s: float | None
    """Until the first device was ready."""
    seconds: float | None
    """From then until the last row was durable."""
    compute_s: float
    """All devices together."""
    retired: int = 0
    """Devices that were lost on the way."""
    waited_s: float | None = None
    """How long all devices waited for a store that was still being written: not in `seconds`. None: it was whole."""

    @property
    def clips_per_s(self) -> float | None:
        return self.clips / self.seconds if self.seconds else None

    @classmethod
    def nothing(cls) -> Work:
        """An attempt that found everything done."""
        return cls(None, 0, 0, 0, None, None, 0.0)


class RowSink(Protocol):
    """Where the scores go: a `Ledger`, or what a server of a cluster sends to the head."""

    durable: Counter[str]
    """Clips that count, by device."""

    @property
    def clips(self) -> int: ...
    @property
    def behind(self) -> bool: ...
    def catch_up(self, seconds: float) -> None: ...
    def has(self, number: int) -> bool: ...
    def open(self, classes: int) -> None: ...
    def keep(self, device: str, clips: tuple[int, ...], logits: NDArray[np.float32]) -> None: ...
    def turn(self, now: float) -> None: ...
    def flush(self) -> None: ...
    def so_far(self) -> Mapping[str, Scalar]: ...


class Pool:
    """One run of `leases` over real processes. `spawn` makes a device's link, on this thread."""

    def __init__(
        self,
        job: Job,
        devices: Sequence[DeviceSpec],
        spawn: Callable[[DeviceSpec], DeviceLink],
        leases: Leases,
        ledger: RowSink,
        tool_ms: Mapping[str, Sequence[float]] | None = None,
        repeats: range = range(0),
        source: Callable[[], ev.More | None] | None = None,
        checksums: Callable[[Sequence[int]], tuple[int, ...]] | None = None,
    ) -> None:
        """`tool_ms`: by device, how long each batch computed, where a tool and not our clock says so.

        `repeats`: batches of these numbers repeat clips whose scores are known; they count for the speed alone.
        `source`: asked for more batches in every turn, for leases without a known end. `checksums`: of clips of a store
        that is still being written.
        """
        self._source, self._checksums = source, checksums
        self._repeated = repeats
        self._repeats = dict.fromkeys((spec.id for spec in devices), 0)
        self._tool_ms = tool_ms
        self._job = job
        self._specs = {spec.id: spec for spec in devices}
        self._spawn = spawn
        self._leases = leases
        self._ledger = ledger
        self._links: dict[str, DeviceLink] = {}
        self._closing: list[DeviceLink] = []
        self._selector = selectors.DefaultSelector()
        self._body: tuple[Answer, bytes] | None = None
        self._all = Meter()
        self._energy = EnergyMeter(job.samples, devices)
        self._begun = self._clock = time.monotonic()
        self._wall = time.time()
        self._real = self._clock
        self._ready_at: float | None = None
        self._reported = self._looked = float("-inf")
        self.version: str | None = None
        """Of the runtime; None until a device has opened."""
        self._batches = 0
        self.dropped: dict[int, Line] = {}
        """Clips that could not be read, and why."""
        self.energy: dict[str, Scalar] = {}
        """The figures of energy at the last report."""

    def run(self, total: int | None) -> Work:
        """Work until every clip of `total` counts or was dropped; None: of what the source gives.

        Raises Stopped on request, InputError or NeedError where no device can ever do it, StageError where no device
        is left or a batch failed every device it was given to. What was durable by then stays.
        """
        try:
            for spec in self._specs.values():
                self._job.device(spec.id, "found", name=_name(spec))
            self._do(self._leases.begin(self._clock))
            while not self._leases.finished:
                self._turn(total)
                if self._leases.quiet:
                    self._close(CLOSE_S)
                    raise Stopped
                if reason := self._leases.failure:
                    hint = self._leases.hint.template or N_("see the stage's log")
                    raise StageError(reason.template, hint=hint, **{**self._leases.hint.facts, **reason.facts})
            self._ledger.flush()
            ended = time.monotonic()
            if self._leases.tool:
                self._close(TOOL_CLOSE_S)
            self._report(total, last=True)
            self._close(CLOSE_S)
            self._check_held()
        finally:
            self._ledger_flush_quietly()
            self._close(FAIL_S)
            self._selector.close()
        return self._work(ended)

    # one turn

    def _turn(self, total: int | None) -> None:
        ready = self._selector.select(TURN_S) if not self._ledger.behind else self._hold()
        now = self._advance()
        for key, _ in ready:
            self._read(key.data)
        for device in [name for name, link in self._links.items() if link.fileno() < 0]:
            self._read(device)
        for link in self._links.values():
            link.flush()
        self._obey()
        if self._source is not None and (more := self._source()) is not None:
            self._tell(more)
            self._tell(ev.Tick(now))
        if now - self._looked >= LOOK_S:
            self._looked = now
            self._tell(ev.Tick(now))
        self._ledger.turn(now)
        if now - self._reported >= REPORT_S:
            self._reported = now
            self._report(total)
        self._closing = [link for link in self._closing if not self._let_go(link)]

    def _hold(self) -> list[tuple[selectors.SelectorKey, int]]:
        """Read no answers while too much waits for the disk; that time makes no device overdue."""
        self._ledger.catch_up(TURN_S)
        self._real = time.monotonic()
        return []

    def _advance(self) -> float:
        """Our clock: a turn counts for a second at most, so that a suspended machine makes no device overdue."""
        now = time.monotonic()
        self._clock += min(now - self._real, 1.0)
        self._real = now
        return self._clock

    def _read(self, device: str) -> None:
        link = self._links.get(device)
        if link is None:
            return
        answers, ended = link.answers()
        for answer, body in answers:
            self._answer(link, answer, body)
        if ended and self._links.get(device) is link:
            self._forget(device)
            self._lost(link, link.ended())

    def _lost(self, link: DeviceLink, why: Answer) -> None:
        device, reason, hint = link.device, as_line(why.reason), as_line(why.hint)
        for row in plog.first_errors(link.plog) if link.plog is not None else ():
            self._job.note(line("plog: {row}", row=row), "error")
        self._tell(ev.Lost(device, self._clock, reason, why.blame, why.policy, why.is_killed, hint))

    def _answer(self, link: DeviceLink, answer: Answer, body: bytes) -> None:
        device, now = link.device, self._clock
        if answer.kind == "started":
            self._tell(ev.Started(device, now))
        elif answer.kind == "ready":
            if answer.classes:  # a tool learns them from its first output
                self._ledger.open(answer.classes)
            self.version = answer.version
            if self._ready_at is None and not self._leases.tool:
                self._ready_at = time.monotonic()
            self._tell(ev.Opened(device, now, answer.seconds))
        elif answer.kind == "alive":
            self._at_work(device, answer.seconds)
        elif answer.kind == "scores":
            self._ledger.open(answer.classes)
            self._body = (answer, body)
            self._tell(ev.Answered(device, answer.lease, now, answer.seconds))
            self._body = None
        elif answer.kind == "unusable":
            self._tell(ev.Unusable(device, answer.lease, now))
        elif answer.kind == "refused":
            self._tell(ev.Refused(device, answer.lease, now, as_line(answer.reason)))
        elif answer.kind == "failed" and answer.exit_code in (2, 3):
            raise _hopeless(answer)

    def _at_work(self, device: str, seconds: float) -> None:
        """A tool has begun to compute so many seconds ago: our clock starts with the first of its batches."""
        began = self._clock - seconds if seconds else None
        if began is not None:
            self._ready_at = self._ready_at or time.monotonic() - seconds
            self._all.begin(began)
        self._tell(ev.Alive(device, self._clock, began))

    def _obey(self) -> None:
        if self._job.stopping and not self._leases.stopping:
            self._tell(ev.Stopping())
        for command in self._job.commands():
            if command.get("command") == "device" and command.get("take") in ("out", "in"):
                self._tell(ev.Take(str(command.get("id")), self._clock, command["take"]))

    # what the leases say

    def _tell(self, event: ev.Happening) -> None:
        self._do(self._leases.handle(event))

    def _do(self, steps: Sequence[ev.Instruction]) -> None:
        for step in steps:
            if isinstance(step, ev.Start):
                self._start(step.device)
            elif isinstance(step, ev.Give):
                if not self._leases.tool:
                    self._all.begin(self._clock)
                crc = self._checksums(step.batch.clips) if self._checksums is not None else ()
                self._links[step.device].order(Order(step.lease, step.batch.clips, crc=crc))
            elif isinstance(step, ev.Keep):
                self._keep(step)
            elif isinstance(step, ev.Drop):
                self.dropped[step.clip] = step.reason
            elif isinstance(step, ev.Overdue):
                self._overdue(step)
            elif isinstance(step, ev.Close):
                self._dismiss(step.device)
            elif isinstance(step, ev.LeaseNote):
                self._job.note(step.text, step.level)
            elif isinstance(step, ev.Show):
                self._show(step)

    def _start(self, device: str) -> None:
        try:
            link = self._spawn(self._specs[device])
        except OSError as error:
            reason = line("it cannot be started: {reason}", reason=os_reason(error))
            self._tell(ev.Lost(device, self._clock, reason, blame=False, policy="never"))
            return
        self._links[device] = link
        if link.fileno() >= 0:
            self._selector.register(link, selectors.EVENT_READ, device)

    def _keep(self, step: ev.Keep) -> None:
        import numpy as np

        assert self._body is not None
        answer, body = self._body
        logits = np.frombuffer(body, "<f4").reshape(answer.rows, answer.classes)
        known = bool(self._repeated) and all(map(self._ledger.has, step.batch.clips))  # a repeated batch may be split
        if known or step.batch.id in self._repeated:
            self._repeats[step.device] += len(step.batch.clips)
        else:
            self._ledger.keep(step.device, step.batch.clips, logits)
        self._all.add(self._clock, len(step.batch.clips), answer.seconds)
        self._batches += 1

    def _overdue(self, step: ev.Overdue) -> None:
        link = self._links[step.device]
        why = link.silence(step.silent_s)
        self._forget(step.device)
        link.kill()
        self._lost(link, why)

    def _dismiss(self, device: str) -> None:
        link = self._links.get(device)
        if link is None:
            return
        link.order(Order(close=True))
        if self._leases.tool:
            self._read(device)  # what it had done by now
            if self._links.get(device) is not link:
                return
        self._forget(device)
        self._closing.append(link)
        if self._leases.tool:
            self._tell(ev.Closed(device, self._clock))

    def _forget(self, device: str) -> None:
        link = self._links.pop(device)
        if link.fileno() >= 0:
            self._selector.unregister(link)

    def _let_go(self, link: DeviceLink) -> bool:
        link.flush()
        link.answers()
        if link.gone():
            link.kill()
        return link.gone()

    # reports and ends

    def _show(self, step: ev.Show) -> None:
        self._energy.state(step.device, step.state)
        link = self._links.get(step.device)
        pid = link.pid if link is not None and step.state not in ("out", "retired") else None
        self._job.device(step.device, step.state, name=_name(self._specs[step.device]), reason=step.reason, pid=pid)

    def _report(self, total: int | None, *, last: bool = False) -> None:
        now, clips = self._clock, self._ledger.durable
        self.energy = self._energy.figures(clips)
        for device in self._specs:
            meter = self._leases.meter(device)
            p50, p95, busy = self._latencies(device)
            tick = DeviceProgress(
                device,
                clips[device] + self._repeats[device],
                meter.rate(now),
                self._leases.mean_rate(device, now),
                p50,
                p95,
                busy,
                self._energy.per_clip(device, clips),
            )
            self._job.device_progress(tick, last=last)
        figures: dict[str, Scalar] = {**self._ledger.so_far(), **self.energy}
        done = self._ledger.clips + sum(self._repeats.values())
        self._job.progress(
            done,
            total - len(self.dropped) if total is not None else done if last else None,
            "clips",
            rate=self._all.rate(now),
            figures=figures,
        )

    def _latencies(self, device: str) -> tuple[float | None, float | None, float | None]:
        """Median and p95 of a batch in ms, share of time in compute; None where nobody measured it."""
        if self._tool_ms is not None:
            times = sorted(self._tool_ms[device])
            p95 = times[min(len(times) - 1, int(len(times) * 0.95))] if times else None
            return statistics.median(times) if times else None, p95, None
        meter = self._leases.meter(device)
        ms = [None if seconds is None else 1000 * seconds for seconds in (meter.latency_s, meter.p95_s)]
        return ms[0], ms[1], meter.utilisation(self._clock)

    def _close(self, seconds: float) -> None:
        """Let the devices go: those that have their model open in order, within `seconds`, the others at once."""
        there = dict(self._links)
        for device in there:
            self._forget(device)
        opened = [link for device, link in there.items() if self._leases.is_open(device)]
        closing, self._closing = [*opened, *self._closing], []
        close_all([link for link in there.values() if link not in opened], 0.0)
        close_all(closing, seconds)
        for device in there:
            self._job.device(device, "done", name=_name(self._specs[device]))

    def _ledger_flush_quietly(self) -> None:
        """What has been computed is made durable whatever ended the run; the first error is the one to report."""
        try:
            self._ledger.flush()
        except StageError as error:
            self._job.note(line("the last scores are not durable: {reason}", reason=error.line), "error")

    def _check_held(self) -> None:
        if not self._leases.held:
            return
        first = self._leases.held[0]
        text = N_("{batches} batches failed every device they were given to, the first with clips {clips}: {reasons}")
        reasons = tuple(line("{device}: {reason}", device=one, reason=reason) for one, reason in first.failures)
        clips = first.batch.clips
        hint = N_("all other scores are kept: run the stage again, which computes only these")
        raise StageError(text, hint=hint, batches=len(self._leases.held), clips=clips, reasons=reasons)

    def drift(self) -> dict[str, Scalar]:
        """Figures of the device that slowed most while it worked, with what its sensors said."""
        drifts = {name: device.drift for name, device in self._leases.devices.items()}
        path = self._job.samples
        return drift_figures(drifts, read_history(path, self._wall) if path is not None else ())

    def _work(self, ended: float) -> Work:
        meters = [self._leases.meter(device) for device in self._specs]
        ready = self._ready_at
        seconds = None if ready is None else ended - ready
        waited = None
        if self._source is not None and seconds is not None:
            waited = min(seconds, self._leases.starved_s)
            seconds -= waited
        return Work(
            self.version,
            sum(meter.clips > 0 for meter in meters),
            self._batches,
            sum(meter.clips for meter in meters),
            None if ready is None else ready - self._begun,
            seconds,
            sum(meter.busy_s for meter in meters) if self._tool_ms is None else _seconds(self._tool_ms),
            self._leases.retired,
            waited,
        )


def _hopeless(answer: Answer) -> R3dError:
    """What a device says that no other device would say differently: a wrong model, a missing module."""
    kind = InputError if answer.exit_code == 2 else NeedError
    reason, hint = as_line(answer.reason), as_line(answer.hint)
    return kind(reason.template, hint=hint.template, **{**hint.facts, **reason.facts})


def _seconds(tool_ms: Mapping[str, Sequence[float]]) -> float:
    return sum(sum(times) for times in tool_ms.values()) / 1000


def _name(spec: DeviceSpec) -> str:
    if spec.name or not spec.cores:
        return spec.name
    cores = ",".join(map(str, spec.cores))
    return f"{'core' if len(spec.cores) == 1 else 'cores'} {cores}"
