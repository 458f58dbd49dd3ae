"""The stage `infer`: a clip store, a model and devices to one row of scores for each clip."""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

from msgspec import Struct, field

from backends.ascend.ais_bench_files import MOST_FILES, Kind
from backends.ascend.chip_query import ask_chips
from backends.core.codec import decode
from backends.core.events import Outcome
from backends.core.messages import N_, InputError, Line, Scalar, line
from backends.core.processes import SIMULATED
from backends.data.clip_store import ClipIndex, read_index, refuse_remote
from backends.data.score_rows_reader import check_rows
from backends.device.model_runtime import RuntimeInfo, load
from backends.device.protocol import CLIPS, GROWING_CLIPS
from backends.inference.batch_layout import Layout, Spans, batches, count, repeated
from backends.inference.device_makers import DeviceMaker, ToolOptions, process_maker, tool_maker
from backends.inference.followed_store import (
    RECORD,
    STAGE,
    FollowedStore,
    fits,
    is_growing,
    record_whole,
    wait_until_begun,
    wait_until_whole,
)
from backends.inference.lease_devices import LeaseLimits
from backends.inference.lease_scheduler import Leases
from backends.inference.pool import Pool
from backends.inference.pool_report import Work
from backends.inference.result_log import Ledger
from backends.inference.running_accuracy import Tally, labels_of
from backends.inference.runtime_registry import Chosen, Target, choose
from backends.inference.select_devices import VISIBLE, Choice, choose_chips, none_taken
from backends.monitor.cpu_groups import cpu_devices
from backends.monitor.energy import NOTHING
from backends.worker.job import Job

ROWS = "rows.bin"
AGAIN_S = 2.0
"""Where every chip is taken, one more look after that time: what a run before left there may still be going."""


class Params(Struct, frozen=True):
    target: Target = "cpu"
    runtime: str = "auto"
    batch: int = 10
    layout: Layout = "packed"
    options: Mapping[str, str | float | int | None] = field(default_factory=dict)
    """For one runtime alone, see `DeviceSpec.options`."""
    entry: str = ""
    """A runtime by `package.module:Class` instead of by name; no setting leads here, the tests and the bench do."""
    clips: str = CLIPS
    """The reader of clips; likewise."""
    input: Kind = "float32"
    """What a tool writes into its files; a runtime asks the model."""


class Tuning(Struct, frozen=True):
    devices: tuple[int, ...] | None = None
    """Ids; on cpu as many groups of cores. None: all that are there (on cpu: one group of all cores)."""
    limits: LeaseLimits = field(default_factory=LeaseLimits)
    sync_s: float = 0.25
    """Least time between two syncs of the rows."""
    acl_python: Path | None = None
    """The Python that imports acl; None: it is looked for."""
    ais_bench: Path | None = None
    files: int = MOST_FILES
    """As of `ToolOptions`."""
    loops: int = 1
    """All clips so often; scores are those of the first time."""
    names: Path | None = None
    """A file of class names in the order of the model's classes, for the accuracy so far; None: sorted labels."""


