"""`r3d-tui bench infer`, the guide's own pure-inference step, as a report beside the published figures.

`backends.api` calls it. The devices are measured by `backends.inference.pure_inference`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from backends.core.command_reports import BenchFigure, BenchReport, InferBench, beside
from backends.core.messages import InputError, Line, Scalar, line
from backends.core.model_io import ClipShape
from backends.core.processes import SIMULATED
from backends.core.published import PublishedRate, published_model, published_rates
from backends.monitor.cpu_groups import cpu_devices, load_note, machine, versions

if TYPE_CHECKING:
    from backends.core.run_state import Run
    from backends.device.model_runtime import DeviceSpec
    from backends.inference.pure_inference import Measured, Perf
    from backends.inference.runtime_registry import Chosen

Say = Callable[[Line], None]
PACKAGES = ("numpy", "onnxruntime", "openvino", "onnxruntime-cann")
"""Whose versions a report names."""
MOST_OPERATORS = 10


def bench_infer(workspace: Path | None, run: Run | None, asked: InferBench, say: Say) -> BenchReport:
    """Pure inference on the devices where a model is known; and what our loop and packing do on the null runtime."""
    before = machine()
    figures: list[BenchFigure] = []
    notes = list(load_note(before))
    settings: dict[str, Scalar] = {"loop": asked.loop}
    model = _model(run) if asked.model is None else ""
    untuned = latest_outputs(workspace, run).get("untuned") if asked.model is None else None
    asked = filled(workspace, run, asked)
    if asked.model is None:
        notes.append(line("no model is known, so no device is measured: give --model, or run a workspace first"))
    else:
        _refuse_data_elsewhere(asked.model)
        operators = tuple(_operators(workspace or Path.cwd(), asked, say)) if asked.is_profiled else ()
        perf = measure_devices(workspace or Path.cwd(), asked, say)
        figures += [*_perf_figures(perf, model), *operators]
        if untuned is not None and asked.model.suffix == ".om":
            say(line("the model as it was before tuning"))
            before_tuning = measure_devices(workspace or Path.cwd(), replace(asked, model=untuned, store=None), say)
            figures.append(_gain(perf, before_tuning))
        label = " simulated" if os.environ.get(SIMULATED) else ""
        notes += simulated_note()
        settings |= {"runtime": perf.runtime + label, "version": perf.version + label, "batch": perf.batch}
        settings["model"] = str(asked.model)
        if asked.store is None:
            notes.append(line("no clip store is known: not measured end to end"))
        if len(perf.alone) == 1:
            notes.append(line("one device: alone and together are one measurement"))
    return BenchReport("infer", before, versions(PACKAGES), settings, tuple(figures), tuple(notes))


def simulated_note() -> tuple[Line, ...]:
    """Where a simulator stands in for the chips."""
    if not os.environ.get(SIMULATED):
        return ()
    return (line("the chips are simulated: the scores are computed on the CPU, throughput is not meaningful"),)


def _gain(tuned: Perf, untuned: Perf) -> BenchFigure:
    rates = (tuned.total(tuned.together), untuned.total(untuned.together))
    return beside("tuned", line("tuned, all devices together"), *rates, line("without tuning"))


def measure_devices(workspace: Path, asked: InferBench, say: Say) -> Perf:
    """All devices of a run, each alone and together, with a model that is known."""
    from backends.data.clip_store import ClipStore
    from backends.inference.pure_inference import measure, measure_tool

    model, chosen, devices = _place(workspace, asked, say)
    batch, loop = asked.batch or 10, asked.loop
    if chosen.info.is_tool:
        return measure_tool(model, devices, workspace, given=asked.ais_bench, batch=batch, loop=loop, say=say)
    return measure(
        chosen,
        model,
        devices,
        workspace,
        batch=batch,
        loop=loop,
        clip=asked.clip,
        store=asked.store,
        clips=ClipStore.open(asked.store).clip_count if asked.store else 0,
        say=say,
    )


def _place(workspace: Path, asked: InferBench, say: Say) -> tuple[Path, Chosen, tuple[DeviceSpec, ...]]:
    """The model, the runtime and the devices of a run. InputError or NeedError where one of them is not there."""
    from backends.inference import runtime_registry as registry

    target, model = asked.target or "cpu", asked.model
    chosen = registry.choose(target, asked.runtime or "auto", asked.acl_python)
    if chosen.note is not None:
        say(chosen.note)
    if model is None or not model.is_file():
        raise InputError("{path}: no such model", hint="give --model", path=str(model))
    return model, chosen, _devices(workspace, target, chosen.info.name, asked.devices)


def _operators(workspace: Path, asked: InferBench, say: Say) -> Iterator[BenchFigure]:
    """The operators that take most of a loop's time on the first device, the dearest first."""
    from backends.inference.operator_profile import profile

    model, chosen, devices = _place(workspace, asked, say)
    say(line("{device} under msprof", device=devices[0].id))
    clip = asked.clip or ClipShape(asked.batch or 10)
    found = profile(chosen, model, devices[0], workspace, clip, loop=asked.loop, ais_bench=asked.ais_bench)
    total = sum(one.total_us for one in found)
    for number, one in enumerate(found[:MOST_OPERATORS], 1):
        what = line("{operator} ({kind}), {n} calls", operator=one.name, kind=one.kind, n=one.calls)
        yield beside(f"operator_{number}", what, one.total_us, total, line("all operators"), unit="us")


