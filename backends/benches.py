"""`r3d-tui bench`: joins what the rooms measure into reports that a face can show. It measures nothing itself."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from backends.core.bench_report import BenchFigure, BenchReport, beside
from backends.core.errors import InputError
from backends.core.messages import Line, Scalar, line

if TYPE_CHECKING:
    from backends.core.model_io import DeviceSpec
    from backends.core.run_state import Run
    from backends.data.preprocess_bench import PreprocessBench
    from backends.inference.feed_bench import Feed
    from backends.inference.pure_inference import Measured, Perf

Say = Callable[[Line], None]
MADE_CLIPS = 200
"""Of the store that is made where none is given: 120 MB, which stays in memory."""
HMDB51_RATIO = 850 / 1530
"""Packed batches over the guide's, of HMDB51's split 1, validation: 8,492 clips in 1,530 videos."""


@dataclass(frozen=True, slots=True)
class InferBench:
    """What `bench infer` is asked for; None is the workspace's, or the default."""

    model: Path | None = None
    store: Path | None = None
    target: Literal["cpu", "ascend"] | None = None
    runtime: str | None = None
    devices: tuple[int, ...] | None = None
    batch: int | None = None
    loop: int = 20
    ais_bench: Path | None = None


def bench_preprocess(
    *, frames: Path | None, annotation: Path | None, rounds: int, workers: int, clips: int, say: Say
) -> BenchReport:
    """Frames to clips beside the guide's way and beside decoding alone."""
    from backends.data import preprocess_bench

    before = machine()
    with tempfile.TemporaryDirectory(prefix="r3d-bench-") as scratch:
        found = preprocess_bench.bench_preprocess(
            Path(scratch),
            frames=frames,
            annotation=annotation,
            rounds=rounds,
            workers=workers,
            most_clips=clips,
            say=say,
        )
    settings: dict[str, Scalar] = {
        "workers": found.workers,
        "kernel": found.kernel,
        "videos": found.videos,
        "clips": found.clips,
        "frames": found.frames,
        "rounds": rounds,
    }
    notes = shared(before)
    if not found.kernel:
        notes = (*notes, line("the C kernels are not built here: pip install . with a compiler"))
    if found.rate("reference") is None:
        notes = (*notes, line("the guide's way needs torch, which is not installed: nothing to compare with"))
    packages = ("numpy", "pillow", "simplejpeg", "torch")
    return BenchReport("preprocess", before, versions(packages), settings, tuple(_preprocess_figures(found)), notes)


def bench_infer(workspace: Path | None, run: Run | None, asked: InferBench, say: Say) -> BenchReport:
    """Pure inference on the devices where a model is known; and what our loop and packing do on the null runtime."""
    from backends.ascend.chip_query import SIMULATED
    from backends.inference.infer_bench import bench_layouts

    before = machine()
    figures: list[BenchFigure] = []
    notes = list(shared(before))
    settings: dict[str, Scalar] = {"loop": asked.loop}
    asked = _filled(workspace, run, asked)
    if asked.model is None:
        notes.append(line("no model is known, so no device is measured: give --model, or run a workspace first"))
    else:
        _refuse_data_elsewhere(asked.model)
        perf = _perf(workspace or Path.cwd(), asked, say)
        figures += _perf_figures(perf)
        label = " simulated" if os.environ.get(SIMULATED) else ""
        if label:
            notes.append(line("the chips are simulated: the scores are computed on the CPU, the speeds are nobody's"))
        settings |= {"runtime": perf.runtime + label, "version": perf.version + label, "batch": perf.batch}
        settings["model"] = str(asked.model)
        if asked.store is None:
            notes.append(line("no clip store is known: not measured end to end"))
        if len(perf.alone) == 1:
            notes.append(line("one device: alone and together are one measurement"))
    say(line("the loop on the null runtime, packed and in the guide's layout"))
    packed, guide, ratio = bench_layouts("310P", videos=306)
    text = line("chip time of packed batches over the guide's, null runtime")
    against = line("HMDB51's validation, counted")
    figures.append(beside("packed_of_guide", text, ratio, HMDB51_RATIO, against, unit=""))
    for name, loop in (("loop_packed", packed), ("loop_guide", guide)):
        text = line("the loop at the 310P's published latency, {layout}", layout=loop.layout)
        rate = loop.chip_s / loop.seconds
        figures.append(beside(name, text, rate, 1.0, line("a chip that never waits"), unit="busy", wanted=0.9))
    packages = ("numpy", "onnxruntime", "openvino", "onnxruntime-cann")
    return BenchReport("infer", before, versions(packages), settings, tuple(figures), tuple(notes))