def run(job: Job) -> Outcome:
    """Compute the rows that are missing, on all devices.

    Outputs `rows`. Raises InputError, NeedError, StageError or Stopped as `pool` and `runtime` say; what was computed
    by then is kept, and a later attempt resumes.
    """
    params, tuning = decode(Params, dict(job.params)), decode(Tuning, dict(job.tuning))
    if params.batch < 1:
        raise InputError("infer.batch is {batch}", hint="give 10, as the guide does", batch=params.batch)
    chosen = _chosen(job, params, tuning)
    name = chosen.info.name
    follows = is_growing(job)
    before = _follow(job, params, tuning, chosen)
    _, folder = find_upstream(job)
    if not fits(job.out, folder):
        job.note(line("the clip store was repaired while it was read: its clips are computed again"), "warning")
        (job.out / ROWS).unlink(missing_ok=True)
        before = None
    if follows:
        record_whole(job.out, folder)
    else:  # the place is of this store alone
        (job.out / RECORD).unlink(missing_ok=True)
    store = open_index(params.clips, folder)
    spans = Spans((video.first, video.clips) for video in store.videos)
    ledger = Ledger(job.out / ROWS, spans, name, tuning.sync_s)
    ledger.tally = Tally(store.videos, tuning.names or labels_of(job))
    try:
        if before is not None:
            ledger.resumed = before.resumed
        report_resumed(job, ledger, store.clip_count)
        total = count(spans, params.batch, params.layout, ledger.has)
        fresh = batches(spans, params.batch, params.layout, ledger.has)
        work, more = Work.nothing(), NOTHING
        if os.environ.get(SIMULATED):
            text = N_("the chips are simulated: the scores are computed on the CPU, throughput is not meaningful")
            job.note(line(text), "warning")
        if total:
            found = find_devices(job, params.target if name != "null" else "cpu", tuning.devices, params.options)
            maker = _maker(job, params, tuning, chosen, store, found)
            names = [device.id for device in found.devices]
            again = repeated(spans, params.batch, params.layout, tuning.loops - 1, total)
            every = total + (tuning.loops - 1) * count(spans, params.batch, params.layout)
            tool = maker.tool is not None
            leases = Leases(names, chain(fresh, again), every, tuning.limits, left_out=found.left_out, tool=tool)
            tool_ms = maker.tool.times_ms if maker.tool is not None else None
            pool = Pool(job, found.devices, maker.make, leases, ledger, tool_ms, range(total, every))
            try:
                work = pool.run(tuning.loops * store.clip_count)
                more = {**pool.report.energy, **pool.report.drift(), **maker.figures()}
            finally:
                skip_videos(job, store, pool.dropped)
            maker.clean()
        if before is not None and before.work.clips > work.clips:  # the finished store had a few clips left, at most
            work, more = before.work, before.figures
        return outcome(job, params, name, ledger, work, more)
    finally:
        ledger.close()


class Before(Struct, frozen=True):
    """What was done while the clip store was being written."""

    work: Work
    figures: Mapping[str, Scalar]
    resumed: int
    """Clips that had scores when it began."""


def _follow(job: Job, params: Params, tuning: Tuning, chosen: Chosen) -> Before | None:
    """Compute the clips of a store that is still being written, until it is whole; None where that is not done.

    What could not be read by then is left to the finished store.
    """
    if not is_growing(job):
        return None
    if chosen.info.is_tool or params.layout != "packed" or tuning.loops > 1 or params.clips != CLIPS:
        wait_until_whole(job)
        return None
    model, folder = find_upstream(job)
    if not (job.out / RECORD).exists():
        (job.out / ROWS).unlink(missing_ok=True)
    if not wait_until_begun(job, folder):
        return None
    target = params.target if chosen.info.name != "null" else "cpu"
    found = find_devices(job, target, tuning.devices, params.options)
    ledger = Ledger(job.out / ROWS, Spans(()), chosen.info.name, tuning.sync_s)
    ledger.tally = Tally((), tuning.names or labels_of(job))
    store = FollowedStore(job, folder, params.batch, ledger, len(found.devices))
    try:
        maker = process_maker(job, chosen, model, folder, params.batch, GROWING_CLIPS)
        names = [device.id for device in found.devices]
        leases = Leases(names, iter(()), 0, tuning.limits, left_out=found.left_out, open_ended=True)
        pool = Pool(job, found.devices, maker.make, leases, ledger, source=store.poll, checksums=store.checksums)
        work = pool.run(None)
        figures: dict[str, Scalar] = {**pool.report.energy, **pool.report.drift()}
        if target == "cpu":
            text = N_("preprocess used the same cores: `r3d-tui rerun infer` measures the throughput of infer alone")
            job.note(line(text))
            figures["clips_per_s_beside"] = STAGE  # whoever shows the rate says so, and compares it with nothing
        return Before(work, figures, ledger.resumed)
    finally:
        store.close()
        ledger.close()


def _chosen(job: Job, params: Params, tuning: Tuning) -> Chosen:
    if params.entry:
        return Chosen(RuntimeInfo(params.runtime, params.entry, "", (params.target,)))
    chosen = choose(params.target, params.runtime, tuning.acl_python)
    if chosen.note is not None:
        job.note(chosen.note, "warning")
    return chosen


