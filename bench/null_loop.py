"""What our loop costs and what packing saves, on the null runtime at a stated latency: no model, no chip, no JPEG.

The clips are those of a synthetic store in memory, so that neither disk nor normalisation is measured; give `store`
to read a real one. Published rates are those of the ModelZoo guide, compute only, batch 10.
"""

from __future__ import annotations

import resource
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from backends.core.events import DeviceProgress, Event, Outcome
from backends.core.published import RATES
from backends.core.stage_request import Request, Upstream
from backends.device.blank_clips import BlankClips
from backends.device.clip_format import ClipHeader
from backends.inference.batch_layout import Layout
from backends.inference.infer import run
from backends.worker.job import Job

PUBLISHED: Mapping[str, float] = {one.chip: one.clips_per_s for one in RATES[:2]}
"""Clips a second of one chip at batch 10, from the guide's table."""
HMDB51: Mapping[int, int] = {2: 30, 3: 233, 4: 178, 5: 553, 6: 146, 7: 129, 8: 46, 9: 41, 10: 174}
"""Videos by number of clips (at most ten) in HMDB51's split 1, validation; counted from the guide's annotation."""


class LoopBench(Struct, frozen=True):
    """One run of the loop."""

    chip: str
    layout: Layout
    devices: int
    videos: int
    clips: int
    batches: int
    slots: int
    latency_s: float
    """Of a batch, as published."""
    seconds: float
    """Wall time from the first device ready until the last row was durable."""
    chip_s: float
    """Batches times latency: what a chip would be busy for."""
    compute_s: float
    """Time in compute as measured, all devices together: more than `chip_s` by what the machine's scheduling adds."""
    busy: float
    """Share of the devices' wall time that `chip_s` is, while later devices start included."""
    busy_at_work: float | None
    """The same of each device from its own first batch on, in the middle; None without a latency."""
    clips_per_s: float
    host_s_per_clip: float
    """Processor time of the stage and its device processes a clip, start-up included."""


class Blank(BlankClips):
    """Blank clips of so many videos as the store's name says."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self.videos = spread(sizes)
        self.clip_count = sum(sizes)
        super().__init__(ClipHeader())

    @classmethod
    def open(cls, folder: Path) -> Blank:
        """A path's name is `blank-<videos>`: so many videos, spread as HMDB51's."""
        return cls(sample(int(folder.name.rpartition("-")[2])))


class _Video(Struct, frozen=True):
    id: str
    first: int
    clips: int
    label: str = ""


def sample(videos: int) -> list[int]:
    """Clips of so many videos, spread as in HMDB51's validation, in a fixed mixed order."""
    everything = [size for size, count in HMDB51.items() for _ in range(count)]
    # 947 is 1,530 over the golden ratio and prime: every video once before any comes again, and evenly mixed
    return [everything[(947 * place) % len(everything)] for place in range(videos)]


def bench_loop(
    chip: str = "310P",
    layout: Layout = "packed",
    *,
    videos: int = 306,
    devices: int = 1,
    batch: int = 10,
    latency_s: float | None = None,
    store: Path | None = None,
    clips: str = "",
    entry: str = "",
    om: Path | None = None,
) -> LoopBench:
    """Run the stage over the null runtime at the chip's published latency (or `latency_s` a batch).

    `clips` and `entry` name another reader of `store` and another runtime, `package.module:Class`. With `om` it is
    pyACL that runs that model; whatever stands for pyACL knows its latency, which must be the published one.
    """
    latency = batch / PUBLISHED[chip] if latency_s is None else latency_s
    params: dict[str, Any] = {"runtime": "null", "batch": batch, "layout": layout, "options": {"latency_s": latency}}
    if store is None or clips:
        params["clips"] = clips or "bench.null_loop:Blank"
    if entry:
        params["entry"] = entry
    if om is not None:
        params |= {"target": "ascend", "runtime": "acl", "options": {}}
    tuning = {"devices": list(range(devices))}
    before = _processor_s()
    with tempfile.TemporaryDirectory(prefix="r3d-bench-") as folder:
        outcome, ticks = _run(Path(folder), store or Path(folder, f"blank-{videos}"), params, tuning, om)
    used = _processor_s() - before
    figures: Mapping[str, Any] = outcome.figures
    done, seconds, chip_s = int(figures["clips"]), float(figures["seconds"]), int(figures["batches"]) * latency
    return LoopBench(
        chip,
        layout,
        devices,
        videos if store is None else int(figures["videos"]),
        done,
        int(figures["batches"]),
        int(figures["slots"]),
        latency,
        seconds,
        chip_s,
        float(figures["compute_seconds"]),
        chip_s / (seconds * devices),
        statistics.fmean(tick.mean_clips_per_s or 0.0 for tick in ticks) * latency / batch if latency else None,
        done / seconds,
        used / done,
    )


def bench_layouts(chip: str = "310P", **options: Any) -> tuple[LoopBench, LoopBench, float]:
    """Packed, the guide's, and the share of the guide's chip time that packing takes for the same scores."""
    packed, guide = (bench_loop(chip, layout, **options) for layout in ("packed", "guide"))
    return packed, guide, packed.batches / guide.batches


def _run(
    folder: Path, store: Path, params: Mapping[str, Any], tuning: Mapping[str, Any], om: Path | None
) -> tuple[Outcome, Sequence[DeviceProgress]]:
    """The stage's outcome, and each device's last tick."""
    upstream = {
        "preprocess": Upstream(store.parent, Outcome(outputs={"store": store.name})),
        "simplify": Upstream(folder, Outcome(outputs={"onnx": "none.onnx"})),
    }
    if om is not None:
        upstream["compile"] = Upstream(om.parent, Outcome(outputs={"om": om.name}))
    out, scratch = folder / "out", folder / "scratch"
    request = Request("infer", "", 1, folder, out, scratch, params, tuning, {}, upstream)
    ticks: dict[str, DeviceProgress] = {}

    def say(event: Event) -> None:
        if isinstance(event, DeviceProgress):
            ticks[event.device] = event

    return run(Job(request, say)), tuple(ticks.values())


def _processor_s() -> float:
    """Processor time of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def spread(sizes: Sequence[int]) -> tuple[_Video, ...]:
    """Videos of these numbers of clips, numbered one after another."""
    first, videos = 0, []
    for place, size in enumerate(sizes):
        videos.append(_Video(str(place), first, size))
        first += size
    return tuple(videos)
