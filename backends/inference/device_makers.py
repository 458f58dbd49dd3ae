"""What makes the devices of a run: processes of ours with a runtime in them, or a tool's runs. `infer` calls it."""

import itertools
import os
import shutil
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from msgspec import Struct

from backends.ascend import plog
from backends.ascend.ais_bench_device import ToolDevice, ToolSetup
from backends.ascend.ais_bench_files import MOST_FILES, Kind, prepare
from backends.ascend.ais_bench_install import probe
from backends.core.messages import N_, InputError, Scalar
from backends.data.clip_store import ClipIndex
from backends.device.clip_reader import ClipReader
from backends.device.model_runtime import DeviceSpec
from backends.device.protocol import CLIPS, DeviceSetup
from backends.inference.device_link import DeviceLink, ProcessLink
from backends.inference.runtime_registry import Chosen
from backends.worker.job import Job

FOLDER = "ais_bench"


class DeviceMaker(Struct, frozen=True):
    """How a device is made, and what tools measured of it."""

    make: Callable[[DeviceSpec], DeviceLink]
    tool: ToolSetup | None = None

    def figures(self) -> Mapping[str, Scalar]:
        """The tool's own figures: compute only, filler counted. None where no run of a chip succeeded."""
        if self.tool is None:
            return {}
        by_device = self.tool.summaries.values()
        rates = [statistics.fmean(one.throughput for one in some) for some in by_device if some]
        summaries = [one for some in by_device for one in some]
        times = [ms for one in summaries for ms in one.times_ms]
        return {
            "tool_throughput": sum(rates) if rates else None,
            "tool_chips": len(rates),
            "npu_compute_ms_mean": statistics.fmean(times) if times else _mean([one.mean_ms for one in summaries]),
            "npu_compute_ms_median": statistics.median(times) if times else _mean([one.median_ms for one in summaries]),
        }

    def clean(self) -> None:
        if self.tool is not None:
            shutil.rmtree(self.tool.base, ignore_errors=True)


class ToolOptions(Struct, frozen=True):
    """What a tool alone needs."""

    given: Path | None = None
    """The Python that has the tool, or an ais_infer.py."""
    kind: Kind = "float32"
    files: int = MOST_FILES
    guide_layout: bool = False


def process_maker(job: Job, chosen: Chosen, model: Path, folder: Path, batch: int, clips: str = CLIPS) -> DeviceMaker:
    """Devices that are processes of ours, behind CANN's `set_env.sh` where the runtime needs it."""
    cann, info, numbers = chosen.cann, chosen.info, itertools.count(1)

    def make(device: DeviceSpec) -> ProcessLink:
        spec = replace(device, options={**device.options, "cann": cann.version}) if cann else device
        setup = DeviceSetup(os.getpid(), info.entry, str(model), str(folder), batch, spec, clips)
        own = f"{device.id.replace(':', '')}-{next(numbers)}"
        logs = job.scratch / plog.FOLDER / own if info.in_cann else None
        return ProcessLink(setup, job.workspace, chosen, logs)

    return DeviceMaker(make)


def tool_maker(
    job: Job, model: Path, folder: Path, batch: int, store: ClipIndex, devices: Sequence[DeviceSpec], own: ToolOptions
) -> DeviceMaker:
    """Devices that are runs of ais_bench. NeedError where it is not here, InputError where it cannot take the model."""
    if model.suffix != ".om":
        hint = N_("set infer.target to ascend, and run the compile stage")
        raise InputError("{path}: ais_bench takes an .om", hint=hint, path=str(model))
    tool = probe(own.given, job.workspace)
    base = job.out / FOLDER
    setup = ToolSetup(
        tool,
        base,
        prepare(base, model, strict=tool.checks_paths),
        ClipReader.open(folder),
        batch,
        own.kind,
        _guide_files(job, store) if own.guide_layout else {},
        own.files,
        len(devices),
        job.workspace,
        job.scratch / plog.FOLDER,
        job.note,
        times_ms={device.id: [] for device in devices},
    )
    return DeviceMaker(lambda device: ToolDevice(device, setup), setup)


def _guide_files(job: Job, store: ClipIndex) -> dict[tuple[int, ...], Path]:
    preprocess = job.upstream["preprocess"]
    if not preprocess.has("bins"):
        return {}
    folder = preprocess.path("bins")
    return {tuple(video.numbers): folder / f"{video.id}.bin" for video in store.videos}


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None