def bench_feed(
    workspace: Path | None,
    run: Run | None,
    store: Path | None,
    chips: Sequence[int],
    rounds: int,
    say: Say,
    *,
    frames: Path | None = None,
    annotation: Path | None = None,
) -> BenchReport:
    """What clips cost the host, and how many chips at the published rate it keeps busy.

    JPEG files are those of `frames` with their `annotation`, or made for it.
    """
    from backends.data.preprocess_bench import frame_cost
    from backends.inference import feed_bench
    from backends.monitor import cpu_groups

    before, cores = machine(), len(cpu_groups.groups()[0].cores)
    with tempfile.TemporaryDirectory(prefix="r3d-bench-") as scratch:
        place = store or _made(workspace, run).get("store")
        if place is None:
            place = _made_store(Path(scratch) / "store", say)
        say(line("what making clips of frames costs"))
        made = frame_cost(Path(scratch, "frames"), frames=frames, annotation=annotation, rounds=rounds)
        found = feed_bench.bench_feed(place, cores=cores, chips=chips, rounds=rounds, say=say)
        kept = "made here" if place.is_relative_to(scratch) else str(place)
    text = line("no chip is here: simulated chips take the published time a batch and no core")
    settings: dict[str, Scalar] = {
        "rounds": rounds,
        "chips": ", ".join(map(str, chips)),
        "store": kept,
        "frames": made.frames,
    }
    figures = tuple(_feed_figures(found, made.cpu_s))
    return BenchReport("feed", before, versions(("numpy",)), settings, figures, (*shared(before), text))


def shared(found: Mapping[str, Scalar]) -> tuple[Line, ...]:
    """A note where the machine had other work before the measurement began."""
    load, cores = found["load_before"], found["cores"]
    if not isinstance(load, float) or not isinstance(cores, int) or load < cores / 2:
        return ()
    return (
        line(
            "other work ran on this machine (load {load} on {cores} cores): times are too long", load=load, cores=cores
        ),
    )


def machine() -> dict[str, Scalar]:
    """What was measured on. A value that the system does not tell is None."""
    from backends.monitor import cpu_groups

    group = cpu_groups.groups()[0]
    _, memory = cpu_groups.memory_mb()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "cpu": group.name,
        "cores": len(group.cores),
        "memory_mb": memory,
        "load_before": None if load is None else round(load, 2),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Of Python, of us, and of those packages that are installed."""
    found = {"python": platform.python_version()}
    for name in ("r3d-tui", *packages):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


# what is measured, and on what


def _perf(workspace: Path, asked: InferBench, say: Say) -> Perf:
    from backends.data.clip_store import ClipStore
    from backends.inference import runtime
    from backends.inference.pure_inference import measure
    from backends.inference.pure_inference_tool import measure_tool

    target = asked.target or "cpu"
    name = runtime.choose(target, asked.runtime or "auto")
    model, batch = asked.model, asked.batch or 10
    assert model is not None
    if not model.is_file():
        raise InputError("{path}: no such model", hint="give --model", path=str(model))
    devices = _devices(workspace, target, name, asked.devices)
    if runtime.RUNTIMES[name].stage:
        return measure_tool(model, devices, workspace, given=asked.ais_bench, batch=batch, loop=asked.loop, say=say)
    clips = ClipStore.open(asked.store).clip_count if asked.store else 0
    return measure(
        name,
        runtime.RUNTIMES[name].entry,
        model,
        devices,
        workspace,
        batch=batch,
        loop=asked.loop,
        store=asked.store,
        clips=clips,
        cann=runtime.environment(name),
        say=say,
    )


def _devices(workspace: Path, target: str, name: str, wanted: tuple[int, ...] | None) -> tuple[DeviceSpec, ...]:
    """The groups of cores, or the chips, that a run would take."""
    from backends.ascend.chip_query import ask_chips
    from backends.inference.infer import cpu_devices
    from backends.inference.select_devices import VISIBLE, choose_chips, none_taken

    if target == "cpu" or name == "null":
        return tuple(cpu_devices(wanted, sorted(os.sched_getaffinity(0)), {}))
    choice = choose_chips(ask_chips(workspace), wanted, os.environ.get(VISIBLE))
    taken = tuple(device for device in choice.devices if device.id not in choice.left_out)
    if not taken:
        raise none_taken(choice)
    return taken


def _refuse_data_elsewhere(model: Path) -> None:
    """An ONNX file may be anybody's; an .om holds all of itself."""
    from backends.models.external_data import refuse_data_elsewhere

    if model.suffix == ".onnx":
        refuse_data_elsewhere(model)