def _devices(workspace: Path, target: str, name: str, wanted: tuple[int, ...] | None) -> tuple[DeviceSpec, ...]:
    """The groups of cores, or the chips, that a run would take."""
    from backends.ascend.chip_query import ask_chips
    from backends.inference.select_devices import VISIBLE, choose_chips, none_taken

    if target == "cpu" or name == "null":
        return cpu_devices(wanted)
    choice = choose_chips(ask_chips(workspace), wanted, os.environ.get(VISIBLE))
    taken = tuple(device for device in choice.devices if device.id not in choice.left_out)
    if not taken:
        raise none_taken(choice)
    return taken


def _refuse_data_elsewhere(model: Path) -> None:
    """An ONNX file may be anybody's; an .om holds all of itself."""
    from backends.models.onnx_file import refuse_data_elsewhere

    if model.suffix == ".onnx":
        refuse_data_elsewhere(model)


def filled(workspace: Path | None, run: Run | None, asked: InferBench) -> InferBench:
    """What was not said is taken from the workspace: its settings, and what its latest run made."""
    if workspace is None:
        return asked
    from backends.workspace.settings_file import read_settings

    settings = read_settings(workspace)
    infer, made = settings.infer, latest_outputs(workspace, run)
    target = asked.target or infer.target
    model = asked.model or made.get("om" if target == "ascend" and asked.runtime != "cann" else "onnx")
    return replace(
        asked,
        model=model,
        store=asked.store or made.get("store"),
        target=target,
        runtime=asked.runtime or (infer.runtime if infer.runtime != "null" else "auto"),
        devices=asked.devices if asked.devices is not None else infer.devices,
        batch=asked.batch or infer.batch,
        ais_bench=asked.ais_bench or infer.ais_bench,
        acl_python=asked.acl_python or infer.acl_python,
        clip=ClipShape(asked.batch or infer.batch, settings.preprocess.clip_frames, settings.preprocess.size),
    )


def latest_outputs(workspace: Path | None, run: Run | None) -> Mapping[str, Path]:
    """Annotation, models and clip store of a run, by output; only what is still there."""
    from backends.engine.folders import Folders

    found: dict[str, Path] = {}
    if run is None or workspace is None:
        return found
    for stage in run.stages:
        if stage.name in ("annotate", "preprocess", "simplify", "compile") and stage.outcome and stage.settled:
            folder = Folders(workspace).artifact(stage.name, stage.fingerprint)
            found.update({name: folder / path for name, path in stage.outcome.outputs.items()})
    return {name: path for name, path in found.items() if path.exists()}


def _model(run: Run | None) -> str:
    """What the run's export found in the checkpoint; empty where it exported none."""
    export = next((stage.outcome for stage in run.stages if stage.name == "export"), None) if run else None
    return published_model(export.figures) if export else ""


def published_total(perf: Perf, model: str) -> float | None:
    """Clips/s that were published for these devices with this model and batch; None where one of them has no figure."""
    chips = [next(iter(published_rates(row.name, model, perf.batch)), None) for row in perf.alone]
    return sum(chip.clips_per_s for chip in chips if chip) if all(chips) else None


def _perf_figures(perf: Perf, model: str) -> Iterator[BenchFigure]:
    for row in perf.alone:
        yield from _alone(row, published_rates(row.name, model, perf.batch))
    total = published_total(perf, model)
    against = line("{n} times the published figure", n=len(perf.alone)) if total else Line("")
    for name, what, rows in (
        ("together", line("{n} devices together", n=len(perf.together)), perf.together),
        ("end_to_end", line("end to end: store, host, device and back"), perf.end_to_end),
    ):
        yield beside(name, what, perf.total(rows), total, against)
        if rows:
            worst = max(row.p95_ms for row in rows if row.p95_ms is not None) if rows[0].p95_ms is not None else None
            text = line("{what}: p95 of a batch, the slowest device", what=str(what))
            yield BenchFigure(f"{name}_p95_ms", text, worst, "ms")


def _alone(row: Measured, published: tuple[PublishedRate, ...]) -> Iterator[BenchFigure]:
    label = f"{row.device} {row.name}".strip()
    rate, what = row.compute_clips_per_s, line("{device} alone, compute only", device=label)
    for number, one in enumerate(published):
        against = line("{chip}, {where}", chip=one.chip, where=str(one.source))
        name = f"{row.device}_compute" + ("" if not number else f"_{number + 1}")
        yield beside(name, what, rate, one.clips_per_s, against)
    if not published:
        yield BenchFigure(f"{row.device}_compute", what, rate)
    yield BenchFigure(f"{row.device}_median_ms", line("{device}: median of a batch", device=label), row.median_ms, "ms")
    yield BenchFigure(f"{row.device}_p95_ms", line("{device}: p95 of a batch", device=label), row.p95_ms, "ms")
    if row.clips_per_s is not None:
        yield BenchFigure(f"{row.device}_wall", line("{device} alone, by the clock", device=label), row.clips_per_s)
