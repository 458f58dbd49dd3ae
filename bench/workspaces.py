"""Whole runs, cold, from `r3d-tui run --headless`: the demo's stages, start to accuracy, verify of a large model."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from backends.core.command_reports import BenchFigure, BenchReport
from backends.core.messages import Line, Scalar, line
from backends.core.processes import our_environment
from backends.demo.demo_dataset import assets_folder
from backends.demo.films import ACTIONS
from backends.monitor.cpu_groups import load_note, machine, versions
from bench.processes import Say, middle, r3d_tui, timed
from bench.samples import sample_checkpoint, sample_films

IMPORTS = re.compile(r"^import time:\s+(\d+) \|\s+\d+ \|", re.MULTILINE)
"""A line that Python writes for each module with PYTHONPROFILEIMPORTTIME: microseconds of the module itself."""
ENDED = ("done", "cached")


class Finished(Struct, frozen=True):
    """One cold run."""

    wall_s: float
    """Of `r3d-tui run --headless`, its own start and end included."""
    stages: Mapping[str, float]
    """Seconds of each stage that did something."""
    result: Mapping[str, Any]

    @property
    def stages_s(self) -> float:
        """Of all stages, those at the same time counted each for itself."""
        return sum(self.stages.values())


def run_cold(workspace: Path, *options: str, extra: Mapping[str, str] | None = None) -> Finished:
    """Bring a workspace up to date from nothing. StageError where a stage fails."""
    shutil.rmtree(workspace / ".r3d", ignore_errors=True)
    ours = ("--workspace", str(workspace))
    taken = timed(r3d_tui(*ours, "run", "--headless", *options), workspace.with_name("run"), extra)
    asked = subprocess.run(
        r3d_tui(*ours, "status", "--json"), env=our_environment(), capture_output=True, check=True, text=True
    )
    status = json.loads(asked.stdout)
    stages = {one["name"]: one["seconds"] for one in status["stages"] if one["state"] in ENDED and one["seconds"]}
    return Finished(taken.wall_s, stages, status.get("result") or {})


def bench_demo(rounds: int, say: Say) -> BenchReport:
    """The demo's stages on this machine, and what each stage's process imports."""
    before, runs = machine(), []
    with tempfile.TemporaryDirectory(prefix="r3d-bench-") as name:
        demo = Path(name, "demo")
        say(line("making the demo"))
        timed(r3d_tui("demo", str(demo), "--headless"), Path(name, "made"))
        for number in range(rounds):
            say(line("round {n} of {rounds}: the demo", n=number + 1, rounds=rounds))
            runs.append(run_cold(demo))
        say(line("the demo with its imports counted"))
        run_cold(demo, extra={"PYTHONPROFILEIMPORTTIME": "1"})
        imports = dict(_imports(demo))
    walls, sums = tuple(run.wall_s for run in runs), tuple(run.stages_s for run in runs)
    text = line("its stages added up, one that waits for another's items in full")
    figures = [
        BenchFigure("wall_s", line("the demo, by the clock"), middle(walls), "s", walls, most=9.0),
        BenchFigure("stages_s", text, middle(sums), "s", sums),
    ]
    for stage in runs[0].stages:
        times = tuple(run.stages[stage] for run in runs if stage in run.stages)
        figures.append(BenchFigure(f"{stage}_s", Line(stage), middle(times), "s", times))
    for stage, (modules, seconds) in imports.items():
        text = line("{stage}: modules that its process imports", stage=stage)
        figures.append(BenchFigure(f"{stage}_modules", text, modules, "modules"))
        text = line("{stage}: importing them, with Python counting", stage=stage)
        figures.append(BenchFigure(f"{stage}_import_s", text, seconds, "s"))
    settings: dict[str, Scalar] = {"rounds": rounds}
    return BenchReport("demo", before, versions(("torch", "openvino")), settings, tuple(figures), load_note(before))


def _imports(workspace: Path) -> Iterator[tuple[str, tuple[int, float]]]:
    """Modules and seconds of importing them, by the stages' logs of the latest run."""
    run = max((workspace / ".r3d" / "runs").iterdir())
    for log in sorted((run / "logs").glob("*.log")):
        found = [int(one) for one in IMPORTS.findall(log.read_text("utf-8", "replace"))]
        yield log.stem.rpartition("-")[0], (len(found), sum(found) / 1e6)


