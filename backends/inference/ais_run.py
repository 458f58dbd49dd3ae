"""The stage `infer` by ais_bench: the guide's own tool, one process a chip, its results as rows of scores.

    share out the batches that have no row yet; until every one has, or no chip is left:
        stage a share for each free chip, start the tool on it
        every quarter of a second: read new outputs into the rows, look at bars, silences and ends
        what a failed or silent chip leaves goes to the others
    end every process group, in every case

A row counts once it is synced, as with every other runtime. It refuses to know what the tool says: `ais_tool` does.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from backends.ascend.ais_bench_install import probe
from backends.core.codec import decode
from backends.core.errors import InputError, StageError, Stopped
from backends.core.events import DeviceProgress, DeviceState, Outcome
from backends.core.messages import N_, Line, Scalar, line, os_reason
from backends.inference import ais_stage
from backends.inference.ais_chip import Chip, Place, Verdict
from backends.inference.ais_shares import Shares
from backends.inference.batch_layout import Span, batches
from backends.inference.infer import (
    ROWS,
    Params,
    find_devices,
    find_upstream,
    open_store,
    outcome,
    say_found,
    set_videos_aside,
)
from backends.inference.lease_scheduler import Limits
from backends.inference.pool import Work
from backends.inference.result_log import Ledger
from backends.inference.running_accuracy import Tally, labels_of
from backends.inference.throughput import Meter
from backends.monitor.energy import EnergyMeter
from backends.worker.job import Job

NAME = "ais_bench"
TURN_S = 0.25
FOLDER = "ais_bench"


class AisParams(Params, frozen=True):
    """What decides the scores."""

    input: ais_stage.Kind = "float32"
    """What the model takes."""


class Tuning(Struct, frozen=True):
    """What decides the speed."""

    devices: tuple[int, ...] | None = None
    limits: Limits = field(default_factory=Limits)
    sync_s: float = 0.25
    ais_bench: Path | None = None
    """The Python that has the tool, or an ais_infer.py."""
    files: int = ais_stage.MOST_FILES
    """Most files of one run: a chip with more gets several runs, each of which loads the model again."""
    names: Path | None = None
    """A file of class names in the order of the model's classes, for the accuracy so far; None: sorted labels."""


def run(job: Job) -> Outcome:
    """Compute the rows that are missing. Outputs and errors as those of `run.run`."""
    params, tuning = decode(AisParams, dict(job.params)), decode(Tuning, dict(job.tuning))
    model, folder = find_upstream(job)
    if model.suffix != ".om":
        hint = N_("set infer.target to ascend, and run the compile stage")
        raise InputError("{path}: ais_bench takes an .om", hint=hint, path=str(model))
    tool = probe(tuning.ais_bench, job.workspace)
    store = open_store(params.clips, folder)
    spans = sorted((Span(video.first, video.clips) for video in store.videos), key=lambda span: span.first)
    found = find_devices(job, "ascend", tuning.devices, {})
    chips = [Chip(spec) for spec in found.devices]
    ledger = Ledger(job.out / ROWS, spans, NAME, tuning.sync_s)
    ledger.tally = Tally(store.videos, tuning.names or labels_of(job))
    base = job.out / FOLDER
    try:
        _take_up(job, ledger, base, params)
        say_found(job, ledger, store.clip_count)
        place = Place(
            tool,
            base,
            ais_stage.prepare(base, model, strict=tool.checks_paths),
            store,
            params.batch,
            params.input,
            _bins(job, params, store.videos),
            tuning.limits,
            job.workspace,
        )
        todo = batches(spans, params.batch, params.layout, ledger.has)
        shares = Shares([chip.spec.id for chip in chips], todo, found.left_out)
        hands = Hands(job, place, chips, shares, ledger, tuning)
        try:
            work = hands.run(store.clip_count)
        finally:
            set_videos_aside(job, store, hands.dropped)
        ais_stage.drop(ais_stage.Run(base, {}))
        return outcome(job, params, NAME, ledger, work, {**_figures(chips), **hands.energy})
    finally:
        ledger.close()


