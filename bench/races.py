"""Our commands beside the reference's, as whole processes in turn: frames, step preprocess, evaluate, export."""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from backends.core.command_reports import BenchFigure, BenchReport, beside
from backends.core.files import write_whole
from backends.core.messages import Line, Scalar, line
from backends.core.processes import python_command
from backends.monitor.cpu_groups import load_note, machine, versions
from bench.processes import Contender, Say, Taken, middle, r3d_tui, race, timed, walls
from bench.samples import repeated, sample_checkpoint, sample_films

EFFICIENCY = 0.85
"""Of two processes beside twice one, at least."""
PREPROCESS_SCRIPT = "3D-ResNets_preprocess.py"
MOST_TIMES = 2.0
"""Of the reference's script, which our evaluate may take."""


def bench_frames(videos: Path | None, count: int, rounds: int, say: Say) -> BenchReport:
    """`step frames` with one process, two and one a core, beside ffprobe and ffmpeg as the reference calls them."""
    before, cores, notes = machine(), len(os.sched_getaffinity(0)), tuple[Line, ...]()
    jobs = sorted({1, 2, cores})
    with tempfile.TemporaryDirectory(prefix="r3d-bench-") as name:
        scratch = Path(name)
        source = repeated(videos, scratch / "real", count) if videos else sample_films(scratch, count)
        contenders = [_frames(scratch, source, number) for number in jobs]
        if shutil.which("ffmpeg") and shutil.which("ffprobe"):
            command = python_command("bench.guide_way", "frames", str(source), ".", str(cores))
            what = line("ffprobe and ffmpeg a video, {n} at once", n=cores)
            contenders.append(Contender("ffmpeg", what, command, scratch / "ffmpeg"))
        else:
            notes = (line("no ffmpeg here: nothing to compare with"),)
        taken = race(contenders, rounds, say)
        made = sum(1 for _ in contenders[0].out.rglob("*.jpg"))
        number = sum(1 for _ in source.glob("*/*"))
    rates = _by_clock(taken, made)
    figures = [*_scaling(contenders, rates, jobs)]
    if "ffmpeg" in taken:
        against = line("ffprobe and ffmpeg")
        for what, unit, values in (
            (line("frames, processes as cores"), "frames/s", rates),
            (line("frames, the same a second of processor time"), "frames/s", _by_cpu(taken, made)),
        ):
            name = "over_ffmpeg" if values is rates else "over_ffmpeg_cpu"
            ours, other = middle(values[f"jobs_{cores}"]), middle(values["ffmpeg"])
            figures.append(beside(name, what, ours, other, against, unit=unit, wanted=1.0))
    settings: dict[str, Scalar] = {"videos": number, "frames": made, "real": videos is not None, "rounds": rounds}
    packages = ("av", "simplejpeg", "opencv-python-headless")
    return BenchReport("frames", before, versions(packages), settings, tuple(figures), (*load_note(before), *notes))


def _frames(scratch: Path, source: Path, jobs: int) -> Contender:
    command = r3d_tui("step", "frames", source, ".", f"--n_jobs={jobs}")
    return Contender(f"jobs_{jobs}", line("step frames, processes: {n}", n=jobs), command, scratch / f"jobs-{jobs}")


def _by_clock(taken: dict[str, tuple[Taken, ...]], made: int) -> dict[str, tuple[float, ...]]:
    return {name: tuple(made / run.wall_s for run in runs) for name, runs in taken.items()}


def _by_cpu(taken: dict[str, tuple[Taken, ...]], made: int) -> dict[str, tuple[float, ...]]:
    return {name: tuple(made / run.cpu_s for run in runs) for name, runs in taken.items()}


def _scaling(
    contenders: Sequence[Contender], rates: dict[str, tuple[float, ...]], jobs: Sequence[int]
) -> list[BenchFigure]:
    """Each number of processes beside so many times one."""
    one, found = middle(rates["jobs_1"]), []
    for contender, number in zip(contenders, jobs, strict=False):
        runs = rates[contender.name]
        reference = None if one is None or number == 1 else number * one
        text, wanted = line("{n} times one", n=number), EFFICIENCY if number == 2 else None
        found.append(
            beside(
                contender.name, contender.what, middle(runs), reference, text, unit="frames/s", runs=runs, wanted=wanted
            )
        )
    return found