def _filled(workspace: Path | None, run: Run | None, asked: InferBench) -> InferBench:
    """What was not said is taken from the workspace: its settings, and what its latest run made."""
    if workspace is None:
        return asked
    from backends.workspace.settings_file import read_settings

    infer = read_settings(workspace).infer
    made = _made(workspace, run)
    target = asked.target or infer.target
    model = asked.model or made.get("om" if target == "ascend" and asked.runtime != "cann" else "onnx")
    return InferBench(
        model,
        asked.store or made.get("store"),
        target,
        asked.runtime or (infer.runtime if infer.runtime != "null" else "auto"),
        asked.devices if asked.devices is not None else infer.devices,
        asked.batch or infer.batch,
        asked.loop,
        asked.ais_bench or infer.ais_bench,
    )


def _made(workspace: Path | None, run: Run | None) -> Mapping[str, Path]:
    """Models and clip store of a run, by output; only what is still there."""
    from backends.engine.folders import Folders

    found: dict[str, Path] = {}
    if run is None or workspace is None:
        return found
    for stage in run.stages:
        if stage.name in ("preprocess", "simplify", "compile") and stage.outcome and stage.settled:
            folder = Folders(workspace).artifact(stage.name, stage.fingerprint)
            found.update({name: folder / path for name, path in stage.outcome.outputs.items()})
    return {name: path for name, path in found.items() if path.exists()}


