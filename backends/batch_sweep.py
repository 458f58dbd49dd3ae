"""`r3d-tui bench infer --batches 1,4,8`: the model exported and compiled for each batch, and measured on the devices.

`backends.api` calls it. Each batch goes through the stages export, simplify and compile themselves, in child processes
as in a run, into a folder that is removed afterwards; nothing of the workspace changes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec.structs import replace

from backends.bench_infer import filled, measure_devices, published_total
from backends.core.command_reports import BenchFigure, BenchReport, InferBench, beside
from backends.core.errors import InputError, R3dError
from backends.core.events import Event
from backends.core.messages import Line, line
from backends.core.published import published_model
from backends.core.run_state import Run
from backends.core.settings import Settings
from backends.core.stage_request import Upstream
from backends.monitor.machine import load_note, machine, versions

STAGES = ("export", "simplify", "compile")
MOST_BATCH = 1024


def sweep(
    workspace: Path, run: Run | None, batches: Sequence[int], asked: InferBench, say: Callable[[Line], None]
) -> BenchReport:
    """Rate, p50 and p95 of each batch size on all devices together, the best one noted.

    A batch whose model cannot be made or run (memory, a limit of the compiler) is noted and left out. InputError where
    none could be measured.
    """
    from backends.workspace.settings_file import read_settings

    if not all(1 <= batch <= MOST_BATCH for batch in batches):
        raise InputError("--batches: 1 to {most} each", hint="such as 1,4,8,16", most=MOST_BATCH)
    settings, before = read_settings(workspace), machine()
    figures: list[BenchFigure] = []
    notes = list(load_note(before))
    rates: dict[int, float] = {}
    reason = Line("")
    for batch in dict.fromkeys(batches):
        say(line("batch {batch}: making the model", batch=batch))
        try:
            rows = _measured(workspace, run, settings, replace(asked, batch=batch), say)
        except R3dError as error:
            reason = error.line
            notes.append(line("batch {batch} was not measured: {reason}", batch=batch, reason=reason))
            continue
        rates[batch] = rows[0].value or 0.0
        figures += rows
    if not rates:
        raise InputError("no batch could be measured: {reason}", hint="r3d-tui doctor", reason=reason)
    best = max(rates, key=lambda batch: rates[batch])
    notes.append(line("best batch: {batch}", batch=best))
    report_settings = {"loop": asked.loop, "best_batch": best, "target": settings.infer.target}
    packages = ("numpy", "onnxruntime", "openvino", "onnxruntime-cann")
    return BenchReport("batches", before, versions(packages), report_settings, tuple(figures), tuple(notes))


def _measured(
    workspace: Path, run: Run | None, settings: Settings, asked: InferBench, say: Callable[[Line], None]
) -> list[BenchFigure]:
    """The figures of one batch: clips/s of all devices, p50 and p95 of a batch."""
    batch = asked.batch
    assert batch is not None
    with tempfile.TemporaryDirectory(prefix="r3d-bench-") as scratch:
        settings = replace(settings, infer=replace(settings.infer, batch=batch))
        model, known_as = _model(workspace, settings, Path(scratch))
        asked = replace(filled(workspace, run, replace(asked, model=model)), store=None)  # compute only
        perf = measure_devices(workspace, asked, say)
    rate, reference = perf.total(perf.together), published_total(perf, known_as)
    against = line("{n} times the published figure", n=len(perf.alone)) if reference else Line("")
    p50 = max(row.median_ms for row in perf.together)
    p95 = [row.p95_ms for row in perf.together if row.p95_ms is not None]
    name = f"batch_{batch}"
    return [
        beside(name, line("batch {batch}", batch=batch), rate, reference, against),
        BenchFigure(f"{name}_p50_ms", line("batch {batch}: p50 of a batch", batch=batch), p50, "ms"),
        BenchFigure(f"{name}_p95_ms", line("batch {batch}: p95 of a batch", batch=batch), max(p95, default=None), "ms"),
    ]


def _model(workspace: Path, settings: Settings, folder: Path) -> tuple[Path, str]:
    """The `.om` of these settings, or the simplified ONNX where nothing is compiled; and what publications call it."""
    from backends.engine.single_stage import run_step
    from backends.pipeline import whole_plan

    def quiet(_: Event) -> None:
        return

    done: dict[str, Upstream] = {}
    for stage in whole_plan(workspace, settings).stages:
        if stage.name not in STAGES or stage.skip is not None:
            continue
        out = folder / stage.name
        outcome = run_step(
            stage.entry,
            stage.params,
            stage=stage.name,
            out=out,
            on_event=quiet,
            inputs=stage.inputs,
            tuning=stage.tuning,
            upstream=done,
        )
        done[stage.name] = Upstream(out, outcome)
    last = done["compile"] if "compile" in done else done["simplify"]
    names = ("om",) if "compile" in done else (("uint8", "onnx") if settings.infer.input == "uint8" else ("onnx",))
    return next(last.path(name) for name in names if last.has(name)), published_model(done["export"].outcome.figures)