def bench_step_preprocess(reference: Path | None, count: int, rounds: int, say: Say) -> BenchReport:
    """`step preprocess` beside the guide's way, each a whole process from frames in the page cache to `.bin` files."""
    before = machine()
    with tempfile.TemporaryDirectory(prefix="r3d-bench-") as name:
        scratch = Path(name)
        _, frames, annotation = sample_frames(scratch, count, say)
        ours = r3d_tui(*_preprocess_options(frames, annotation))
        contenders = (
            Contender("ours", line("step preprocess"), ours, scratch / "ours"),
            _guide_preprocess(reference, frames, annotation, scratch / "guide"),
        )
        taken = race(contenders, rounds, say)
        equal = _equal_files(*(one.out / "bins" for one in contenders))
        videos = sum(1 for _ in (contenders[0].out / "bins").glob("*.bin"))
    against, figures = contenders[1].what, list[BenchFigure]()
    for figure, text, rates, wanted in (
        ("ours", line("step preprocess, whole process"), _by_clock(taken, videos), 6.0),
        ("ours_cpu", line("the same a second of processor time"), _by_cpu(taken, videos), None),
    ):
        mine, guide = middle(rates["ours"]), middle(rates["guide"])
        figures.append(beside(figure, text, mine, guide, against, unit="videos/s", wanted=wanted))
    text = line("{n} of {videos} files hold the same bytes", n=equal, videos=videos)
    settings: dict[str, Scalar] = {"videos": videos, "rounds": rounds}
    packages = ("numpy", "pillow", "simplejpeg", "torch")
    return BenchReport(
        "step preprocess", before, versions(packages), settings, tuple(figures), (*load_note(before), text)
    )


def sample_frames(scratch: Path, count: int, say: Say, real: Path | None = None) -> tuple[Path, Path, Path]:
    """Videos, their frames and their annotation, by our own steps: of films, or of real videos again and again."""
    say(line("making frames of {n} videos", n=count))
    videos = repeated(real, scratch / "videos", count) if real else sample_films(scratch, count)
    if real:
        marks = [f"{path.name} 2 \n" for path in sorted((videos / "all").iterdir())]
        write_whole(scratch / "splits" / "all_test_split1.txt", "".join(marks).encode())
    frames = scratch / "frames"
    timed(r3d_tui("step", "frames", videos, frames), scratch)
    timed(r3d_tui("step", "annotate", scratch / "splits", frames, scratch / "annotation.json"), scratch)
    return videos, frames, scratch / "annotation.json"


def _preprocess_options(frames: Path, annotation: Path) -> tuple[str, ...]:
    options = {"video_path": frames, "annotation_path": annotation, "output_path": "bins", "dataset": "hmdb51",
               "inference_batch_size": 1}  # fmt: skip
    return ("step", "preprocess", *(f"--{name}={value}" for name, value in options.items()))


def _guide_preprocess(reference: Path | None, frames: Path, annotation: Path, out: Path) -> Contender:
    """The guide's script where the folder holds it, else the bench's own copy of its steps."""
    script = reference / PREPROCESS_SCRIPT if reference else None
    if script is not None and script.is_file():
        command = (sys.executable, str(script.absolute()), *_preprocess_options(frames, annotation)[2:])
        return Contender("guide", line("the guide's script"), command, out)
    workers = str(len(os.sched_getaffinity(0)))
    command = python_command("bench.guide_way", "preprocess", str(frames), "bins", workers, str(annotation))
    return Contender("guide", line("the guide's way (Pillow, torch's loader)"), command, out)


def _equal_files(one: Path, other: Path) -> int:
    return sum(path.read_bytes() == (other / path.name).read_bytes() for path in one.glob("*.bin"))


