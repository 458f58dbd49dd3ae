"""`r3d-tui bench cpu`: joins a model of the guide's kind and the CPU runtimes' rates into a report."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from backends.core.command_reports import BenchFigure, BenchReport, beside
from backends.core.messages import Scalar, line
from backends.monitor.cpu_groups import load_note, machine, versions
from bench.reports import Say

if TYPE_CHECKING:
    from bench.cpu_rate import CpuBench

WANTED = 0.75
"""Share of the matrix product's rate that depth 50 is to reach on the best runtime."""


def bench_cpu(model: Path | None, depth: int, threads: int, rounds: int, say: Say) -> BenchReport:
    """The CPU runtimes on a model (one of `depth` without training where none is given) beside the machine's sgemm."""
    from bench.cpu_rate import bench_cpu as measure

    before = machine()
    with tempfile.TemporaryDirectory(prefix="r3d-bench-") as scratch:
        if model is None:
            from bench.samples import sample_model

            say(line("making a model of depth {depth}", depth=depth))
            path = sample_model(Path(scratch) / "model.onnx", depth)
        else:
            from backends.models.onnx_file import refuse_data_elsewhere

            refuse_data_elsewhere(model)
            path = model
        say(line("{rounds} rounds of every runtime and of a plain matrix product", rounds=rounds))
        found = measure(path, threads=threads or None, rounds=rounds)
    settings: dict[str, Scalar] = {
        "model": f"depth {depth}, untrained" if model is None else str(model),
        "gmac_per_clip": round(found.gmac_per_clip, 3),
        "batch": found.batch,
        "threads": found.threads,
        "rounds": rounds,
    }
    packages = ("numpy", "onnxruntime", "openvino")
    return BenchReport("cpu", before, versions(packages), settings, tuple(_figures(found)), load_note(before))


def _figures(found: CpuBench) -> Iterator[BenchFigure]:
    product, *runtimes = found.rates
    text = line("a plain float32 matrix product, NumPy")
    yield BenchFigure("sgemm", text, product.gflop_per_s, "GFLOP/s")
    yield BenchFigure("sgemm_core", line("the same a second of processor time"), product.gflop_per_core_s, "GFLOP/s")
    best = max((rate.gflop_per_core_s for rate in runtimes), default=0.0)
    for rate in runtimes:
        wanted = WANTED if rate.gflop_per_core_s == best else None
        yield BenchFigure(f"{rate.name}_clips", line("{runtime}", runtime=rate.name), rate.clips_per_s)
        text, against = line("{runtime}: multiply-adds by the clock", runtime=rate.name), line("the matrix product")
        yield beside(rate.name, text, rate.gflop_per_s, product.gflop_per_s, against, unit="GFLOP/s", wanted=wanted)
        text = line("{runtime}: the same a second of processor time", runtime=rate.name)
        name, value = f"{rate.name}_core", rate.gflop_per_core_s
        yield beside(name, text, value, product.gflop_per_core_s, against, unit="GFLOP/s", wanted=wanted)