def _maker(job: Job, params: Params, tuning: Tuning, chosen: Chosen, store: ClipIndex, found: Choice) -> DeviceMaker:
    model, folder = find_upstream(job)
    if not chosen.info.is_tool:
        return process_maker(job, chosen, model, folder, params.batch, params.clips)
    own = ToolOptions(tuning.ais_bench, params.input, tuning.files, params.layout == "guide")
    return tool_maker(job, model, folder, params.batch, store, found.devices, own)


def find_devices(
    job: Job,
    target: Target,
    wanted: Sequence[int] | None,
    options: Mapping[str, str | float | int | None],
) -> Choice:
    """The devices of a run by their ids: groups of cores, or chips as `npu-smi` reports them now.

    A chip that is not taken, and why, is said at once where it cannot be opened, and by the pool otherwise. Raises
    NeedError where no chip is free, InputError where one is named that is not there.
    """
    if target == "cpu":
        return Choice(cpu_devices(wanted, options))
    for pause in (AGAIN_S, None):
        choice = choose_chips(ask_chips(job.workspace), wanted, os.environ.get(VISIBLE), options)
        if choice.taken or pause is None:
            break
        time.sleep(pause)
    if not choice.taken:
        raise none_taken(choice)
    for device, reason in choice.unusable.items():
        job.device(device, "out", reason=reason)
    return choice


def find_upstream(job: Job) -> tuple[Path, Path]:
    compiled = job.upstream.get("compile")
    source, preprocess = compiled or job.upstream.get("simplify"), job.upstream.get("preprocess")
    if source is None or preprocess is None:
        missing = "a model" if source is None else "a clip store"
        hint = N_("run the stages before this one")
        raise InputError("nothing to infer: {missing} is missing", hint=hint, missing=missing)
    return source.path("om" if compiled else "onnx"), preprocess.path("store")


def open_index(entry: str, folder: Path) -> ClipIndex:
    """What the clip store of a run holds; its clips are read by the devices.

    InputError where it is empty.
    """
    refuse_remote(folder)
    store: ClipIndex = read_index(folder) if entry == CLIPS else load(entry).open(folder)
    if not store.clip_count:
        hint = N_("look at what the preprocess stage skipped")
        raise InputError("{path}: the clip store holds no clips", hint=hint, path=str(folder))
    return store


def report_resumed(job: Job, ledger: Ledger, clips: int) -> None:
    if ledger.replaced:
        job.note(line("rows of {runtime} are thrown away: this run has another runtime", runtime=ledger.replaced))
    if ledger.resumed:
        job.note(line("{done} of {clips} clips have scores already", done=ledger.resumed, clips=clips))


def skip_videos(job: Job, store: ClipIndex, dropped: Mapping[int, Line]) -> None:
    """Each video of which a clip could not be read, by name, with the first reason."""
    clips, named = sorted(dropped), list[tuple[int, str]]()
    for video in store.videos if clips else ():
        at = bisect_left(clips, video.first)
        if at < len(clips) and clips[at] < video.first + video.clips:
            named.append((clips[at], video.id))
    for clip, name in sorted(named):
        job.set_aside(name, dropped[clip])


def outcome(
    job: Job, params: Params, name: str, ledger: Ledger, work: Work, more: Mapping[str, Scalar] | None = None
) -> Outcome:
    """What the stage gives; `more` are figures of one runtime alone."""
    ledger.tally = None  # it has seen every row: free what it and the open file hold before the check
    ledger.close()
    check = check_rows(job.out / ROWS)
    label = " simulated" if os.environ.get(SIMULATED) else ""
    figures: dict[str, Scalar] = {
        "runtime": name + label,
        "runtime_version": work.version + label if work.version else None,
        "devices": work.devices,
        "devices_retired": work.retired,
        "clips": check.rows,
        "clips_taken_up": ledger.resumed,
        "batch": params.batch,
        "layout": params.layout,
        "batches": work.batches,
        "slots": work.batches * params.batch,
        "load_seconds": work.load_s,
        "seconds": work.seconds,
        "clips_per_s": work.clips_per_s,
        "waited_seconds": work.waited_s,
        "compute_seconds": work.compute_s,
        "videos": ledger.videos_done,
        **(more or {}),
    }
    return Outcome(figures, {"rows": ROWS}, check.digest)