class Hands:
    """The loop over real processes; see the module's text."""

    def __init__(
        self, job: Job, place: Place, chips: list[Chip], shares: Shares, ledger: Ledger, tuning: Tuning
    ) -> None:
        self._job = job
        self._place = place
        self._chips = {chip.spec.id: chip for chip in chips}
        self._shares = shares
        self._ledger = ledger
        self._tuning = tuning
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(len(chips), "staging")
        self._number = 0
        self._batches = 0
        self._classes: int | None = None
        self._all = Meter()
        self._energy = EnergyMeter(job.samples, [chip.spec for chip in chips])
        self.energy: dict[str, Scalar] = {}
        self._last: Verdict | None = None
        self._paused = False
        self._clock = self._real = self._begun = time.monotonic()

    @property
    def dropped(self) -> Mapping[int, Line]:
        """Clips that could not be read, and why."""
        return {clip: reason for chip in self._chips.values() for clip, reason in chip.dropped.items()}

    def run(self, total: int) -> Work:
        """Work until every clip of `total` counts or was dropped. Raises as `pool.Pool.run` does."""
        try:
            for device, chip in self._chips.items():
                self._show(device, "found", name=chip.spec.name)
                if device in self._shares.left_out:
                    self._show(device, "out", reason=self._shares.left_out[device])
            while not self._shares.finished:
                self._turn(total)
            self._ledger.flush()
            ended = self._clock
            self._report(total, last=True)
        finally:
            self._end()
        if self._shares.held:
            raise self._held()
        return self._work(ended)

    def _turn(self, total: int) -> None:
        now = self._advance()
        self._obey()
        self._share_out()
        for device, chip in self._chips.items():
            if chip.state == "staging" and chip.staged():
                self._start(device, chip)
            elif chip.state == "running":
                self._follow(device, chip)
        self._ledger.turn(now)
        self._report(total)
        if self._shares.stuck:
            last = self._last or Verdict(ok=False, reason=line("no device was given"))
            self._ledger.flush()
            hint = last.fix.template or N_("see the stage's log")
            facts = {**last.fix.facts, "reason": last.reason}
            raise StageError("no device is left: {reason}", hint=hint, **facts)
        if not self._shares.finished:
            time.sleep(TURN_S)

    def _advance(self) -> float:
        """Our clock: a turn counts for a second at most, so that a suspended machine makes no chip silent."""
        now = time.monotonic()
        self._clock += min(now - self._real, 1.0)
        self._real = now
        return self._clock

    # who does what

    def _share_out(self) -> None:
        for device in self._shares.bring_back():
            self._job.note(line("no device was left: {device} is started again", device=device), "warning")
        free = self._shares.free()
        for device in free:
            wanted = min(self._shares.wanted(device), self._tuning.files)
            wanted = ais_stage.portion(wanted, self._place.base, self._place.batch, self._place.kind, len(free))
            if not wanted:
                continue
            self._number += 1
            share = self._shares.take(device, wanted)
            self._chips[device].begin(self._place, self._number, share, self._pool, self._stop)
            self._show(device, "loading", reason=line("staging {files} files", files=len(share)))

    def _start(self, device: str, chip: Chip) -> None:
        try:
            chip.start(self._place, self._clock, self._classes)
        except OSError as error:  # R3dError is for the whole run
            reason = line("it cannot be started: {reason}", reason=os_reason(error))
            self._lose(device, Verdict(ok=False, unfinished=chip.share, reason=reason, again=False))
            return
        self._show(device, "loading", pid=chip.pid)

    def _follow(self, device: str, chip: Chip) -> None:
        over, showed = chip.over(), chip.working
        silent = None if over else chip.silent_s(self._clock, self._place.limits)
        if silent is not None:
            chip.stop()
        self._keep(device, chip, ended=over or silent is not None)
        if chip.working and not showed:
            self._show(device, "working", pid=chip.pid)
        if not over and silent is None:
            return
        verdict = chip.judge(self._place, silent_s=silent)
        self._ledger.flush()
        if not verdict.ok:
            self._lose(device, verdict)
            return
        chip.clear()
        self._shares.done(device)
        self._tell_summary(device, chip)
        self._show(device, "idle")

    def _keep(self, device: str, chip: Chip, *, ended: bool) -> None:
        found = chip.turn(self._clock, ended=ended)
        if chip.classes is not None:
            self._classes = chip.classes
            self._ledger.open(chip.classes)
        for batch, logits in found:
            self._ledger.keep(device, batch.clips, logits)
            self._all.add(self._clock, len(batch.clips), 0.0)
            self._batches += 1

    def _lose(self, device: str, verdict: Verdict) -> None:
        self._last = verdict
        self._chips[device].clear()
        self._shares.lost(device, verdict.reason, verdict.unfinished, verdict.blamed, again=verdict.again)
        self._show(device, "retired", reason=verdict.reason)
        text = N_("{device} is out of the run, {files} files go back: {reason}")
        self._job.note(line(text, device=device, files=len(verdict.unfinished), reason=verdict.reason), "warning")
        if verdict.fix.template:
            self._job.note(verdict.fix, "warning")

    # what the user says

    def _obey(self) -> None:
        if self._job.stopping:
            self._stop.set()
            self._ledger.flush()
            raise Stopped
        for command in self._job.commands():
            device = str(command.get("id"))
            if command.get("command") != "device" or device not in self._chips:
                continue
            if command.get("take") == "out":
                self._take_out(device)
            elif command.get("take") == "in" and self._shares.enter(device):
                self._show(device, "idle")

    def _take_out(self, device: str) -> None:
        chip = self._chips[device]
        if self._shares.leave(device):
            if chip.state == "staging":
                while not chip.staged():
                    time.sleep(0.05)
                unfinished = chip.share
            else:
                chip.stop()
                self._keep(device, chip, ended=True)
                self._ledger.flush()
                unfinished = tuple(batch for batch in chip.share if not all(map(self._ledger.has, batch.clips)))
            chip.clear()
            self._shares.done(device, unfinished)
        self._show(device, "out", reason=line("taken out of the run on request"))

    # reports and ends

    def _show(self, device: str, state: DeviceState, **more: Any) -> None:
        self._energy.state(device, state)
        self._job.device(device, state, **more)

    def _report(self, total: int, *, last: bool = False) -> None:
        if self._shares.paused and not self._paused:
            self._job.note(line("no device is at work: put one back in to go on"), "warning")
        self._paused = self._shares.paused
        self.energy = self._energy.figures(self._ledger.durable)
        for device, chip in self._chips.items():
            times = sorted(ms for summary in chip.summaries for ms in summary.times_ms)
            tick = DeviceProgress(
                device,
                self._ledger.durable[device],
                chip.meter.rate(self._clock),
                chip.meter.mean(self._clock),
                statistics.median(times) if times else None,
                times[min(len(times) - 1, int(len(times) * 0.95))] if times else None,
                joules_per_clip=self._energy.per_clip(device, self._ledger.durable),
            )
            self._job.device_progress(tick, last=last)
        left, rate = total - len(self.dropped), self._all.rate(self._clock)
        figures = {**self._ledger.so_far(), **self.energy}
        self._job.progress(self._ledger.clips, left, "clips", rate=rate, figures=figures)

    def _tell_summary(self, device: str, chip: Chip) -> None:
        text = N_("{device}: ais_bench says {rate:.2f} clips/s while computing, {mean:.2f} ms a batch")
        for one in chip.summaries[-1:]:
            self._job.note(line(text, device=device, rate=one.throughput, mean=one.mean_ms))

    def _held(self) -> StageError:
        first = self._shares.held[0]
        text = N_("{batches} batches failed every device they were given to, the first with clips {clips}: {reasons}")
        reasons = tuple(line("{device}: {reason}", device=one, reason=reason) for one, reason in first.failures)
        clips = first.batch.clips
        hint = N_("all other scores are kept: run the stage again, which computes only these")
        return StageError(text, hint=hint, batches=len(self._shares.held), clips=clips, reasons=reasons)

    def _end(self) -> None:
        """Every process group is ended; what came by then is made durable, whatever ended the run."""
        self._stop.set()
        for device, chip in self._chips.items():
            if chip.state == "running":
                chip.stop(0.2)
                self._keep(device, chip, ended=True)
        self._pool.shutdown(wait=True)
        try:
            self._ledger.flush()
        except StageError as error:
            self._job.note(line("the last scores are not durable: {reason}", reason=error.line), "error")
        for device, chip in self._chips.items():
            chip.clear()
            if self._shares.takes_part(device):
                self._show(device, "done")

    def _work(self, ended: float) -> Work:
        chips = self._chips.values()
        ready = min((chip.ready_at for chip in chips if chip.ready_at is not None), default=None)
        return Work(
            f"{NAME}, generation {self._place.tool.generation}",
            sum(chip.meter.clips > 0 for chip in chips),
            self._batches,
            sum(chip.meter.clips for chip in chips),
            None if ready is None else ready - self._begun,
            None if ready is None else ended - ready,
            sum(chip.computed_ms for chip in chips) / 1000,
            self._shares.retired,
        )


