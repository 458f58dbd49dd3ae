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
import time
from collections.abc import Callable, Mapping, Sequence

from backends.ascend import plog
from backends.core.messages import N_, Line, StageError, Stopped, line, os_reason
from backends.device.model_runtime import DeviceSpec
from backends.device.protocol import Answer, Order
from backends.inference import lease_events as ev
from backends.inference.batch_queue import held_error
from backends.inference.device_link import DeviceLink, as_error, as_line, close_all
from backends.inference.lease_scheduler import Leases
from backends.inference.pool_report import PoolReport, Work
from backends.inference.result_log import RowSink
from backends.worker.job import Job

TURN_S = 0.05
"""How long a turn waits where nothing comes."""
CLOSE_S = 10.0
"""How long devices may take to close at the end; a chip's runtime needs about two seconds."""
TOOL_CLOSE_S = 60.0
"""The same for tools, which write what they measured then."""
FAIL_S = 4.0
"""The same where the run has failed: what has its model open releases it."""
LOOK_S = 0.5
"""How often silences are looked at."""


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
        self._source, self._checksums, self._repeated = source, checksums, repeats
        self._specs, self._spawn = {spec.id: spec for spec in devices}, spawn
        self._job, self._leases, self._ledger = job, leases, ledger
        self._links: dict[str, DeviceLink] = {}
        self._closing: list[DeviceLink] = []
        self._selector = selectors.DefaultSelector()
        self._body: tuple[Answer, bytes] | None = None
        self._clock = self._real = time.monotonic()
        self.report = PoolReport(job, devices, leases, ledger, tool_ms, self._clock)
        self._looked = float("-inf")
        self.dropped: dict[int, Line] = {}
        """Clips that could not be read, and why."""

    def run(self, total: int | None) -> Work:
        """Work until every clip of `total` counts or was dropped; None: of what the source gives.

        Raises Stopped on request, InputError or NeedError where no device can ever do it, StageError where no device
        is left or a batch failed every device it was given to. What was durable by then stays.
        """
        try:
            self.report.found()
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
            self.report.turn(self._clock, total, len(self.dropped), last=True)
            self._close(CLOSE_S)
            if self._leases.held:
                raise held_error(self._leases.held)
        finally:
            self._ledger_flush_quietly()
            self._close(FAIL_S)
            self._selector.close()
        return self.report.work(ended, is_following=self._source is not None)

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
        self.report.turn(now, total, len(self.dropped))
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
            self.report.version = answer.version
            if self.report.ready_at is None and not self._leases.tool:
                self.report.ready_at = time.monotonic()
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
            raise as_error(answer, as_line(answer.reason))  # no other device would say differently

    def _at_work(self, device: str, seconds: float) -> None:
        """A tool has begun to compute so many seconds ago: our clock starts with the first of its batches."""
        began = self._clock - seconds if seconds else None
        if began is not None:
            self.report.ready_at = self.report.ready_at or time.monotonic() - seconds
            self.report.begin(began)
        self._tell(ev.Alive(device, self._clock, began))

    def _obey(self) -> None:
        if self._job.stopping and not self._leases.stopping:
            self._tell(ev.Stopping())
        for command in self._job.commands():
            if command.get("command") == "device" and command.get("take") in ("out", "in"):
                self._tell(ev.Take(str(command.get("id")), self._clock, command["take"]))

    def _tell(self, event: ev.Happening) -> None:
        self._do(self._leases.handle(event))

    def _do(self, steps: Sequence[ev.Instruction]) -> None:
        for step in steps:
            if isinstance(step, ev.Start):
                self._start(step.device)
            elif isinstance(step, ev.Give):
                if not self._leases.tool:
                    self.report.begin(self._clock)
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
                link = self._links.get(step.device)
                self.report.show(step, link.pid if link is not None else None)

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
        is_repeat = known or step.batch.id in self._repeated
        if not is_repeat:
            self._ledger.keep(step.device, step.batch.clips, logits)
        self.report.add(step.device, self._clock, len(step.batch.clips), answer.seconds, is_repeat=is_repeat)

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
            self.report.closed(device)

    def _ledger_flush_quietly(self) -> None:
        """What has been computed is made durable whatever ended the run; the first error is the one to report."""
        try:
            self._ledger.flush()
        except StageError as error:
            self._job.note(line("the last scores are not durable: {reason}", reason=error.line), "error")
