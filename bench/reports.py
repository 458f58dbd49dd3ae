"""Reports of what is measured here: frames to clips, the feed of chips, the loop. Figures beside their references."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from backends.core.command_reports import BenchFigure, BenchReport, beside
from backends.core.messages import Line, Scalar, line
from backends.core.model_io import ClipShape
from backends.monitor.cpu_groups import load_note, machine, versions

if TYPE_CHECKING:
    from bench.feed import Feed
    from bench.preprocess import PreprocessBench

Say = Callable[[Line], None]
MADE_CLIPS = 200
"""Of the store that is made where none is given: 120 MB, which stays in memory."""
BYTES_WANTED = 0.92
"""Share of their time that simulated chips are busy with uint8 clips, at least."""
HMDB51_RATIO = 850 / 1530
"""Packed batches over the guide's, of HMDB51's split 1, validation: 8,492 clips in 1,530 videos."""


def bench_preprocess(
    *, frames: Path | None, annotation: Path | None, rounds: int, workers: int, clips: int, say: Say
) -> BenchReport:
    """Frames to clips beside the guide's way and beside decoding alone."""
    from bench import preprocess

    before = machine()
    with tempfile.TemporaryDirectory(prefix="r3d-bench-") as scratch:
        found = preprocess.bench_preprocess(
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
    notes = load_note(before)
    if not found.kernel:
        notes = (*notes, line("the C kernels are not built here: pip install . with a compiler"))
    if found.rate("reference") is None:
        notes = (*notes, line("the guide's way needs torch, which is not installed: nothing to compare with"))
    packages = ("numpy", "pillow", "simplejpeg", "torch")
    return BenchReport("preprocess", before, versions(packages), settings, tuple(_preprocess_figures(found)), notes)


def bench_feed(
    store: Path | None,
    chips: Sequence[int],
    rounds: int,
    say: Say,
    *,
    frames: Path | None = None,
    annotation: Path | None = None,
    seconds: float = 5.0,
) -> BenchReport:
    """What clips cost the host, and how many chips at the published rate it keeps busy.

    JPEG files are those of `frames` with their `annotation`, or made for it.
    """
    from bench import feed
    from bench.preprocess import frame_cost

    before = machine()
    with tempfile.TemporaryDirectory(prefix="r3d-bench-") as scratch:
        place = store
        if place is None:
            place = _made_store(Path(scratch) / "store", say)
        say(line("what making clips of frames costs"))
        made = frame_cost(Path(scratch, "frames"), frames=frames, annotation=annotation, rounds=rounds)
        found = feed.bench_feed(place, chips=chips, rounds=rounds, seconds=seconds, say=say)
        kept = "made here" if place.is_relative_to(scratch) else str(place)
    text = line("no chip is here: simulated chips take the published time a batch and no core")
    settings: dict[str, Scalar] = {
        "rounds": rounds,
        "chips": ", ".join(map(str, chips)),
        "store": kept,
        "frames": made.frames,
    }
    figures = tuple(_feed_figures(found, made.cpu_s))
    return BenchReport("feed", before, versions(("numpy",)), settings, figures, (*load_note(before), text))


def bench_loop(say: Say) -> BenchReport:
    """What our loop costs and what packing saves, on the null runtime."""
    from bench.null_loop import bench_layouts

    before = machine()
    say(line("the loop on the null runtime, packed and in the guide's layout"))
    packed, guide, ratio = bench_layouts("310P", videos=306)
    text = line("chip time of packed batches over the guide's, null runtime")
    against = line("HMDB51's validation, counted")
    figures = [beside("packed_of_guide", text, ratio, HMDB51_RATIO, against, unit="")]
    for name, loop in (("loop_packed", packed), ("loop_guide", guide)):
        text = line("the loop at the 310P's published latency, {layout}", layout=loop.layout)
        rate = loop.chip_s / loop.seconds
        figures.append(beside(name, text, rate, 1.0, line("a chip that never waits"), unit="busy", wanted=0.9))
    return BenchReport("loop", before, versions(("numpy",)), {}, tuple(figures), load_note(before))


def _made_store(folder: Path, say: Say) -> Path:
    """A store of random clips: what is in them makes no difference to what is measured with it."""
    from backends.data.clip_writer import ClipWriter
    from backends.device.clip_format import ClipHeader

    say(line("making a store of {clips} clips", clips=MADE_CLIPS))
    header = ClipHeader()
    names = [f"made {number}" for number in range(MADE_CLIPS // 10)]
    with ClipWriter.open_or_resume(folder, header) as writer:
        for name in names:
            clips = memoryview(os.urandom(10 * 3 * 16 * 112 * 112))
            writer.append(name, "made", (1, 161), 10, clips)
        writer.finish(names)
    return folder


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


def _feed_figures(found: Feed, jpeg_s: float) -> Iterator[BenchFigure]:
    from bench.feed import cores_needed
    from bench.null_loop import PUBLISHED

    yield BenchFigure("jpeg_us", line("JPEG files to the store"), 1e6 * jpeg_s, "µs CPU/clip")
    for cost in found.costs:
        yield BenchFigure(f"{cost.name}_us", cost.what, 1e6 * cost.cpu_s, "µs CPU/clip")
    for run in found.runs:
        text = line("{n} simulated {chip}, {kind}", n=run.chips, chip=run.chip, kind=run.kind)
        name = f"busy_{run.chip}_{run.chips}_{run.kind}"
        if not run.checked:
            text, name = line("{runs}, no checksums", runs=str(text)), f"{name}_unchecked"
        if run.through == "acl":
            text, name = line("{runs}, through pyACL", runs=str(text)), f"{name}_acl"
        wanted = BYTES_WANTED if run.kind == "uint8" else None
        yield beside(name, text, run.busy, 1.0, line("chips that never wait"), unit="busy", wanted=wanted)
    text, against = line("floats that all cores write beside each other"), line("floats of eight 310P")
    taken = 8 * PUBLISHED["310P"] * 4 * math.prod(ClipShape().clip)
    yield beside("written_floats", text, found.written_bytes_s / 1e9, taken / 1e9, against, unit="GB/s")
    ways = (
        ("jpeg", line("JPEG files to float32"), jpeg_s + found.cpu_s("batches", "loop")),
        ("float32", line("the store to float32"), found.cpu_s("batches", "loop")),
        ("float32_unchecked", line("the store to float32, no checksums"), found.cpu_s("batches_unchecked", "loop")),
        ("uint8", line("the store to uint8"), found.cpu_s("bytes", "loop")),
        ("uint8_unchecked", line("the store to uint8, no checksums"), found.cpu_s("bytes_unchecked", "loop")),
    )
    for name, way, cpu_s in ways:
        text = line("cores that eight 310P need, {way}", way=str(way))
        yield BenchFigure(f"cores_8_310P_{name}", text, cores_needed(cpu_s, "310P", 8), "cores")