def bench_evaluate(reference: Path | None, videos: int, rounds: int, say: Say) -> BenchReport:
    """`step evaluate` over so many videos of 700 classes, beside the reference's eval_accuracy.py."""
    before, notes = machine(), tuple[Line, ...]()
    with tempfile.TemporaryDirectory(prefix="r3d-bench-") as name:
        scratch = Path(name)
        files = _results(scratch, videos)
        options = ("--subset", "validation", "-k", "1", "--ignore")
        ours = r3d_tui("step", "evaluate", *files, *options)
        contenders = [Contender("ours", line("step evaluate"), ours, scratch / "ours")]
        script = reference / "util_scripts" / "eval_accuracy.py" if reference else None
        if script is not None and script.is_file():
            command = (sys.executable, str(script.absolute()), *map(str, files), *options)
            contenders.append(Contender("reference", line("eval_accuracy.py"), command, scratch / "reference"))
        else:
            notes = (line("no eval_accuracy.py: give --reference, the folder of the reference's checkout"),)
        taken = race(contenders, rounds, say)
    figures = [BenchFigure(f"{one.name}_cpu_s", line("{what}: processor time", what=str(one.what)),
                           middle([run.cpu_s for run in taken[one.name]]), "s") for one in contenders]  # fmt: skip
    if len(contenders) > 1:
        ratios = tuple(a.cpu_s / b.cpu_s for a, b in zip(taken["ours"], taken["reference"], strict=True))
        text = line("step evaluate over eval_accuracy.py, processor time")
        figures.append(BenchFigure("over_reference", text, middle(ratios), "times", ratios, most=MOST_TIMES))
    settings: dict[str, Scalar] = {"videos": videos, "classes": 700, "top_k": 5, "rounds": rounds}
    return BenchReport(
        "evaluate", before, versions(("msgspec",)), settings, tuple(figures), (*load_note(before), *notes)
    )


def _results(folder: Path, videos: int) -> tuple[Path, Path]:
    """An annotation and a val.json of 700 classes and five labels a video."""
    labels, drawn = [f"class {number:03d}" for number in range(700)], random.Random(0)
    database, results = {}, {}
    for number in range(videos):
        label = labels[number % 700]
        database[f"video_{number:07d}"] = {"subset": "validation", "annotations": {"label": label, "segment": [1, 97]}}
        chosen = [label, *drawn.sample(labels, 4)][number % 2 :]
        results[f"video_{number:07d}"] = [{"label": one, "score": 1 / (2 + n)} for n, one in enumerate(chosen)]
    annotation, result = folder / "annotation.json", folder / "val.json"
    annotation.write_text(json.dumps({"labels": labels, "database": database}), encoding="utf-8")
    result.write_text(json.dumps({"results": results}), encoding="utf-8")
    return annotation, result


def bench_export(depth: int, rounds: int, say: Say) -> BenchReport:
    """`step export` of a checkpoint without training, a whole process."""
    before = machine()
    with tempfile.TemporaryDirectory(prefix="r3d-bench-") as name:
        scratch = Path(name)
        checkpoint = sample_checkpoint(scratch / "model.pth", depth, 51)
        options = ("--model=resnet", f"--model_depth={depth}", "--n_classes=51", "--output=model.onnx")
        command = r3d_tui("step", "export", f"--resume_path={checkpoint}", *options)
        one = Contender("export", line("step export, depth {depth}", depth=depth), command, scratch / "out")
        runs = race([one], rounds, say)["export"]
    most = 4.0 if depth == 50 else None
    figures = (
        BenchFigure("export_s", Line(str(one.what)), middle(walls(runs)), "s", walls(runs), most=most),
        BenchFigure("export_cpu_s", line("the same, processor time"), middle([run.cpu_s for run in runs]), "s"),
    )
    settings: dict[str, Scalar] = {"depth": depth, "rounds": rounds}
    return BenchReport("export", before, versions(("torch", "onnx")), settings, figures, load_note(before))