def _made_store(folder: Path, say: Say) -> Path:
    """A store of random clips: what is in them makes no difference to what is measured with it."""
    from backends.data.clip_index import ClipHeader
    from backends.data.clip_writer import ClipWriter

    say(line("making a store of {clips} clips", clips=MADE_CLIPS))
    header = ClipHeader()
    names = [f"made {number}" for number in range(MADE_CLIPS // 10)]
    with ClipWriter.open_or_resume(folder, header) as writer:
        for name in names:
            clips = memoryview(os.urandom(10 * 3 * 16 * 112 * 112))
            writer.append(name, "made", (1, 161), 10, clips)
        writer.finish(names)
    return folder


# figures


def _preprocess_figures(found: PreprocessBench) -> Iterator[BenchFigure]:
    guide, against = found.rate("reference"), line("the guide's way, in the same run")
    for rate in found.rates:
        value, runs = rate.clips_per_s, rate.runs
        if rate.name in ("ours", "fallback", "decode"):
            wanted = 6.0 if rate.name == "ours" else None
            yield beside(rate.name, rate.what, value, guide, against, runs=runs, wanted=wanted)
        else:
            yield beside(rate.name, rate.what, value, None, Line(""), runs=runs)
    decoding = line("JPEG decoding alone, in the same run")
    ours, what = found.rate("ours"), line("frames to clip store, beside decoding")
    yield beside("ours_of_decoding", what, ours, found.rate("decode"), decoding, wanted=0.6)


def _perf_figures(perf: Perf) -> Iterator[BenchFigure]:
    from backends.inference.pure_inference import published

    for row in perf.alone:
        yield from _alone(row)
    chips = [(published(row.name) or (None,))[0] for row in perf.alone]
    total = sum(chip.clips_per_s for chip in chips if chip) if all(chips) else None
    against = line("{n} times the published figure", n=len(chips)) if total else Line("")
    for name, what, rows in (
        ("together", line("{n} devices together", n=len(perf.together)), perf.together),
        ("end_to_end", line("end to end: store, host, device and back"), perf.end_to_end),
    ):
        yield beside(name, what, perf.total(rows), total, against)
        if rows:
            worst = max(row.p95_ms for row in rows if row.p95_ms is not None) if rows[0].p95_ms is not None else None
            text = line("{what}: p95 of a batch, the slowest device", what=str(what))
            yield BenchFigure(f"{name}_p95_ms", text, worst, "ms")


def _alone(row: Measured) -> Iterator[BenchFigure]:
    from backends.inference.pure_inference import published

    label = f"{row.device} {row.name}".strip()
    figures = published(row.name)
    rate, what = row.compute_clips_per_s, line("{device} alone, compute only", device=label)
    for number, one in enumerate(figures):
        against = line("{chip}, {where}", chip=one.chip, where=str(one.where))
        name = f"{row.device}_compute" + ("" if not number else f"_{number + 1}")
        yield beside(name, what, rate, one.clips_per_s, against)
    if not figures:
        yield BenchFigure(f"{row.device}_compute", what, rate)
    yield BenchFigure(f"{row.device}_median_ms", line("{device}: median of a batch", device=label), row.median_ms, "ms")
    yield BenchFigure(f"{row.device}_p95_ms", line("{device}: p95 of a batch", device=label), row.p95_ms, "ms")
    if row.clips_per_s is not None:
        yield BenchFigure(f"{row.device}_wall", line("{device} alone, by the clock", device=label), row.clips_per_s)


def _feed_figures(found: Feed, jpeg_s: float) -> Iterator[BenchFigure]:
    from backends.inference.feed_bench import chips_fed, cores_needed
    from backends.inference.infer_bench import PUBLISHED

    yield BenchFigure("jpeg_us", line("JPEG files to the store"), 1e6 * jpeg_s, "µs CPU/clip")
    for cost in found.costs:
        yield BenchFigure(f"{cost.name}_us", cost.what, 1e6 * cost.cpu_s, "µs CPU/clip")
    for run in found.runs:
        text = line("{n} simulated {chip}, {kind}", n=run.chips, chip=run.chip, kind=run.kind)
        name = f"busy_{run.chip}_{run.chips}_{run.kind}" + ("" if run.checked else "_unchecked")
        if not run.checked:
            text = line("{n} simulated {chip}, {kind}, no checksums", n=run.chips, chip=run.chip, kind=run.kind)
        yield beside(name, text, run.busy, 1.0, line("chips that never wait"), unit="busy", wanted=0.9)
    ways = (
        ("jpeg", line("JPEG files to float32"), jpeg_s + found.cpu_s("batches", "loop")),
        ("float32", line("the store to float32"), found.cpu_s("batches", "loop")),
        ("float32_unchecked", line("the store to float32, no checksums"), found.cpu_s("batches_unchecked", "loop")),
        ("uint8", line("the store to uint8"), found.cpu_s("bytes", "loop")),
        ("uint8_unchecked", line("the store to uint8, no checksums"), found.cpu_s("bytes_unchecked", "loop")),
    )
    for name, way, cpu_s in ways:
        for chip in PUBLISHED:
            text = line("{chip} chips that a core feeds, {way}", chip=chip, way=str(way))
            yield BenchFigure(f"fed_{chip}_{name}", text, chips_fed(cpu_s, chip, 1), "chips")
            text = line("cores that eight {chip} need, {way}", chip=chip, way=str(way))
            yield BenchFigure(f"cores_8_{chip}_{name}", text, cores_needed(cpu_s, chip, 8), "cores")
