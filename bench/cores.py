"""How frames and clips scale with cores: measured at one process, two and one a core, and a model of a large server.

The model is arithmetic on what was measured here: the work of a frame over all cores at the efficiency of two, but
never faster than the one process that hands the work out. Nothing was run on such a server.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from backends.core.command_reports import BenchFigure, BenchReport, beside
from backends.core.events import Outcome
from backends.core.messages import Line, Scalar, line
from backends.core.stage_request import Request, Upstream
from backends.data.annotation import read_annotation
from backends.data.clip_writer import HANDS
from backends.data.data_specs import PreprocessParams, clips
from backends.monitor.cpu_groups import load_note, machine, versions
from bench.processes import Say, middle
from bench.races import EFFICIENCY, sample_frames
from bench.stage_process import StageRun, run_apart

HMDB51_FRAMES = 128_067
"""Frames that the clips of its split 1, validation, use."""
IMPORTED = ("numpy", "cv2", "av", "simplejpeg", "PIL.Image", "backends.data.video_clips", "backends.data.decode")
"""What the stages import: once a process, whatever the number of frames."""
SERVER = 64
"""Cores of the server that is modelled."""


class Way(Struct, frozen=True):
    """One stage, from one kind of input."""

    name: str
    what: Line
    entry: str


WAYS = (
    Way("frames", line("videos to a folder of JPEG files"), "backends.data.frames:run"),
    Way("videos", line("videos to clips, in memory"), "backends.data.preprocess:run"),
    Way("jpegs", line("JPEG files to clips"), "backends.data.preprocess:run"),
)


class Scaling(Struct, frozen=True):
    """One way at several numbers of workers; every list is of one figure a round."""

    frames: int
    seconds: Mapping[int, tuple[float, ...]]
    cpu_s: tuple[float, ...]
    """Of one worker's run."""
    serial_s: tuple[float, ...]
    """Of the process that hands the work out, at the most workers: of its main thread, and of those that write clips
    beside each other."""

    def rate(self, workers: int) -> float:
        """Frames a second."""
        return self.frames / statistics.median(self.seconds[workers])

    @property
    def efficiency(self) -> float:
        """Of two workers beside twice one."""
        return self.rate(2) / (2 * self.rate(1))


def model_s(frames: int, scaling: Scaling, cores: int) -> float:
    """Seconds for so many frames on so many cores, by the figures of a few."""
    work, serial = (statistics.median(one) / scaling.frames for one in (scaling.cpu_s, scaling.serial_s))
    return frames * max(work / (cores * min(1.0, scaling.efficiency)), serial)


def bench_cores(videos: Path | None, count: int, rounds: int, say: Say) -> BenchReport:
    """Every way in every round with one worker, two, and one a core."""
    before, cores = machine(), len(os.sched_getaffinity(0))
    numbers = sorted({1, 2, cores})
    with tempfile.TemporaryDirectory(prefix="r3d-bench-") as name:
        scratch = Path(name)
        films, frames, annotation = sample_frames(scratch, count, say, videos)
        given = {"frames": {"videos": films, "annotation": annotation}, "videos": {"videos": films},
                 "jpegs": {"frames": frames}}  # fmt: skip
        found: dict[tuple[str, int], list[StageRun]] = {}
        for number in range(rounds):
            for way in WAYS:
                for workers in numbers:
                    text = line("round {n} of {rounds}: {what}, {workers}", n=number + 1, rounds=rounds,
                                what=str(way.what), workers=workers)  # fmt: skip
                    say(text)
                    run = _run(way, given[way.name], annotation, workers, scratch / f"{way.name}-{number}-{workers}")
                    found.setdefault((way.name, workers), []).append(run)
        used = _frames_used(annotation)
    figures = [one for way in WAYS for one in _figures(way, _scaling(way, used, numbers, found), numbers)]
    settings: dict[str, Scalar] = {"videos": count, "frames": used, "real": videos is not None, "rounds": rounds}
    note = line("figures of {cores} cores are a model, measured at {numbers} workers here", cores=SERVER,
                numbers=", ".join(map(str, numbers)))  # fmt: skip
    packages = ("av", "simplejpeg", "numpy")
    return BenchReport("cores", before, versions(packages), settings, tuple(figures), (*load_note(before), note))


def _run(way: Way, inputs: Mapping[str, Path], annotation: Path, workers: int, folder: Path) -> StageRun:
    folder.mkdir()
    params = {} if way.name != "frames" else {"clips": {"frames": 16, "stride": 16, "most": 10}}
    upstream = {} if way.name == "frames" else {
        "annotate": Upstream(annotation.parent, Outcome(outputs={"annotation": annotation.name}))
    }  # fmt: skip
    out, scratch, stage = folder / "out", folder / "scratch", way.entry.split(".")[2].partition(":")[0]
    request = Request(stage, way.entry, 1, folder, out, scratch, params, {"workers": workers}, inputs, upstream)
    request.scratch.mkdir()
    return run_apart(request, IMPORTED)


def _frames_used(annotation: Path) -> int:
    """Frames that the clips use, each counted once."""
    params, total = PreprocessParams(), 0
    for video in read_annotation(annotation).subset(params.subset):
        windows = clips(video.first, video.end, params.clip_frames, params.clip_stride, params.max_clips)
        total += len({number for window in windows for number in window})
    return total


def _scaling(
    way: Way, frames: int, numbers: Sequence[int], found: Mapping[tuple[str, int], Sequence[StageRun]]
) -> Scaling:
    seconds = {workers: tuple(run.seconds for run in found[way.name, workers]) for workers in numbers}
    last = found[way.name, numbers[-1]]
    serial = tuple(run.main_s + (run.own_s - run.main_s) / HANDS for run in last)
    return Scaling(frames, seconds, tuple(run.cpu_s for run in found[way.name, 1]), serial)


def _figures(way: Way, scaling: Scaling, numbers: Sequence[int]) -> Iterator[BenchFigure]:
    what = str(way.what)
    for workers in numbers:
        runs = tuple(scaling.frames / one for one in scaling.seconds[workers])
        text = line("{what}, workers: {n}", what=what, n=workers)
        against, reference = line("{n} times one", n=workers), workers * scaling.rate(1) if workers > 1 else None
        yield beside(f"{way.name}_{workers}", text, middle(runs), reference, against, unit="frames/s", runs=runs,
                     wanted=EFFICIENCY if workers == 2 else None)  # fmt: skip
    for name, text, values in (
        ("work", line("{what}: processor time of a frame", what=what), scaling.cpu_s),
        ("serial", line("{what}: of it what one process does for all", what=what), scaling.serial_s),
    ):
        yield BenchFigure(f"{way.name}_{name}_us", text, 1e6 * statistics.median(values) / scaling.frames, "µs")
    text = line("model: {what}, HMDB51's validation on {n} cores", what=what, n=SERVER)
    yield BenchFigure(f"{way.name}_{SERVER}_s", text, model_s(HMDB51_FRAMES, scaling, SERVER), "s")