ACCURACY_WAYS = {
    "videos": line("from videos"),
    "kept": line("from videos, frames kept"),
    "frames": line("from JPEG files"),
}


def bench_accuracy(videos: int, rounds: int, say: Say) -> BenchReport:
    """From `r3d-tui run` to an accuracy, the demo's model over so many films, by each of ACCURACY_WAYS."""
    before, found = machine(), dict[str, list[Finished]]()
    with tempfile.TemporaryDirectory(prefix="r3d-bench-") as name:
        scratch = Path(name)
        say(line("making {n} videos", n=videos))
        films, frames = sample_films(scratch, videos), scratch / "frames"
        timed(r3d_tui("step", "frames", films, frames), scratch / "made")
        (checkpoint,) = (assets_folder() / "demo").glob("*.pth")
        for way in ACCURACY_WAYS:
            source = ("--frames", frames) if way == "frames" else ("--videos", films)
            given = (*source, "--splits", scratch / "splits", "--checkpoint", checkpoint)
            timed(r3d_tui("init", scratch / way / "w", *given, "--devices", "0,1"), scratch / "made")
        settings = scratch / "kept" / "w" / "r3d.toml"
        settings.write_text(settings.read_text("utf-8").replace("keep_frames = false", "keep_frames = true"), "utf-8")
        for number in range(rounds):
            for way, what in ACCURACY_WAYS.items():
                say(line("round {n} of {rounds}: {way}", n=number + 1, rounds=rounds, way=str(what)))
                found.setdefault(way, []).append(run_cold(scratch / way / "w"))
    figures = []
    for way, what in ACCURACY_WAYS.items():
        walls = tuple(run.wall_s for run in found[way])
        text = line("{way} to an accuracy", way=str(what))
        figures.append(BenchFigure(f"{way}_s", text, middle(walls), "s", walls))
        for stage in found[way][0].stages:
            times = tuple(run.stages[stage] for run in found[way] if stage in run.stages)
            text = line("{stage}, {way}", stage=stage, way=str(what))
            figures.append(BenchFigure(f"{way}_{stage}_s", text, middle(times), "s"))
    result = found["videos"][0].result
    shown: dict[str, Scalar] = {
        "videos": videos,
        "rounds": rounds,
        "clips": result.get("clips"),
        "top1": result.get("top1"),
    }
    return BenchReport("accuracy", before, versions(("openvino",)), shown, tuple(figures), load_note(before))


def bench_verify(depth: int, rounds: int, say: Say) -> BenchReport:
    """The export, simplify and verify stages of a model of such depth without training, on the demo's clips."""
    before, runs = machine(), []
    with tempfile.TemporaryDirectory(prefix="r3d-bench-") as name:
        scratch = Path(name)
        films = sample_films(scratch, len(ACTIONS))
        checkpoint = sample_checkpoint(scratch / "model.pth", depth, len(ACTIONS))
        workspace = scratch / "run" / "w"
        given = ("--videos", films, "--splits", scratch / "splits", "--checkpoint", checkpoint)
        timed(r3d_tui("init", workspace, *given), scratch / "made")
        for number in range(rounds):
            say(line("round {n} of {rounds}: verify, depth {depth}", n=number + 1, rounds=rounds, depth=depth))
            runs.append(run_cold(workspace, "--to", "verify"))
    figures = []
    for stage, most in (("export", 4.0), ("simplify", None), ("verify", 12.0)):
        times = tuple(run.stages[stage] for run in runs)
        what = line("{stage}, depth {depth}", stage=stage, depth=depth)
        figures.append(BenchFigure(f"{stage}_s", what, middle(times), "s", times, most=most if depth == 50 else None))
    settings: dict[str, Scalar] = {"depth": depth, "rounds": rounds}
    packages = ("torch", "onnx", "onnxruntime", "openvino")
    return BenchReport("verify", before, versions(packages), settings, tuple(figures), load_note(before))