def _take_up(job: Job, ledger: Ledger, base: Path, params: Params) -> None:
    """Rows of outputs that an earlier attempt left unread, where the machine has not been started since."""
    taken = 0
    for left in ais_stage.leftovers(base, params.batch):
        results = ais_stage.Results(left, params.batch, None)
        for batch, logits in results.new(ended=True):
            ledger.open(logits.shape[1])
            fresh = [row for row, clip in enumerate(batch.clips) if not ledger.has(clip)]
            if fresh:
                ledger.keep("earlier", tuple(batch.clips[row] for row in fresh), logits[fresh])
                taken += len(fresh)
    ledger.flush()
    if taken:
        job.note(line("{clips} clips are taken up from what ais_bench had written before", clips=taken))


def _bins(job: Job, params: Params, videos: object) -> dict[tuple[int, ...], Path]:
    """The guide's files that hold a batch each, by its clips: preprocess writes them in that layout."""
    preprocess = job.upstream["preprocess"]
    if params.layout != "guide" or not preprocess.has("bins"):
        return {}
    folder = preprocess.path("bins")
    return {tuple(video.numbers): folder / f"{video.id}.bin" for video in videos}  # type: ignore[attr-defined]


def _figures(chips: list[Chip]) -> dict[str, Scalar]:
    """The tool's own figures beside ours: compute only, filler counted. None where no run of a chip succeeded."""
    rates = [statistics.fmean(s.throughput for s in chip.summaries) for chip in chips if chip.summaries]
    summaries = [summary for chip in chips for summary in chip.summaries]
    times = [ms for summary in summaries for ms in summary.times_ms]
    return {
        "tool_throughput": sum(rates) if rates else None,
        "tool_chips": len(rates),
        "npu_compute_ms_mean": statistics.fmean(times) if times else _mean([s.mean_ms for s in summaries]),
        "npu_compute_ms_median": statistics.median(times) if times else _mean([s.median_ms for s in summaries]),
    }


def _mean(values: list[float]) -> float | None:
    return statistics.fmean(values) if values else None
