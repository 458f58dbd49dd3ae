"""The guide's pure inference by ais_bench itself: `--loop 20 --batchsize 10`, no input; chips alone and together."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from backends.ascend.ais_bench_command import Summary, pure_line, read_summary, summary_path
from backends.ascend.ais_bench_files import prepare
from backends.ascend.ais_bench_install import AisBench, probe, sourced
from backends.ascend.diagnosis import diagnose_run
from backends.core.errors import StageError
from backends.core.messages import N_, Line, line
from backends.device.model_runtime import DeviceSpec
from backends.inference.pure_inference import Measured, Perf
from backends.worker.tools import Tool

LIMIT_S = 900.0
"""For one measurement: loading, warming up, the loop, closing."""


def measure_tool(
    model: Path,
    devices: Sequence[DeviceSpec],
    workspace: Path,
    *,
    given: Path | None = None,
    batch: int = 10,
    loop: int = 20,
    say: Callable[[Line], None] = lambda _: None,
) -> Perf:
    """As `perf.measure`, the times being the tool's own. Nothing is measured end to end: a run does that.

    Raises NeedError where the tool is not here, StageError with its words where it fails.
    """
    tool = probe(given, workspace)
    with tempfile.TemporaryDirectory(prefix="r3d-perf-") as folder:
        base = Path(folder).resolve() / "ais_bench"
        ours = prepare(base, model, strict=tool.checks_paths)
        alone: list[Measured] = []
        for device in devices:
            say(line("{device} alone", device=device.id))
            alone += _round(tool, ours, base / f"alone{device.index}", (device,), workspace, batch, loop)
        together = alone
        if len(devices) > 1:
            say(line("{n} devices together", n=len(devices)))
            together = _round(tool, ours, base / "together", devices, workspace, batch, loop)
    version = f"ais_bench, generation {tool.generation}"
    return Perf("ais_bench", version, batch, loop, tuple(alone), tuple(together))


def _round(
    tool: AisBench, model: Path, folder: Path, devices: Sequence[DeviceSpec], workspace: Path, batch: int, loop: int
) -> list[Measured]:
    """One process a device, all at once."""
    running: dict[str, tuple[DeviceSpec, Tool, Path]] = {}
    try:
        for device in devices:
            place = folder / str(device.index)
            (place / "out").mkdir(mode=0o700, parents=True)
            command = pure_line(tool, model, place / "out", device.index, batch, loop)
            started = Tool(sourced(command), place, workspace, terminal=True)
            running[device.id] = (device, started, summary_path(tool, place / "out"))
        until = time.monotonic() + LIMIT_S
        while time.monotonic() < until and not all(started.gone() for _, started, _ in running.values()):
            for _, started, _ in running.values():
                started.hear()  # a tool that blocks on its words does not compute
            time.sleep(0.01)
        return [_ended(*one, batch, loop) for one in running.values()]
    finally:
        for _, started, _ in running.values():
            started.end()


def _ended(device: DeviceSpec, tool: Tool, summary: Path, batch: int, loop: int) -> Measured:
    over = tool.gone()
    ending = tool.end()
    if not over:
        hint = N_("see `npu-smi info`, or give other --devices")
        raise StageError("{device}: no answer for {s:.0f} s", hint=hint, device=device.id, s=LIMIT_S)
    if ending.status != 0:
        failure = diagnose_run(ending.status, ending.words)
        facts = {**failure.fix.facts, "device": device.id, "reason": failure.reason}
        raise StageError("{device}: {reason}", hint=failure.fix.template, **facts)
    found = read_summary(summary)
    if found is None:
        raise StageError("{device}: ais_bench wrote no summary", hint="run its line by hand", device=device.id)
    return _measured(device, found, batch, loop)


def _measured(device: DeviceSpec, found: Summary, batch: int, loop: int) -> Measured:
    batches = len(found.times_ms) or loop
    rate = 1000 * batch / found.mean_ms
    return Measured(device.id, device.name, batches, found.median_ms, found.p95_ms, found.mean_ms, rate, None)
