"""What the CPU runtimes make of a machine: multiply-adds a second of a model beside those of a plain matrix product.

Everything is measured in turn in one process, so that what else the machine does falls on all of it. A process of its
own, since NumPy's threads are fixed when it is imported. It refuses to know clips and how figures are shown.
"""

from __future__ import annotations

import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from backends.core.codec import dumps, loads
from backends.core.messages import InputError, StageError
from backends.core.model_io import ClipShape
from backends.core.processes import child_environment
from backends.device.model_runtime import DeviceSpec, Runtime, load
from backends.inference.runtime_registry import known_runtimes

SGEMM = "sgemm"
SIDE = 2048
"""Rows and columns of the matrices: 17 GFLOP a product, which every library runs at its full rate."""
MOST_S = 600


class CpuRate(Struct, frozen=True):
    """One contender: the matrix product, or a runtime by name. Medians of the rounds."""

    name: str
    version: str
    gflop_per_s: float
    """By the wall clock, on all threads; a multiply-add is two operations."""
    gflop_per_core_s: float
    """By processor time, which waiting for other work does not touch: what one core makes of a second."""
    clips_per_s: float | None = None
    """None of the matrix product."""


class CpuBench(Struct, frozen=True):
    """What one run found."""

    threads: int
    batch: int
    gmac_per_clip: float
    rates: tuple[CpuRate, ...]

    def share(self, name: str, *, cores: bool = False) -> float | None:
        """A runtime's rate over the matrix product's, by the wall clock or (`cores`) by processor time."""
        found = {rate.name: rate.gflop_per_core_s if cores else rate.gflop_per_s for rate in self.rates}
        return found[name] / found[SGEMM] if name in found else None


def bench_cpu(
    model: Path, *, batch: int = 10, threads: int | None = None, rounds: int = 5, runtimes: Sequence[str] | None = None
) -> CpuBench:
    """Measure `runtimes` (those of the CPU that are here) on an ONNX file of fixed batch, on `threads` (all cores).

    Raises InputError where the model is none, StageError where a runtime fails.
    """
    count = threads or len(os.sched_getaffinity(0))
    names = runtimes if runtimes is not None else [name for name in ("openvino", "onnxruntime") if _there(name)]
    if not model.is_file():
        raise InputError("{path}: no such model", hint="give an .onnx of batch {n}", path=str(model), n=batch)
    command = [
        sys.executable,
        "-m",
        "bench.cpu_rate",
        str(model),
        str(batch),
        str(count),
        str(rounds),
        *names,
    ]
    environment = child_environment(
        model.parent, dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(count))
    )
    done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=MOST_S)
    if done.returncode:
        reason = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2][:300]
        raise StageError("the runtimes could not be measured: {reason}", reason=reason)
    return loads(CpuBench, done.stdout.rstrip().rpartition(b"\n")[2])


def macs_per_clip(model: Path, batch: int) -> int:
    """Multiply-adds of a clip in the convolutions and matrix products of an ONNX file; the rest is next to nothing."""
    import onnx

    graph = onnx.shape_inference.infer_shapes(onnx.load(model, load_external_data=False)).graph
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.output, *graph.input)
    }
    weights = {value.name: list(value.dims) for value in graph.initializer}
    total = 0
    for node in graph.node:
        weight = next((weights[name] for name in node.input[1:2] if name in weights), None)
        if weight is None or node.op_type not in ("Conv", "Gemm", "MatMul"):
            continue
        out = shapes[node.output[0]]
        # every value of the output takes the weights of its channel: all but the channels, whose place differs
        total += math.prod(out) * math.prod(weight) // out[1]
    return total // batch


def _there(name: str) -> bool:
    from importlib.util import find_spec

    return find_spec(known_runtimes()[name].module) is not None


def _measure(model: Path, batch: int, threads: int, rounds: int, names: Sequence[str]) -> CpuBench:
    import numpy as np

    cores = tuple(sorted(os.sched_getaffinity(0)))[:threads]
    os.sched_setaffinity(0, cores)
    random = np.random.default_rng(0)
    left, right = (random.random((SIDE, SIDE), np.float32) for _ in range(2))
    clips = random.standard_normal((batch, *ClipShape().clip), np.float32)
    work: dict[str, tuple[Callable[[], Any], float]] = {SGEMM: (lambda: left @ right, 2.0 * SIDE**3)}
    opened: dict[str, Runtime] = {name: load(known_runtimes()[name].entry)() for name in names}
    macs = macs_per_clip(model, batch)
    for name, runtime in opened.items():
        runtime.open(model, DeviceSpec("cpu:0", cores=cores), (batch, *ClipShape().clip))
        work[name] = (lambda run=runtime.run: run(clips), 2.0 * macs * batch)  # type: ignore[misc]
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in work}
    for number in range(rounds + 1):
        for name, (call, _) in work.items():
            begun, used = time.perf_counter(), time.process_time()
            call()
            if number:  # the first one warms up
                seen[name].append((time.perf_counter() - begun, time.process_time() - used))
    rates = []
    for name, (_, operations) in work.items():
        wall, used = (statistics.median(times) for times in zip(*seen[name], strict=True))
        version = opened[name].version if name in opened else f"numpy {np.__version__}"
        clip_rate = batch / wall if name in opened else None
        rates.append(CpuRate(name, version, operations / wall / 1e9, operations / used / 1e9, clip_rate))
    return CpuBench(len(cores), batch, macs / 1e9, tuple(rates))


if __name__ == "__main__":
    model, batch, threads, rounds, *names = sys.argv[1:]
    sys.stdout.write(dumps(_measure(Path(model), int(batch), int(threads), int(rounds), names)) + "\n")
