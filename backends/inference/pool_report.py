"""What a pool reports of its devices while they work, and what one attempt did in the end. The pool alone calls it."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct

from backends.core.device_samples import read_history
from backends.core.events import DeviceProgress
from backends.core.messages import Scalar
from backends.device.model_runtime import DeviceSpec
from backends.inference import lease_events as ev
from backends.inference.lease_scheduler import Leases
from backends.inference.result_log import RowSink
from backends.inference.running_accuracy import Meter
from backends.monitor.drift import figures as drift_figures
from backends.monitor.energy import EnergyMeter
from backends.worker.job import Job

REPORT_S = 0.5


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


class PoolReport:
    """Figures of one attempt. Times passed in are the pool's clock."""

    def __init__(
        self,
        job: Job,
        devices: Sequence[DeviceSpec],
        leases: Leases,
        ledger: RowSink,
        tool_ms: Mapping[str, Sequence[float]] | None,
        begun: float,
    ) -> None:
        """`tool_ms` as of `Pool`; `begun`: when the attempt began, monotonic seconds."""
        self._job, self._leases, self._ledger, self._tool_ms = job, leases, ledger, tool_ms
        self._specs = {spec.id: spec for spec in devices}
        self._all = Meter()
        self._energy = EnergyMeter(job.samples, devices)
        self._begun, self._wall = begun, time.time()
        self._repeats: Counter[str] = Counter()
        """Clips by device that count for the speed alone."""
        self._batches = 0
        self._reported = float("-inf")
        self.ready_at: float | None = None
        """When the first device was ready, or the first tool began to compute."""
        self.version: str | None = None
        """Of the runtime; None until a device has opened."""
        self.energy: dict[str, Scalar] = {}
        """The figures of energy at the last report."""

    def begin(self, at: float) -> None:
        """A batch is handed out, or a tool began to compute; the first counts."""
        self._all.begin(at)

    def add(self, device: str, at: float, clips: int, seconds: float, *, is_repeat: bool) -> None:
        """A batch of `clips` counts, after `seconds` in compute."""
        if is_repeat:
            self._repeats[device] += clips
        self._all.add(at, clips, seconds)
        self._batches += 1

    def show(self, step: ev.Show, pid: int | None) -> None:
        """The state of a device as people see it, with its process while it has one."""
        self._energy.state(step.device, step.state)
        pid = pid if step.state not in ("out", "retired") else None
        self._job.device(step.device, step.state, name=_name(self._specs[step.device]), reason=step.reason, pid=pid)

    def found(self) -> None:
        for spec in self._specs.values():
            self._job.device(spec.id, "found", name=_name(spec))

    def closed(self, device: str) -> None:
        self._job.device(device, "done", name=_name(self._specs[device]))

    def turn(self, now: float, total: int | None, dropped: int, *, last: bool = False) -> None:
        """Report where it is due: of `total` clips less those that were `dropped`; None: nobody knows how many."""
        if not last and now - self._reported < REPORT_S:
            return
        self._reported = now
        clips = Counter(self._ledger.durable) + self._repeats
        self.energy = self._energy.figures(clips)
        for device in self._specs:
            meter = self._leases.meter(device)
            p50, p95, busy = self._latencies(device, now)
            tick = DeviceProgress(
                device,
                clips[device],
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
            total - dropped if total is not None else done if last else None,
            "clips",
            rate=self._all.rate(now),
            figures=figures,
        )

    def _latencies(self, device: str, now: float) -> tuple[float | None, float | None, float | None]:
        """Median and p95 of a batch in ms, share of time in compute; None where nobody measured it."""
        if self._tool_ms is not None:
            times = sorted(self._tool_ms[device])
            p95 = times[min(len(times) - 1, int(len(times) * 0.95))] if times else None
            return statistics.median(times) if times else None, p95, None
        meter = self._leases.meter(device)
        ms = [None if seconds is None else 1000 * seconds for seconds in (meter.latency_s, meter.p95_s)]
        return ms[0], ms[1], meter.utilisation(now)

    def drift(self) -> dict[str, Scalar]:
        """Figures of the device that slowed most while it worked, with what its sensors said."""
        drifts = {name: device.drift for name, device in self._leases.devices.items()}
        path = self._job.samples
        return drift_figures(drifts, read_history(path, self._wall) if path is not None else ())

    def work(self, ended: float, *, is_following: bool) -> Work:
        """`is_following`: the store was still being written, so that devices may have waited for it."""
        meters = [self._leases.meter(device) for device in self._specs]
        ready = self.ready_at
        seconds = None if ready is None else ended - ready
        waited = None
        if is_following and seconds is not None:
            waited = min(seconds, self._leases.starved_s)
            seconds -= waited
        by_tool = None if self._tool_ms is None else sum(map(sum, self._tool_ms.values())) / 1000
        return Work(
            self.version,
            sum(meter.clips > 0 for meter in meters),
            self._batches,
            sum(meter.clips for meter in meters),
            None if ready is None else ready - self._begun,
            seconds,
            sum(meter.busy_s for meter in meters) if by_tool is None else by_tool,
            self._leases.retired,
            waited,
        )


def _name(spec: DeviceSpec) -> str:
    if spec.name or not spec.cores:
        return spec.name
    cores = ",".join(map(str, spec.cores))
    return f"{'core' if len(spec.cores) == 1 else 'cores'} {cores}"
