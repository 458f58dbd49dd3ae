"""Tests of `backends.models.export` and `backends.models.simplify`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from backends.core.events import StageNote
from backends.core.messages import InputError, StageError
from backends.core.model_io import ClipShape
from backends.models import onnx_file, simplify
from backends.models.checkpoint import read_checkpoint
from backends.models.export import run, step_export
from backends.models.model_specs import ExportParams
from backends.models.network import Wanted
from backends.worker.job import Job
from tests.models.small import save_checkpoint

MakeJob = Callable[..., Job]


def exported(make_job: MakeJob, checkpoint: Path, clip: ClipShape | None = None) -> Job:
    """A job of which the export stage has run."""
    job = make_job("export", ExportParams(Wanted(10, 5), clip or ClipShape(2, 16, 32)), {"checkpoint": checkpoint})
    run(job)
    return job


def test_export_gives_a_checked_model_and_its_figures(make_job: MakeJob, small_checkpoint: Path) -> None:
    """The stage writes model.onnx, and says what it holds and its digest."""
    job = make_job("export", ExportParams(Wanted(10, 5)), {"checkpoint": small_checkpoint})
    outcome = run(job)
    path = job.out / outcome.outputs["onnx"]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == outcome.digest
    expected = {"arch": "resnet-10", "depth": 10, "classes": 5, "opset": 11, "nodes": 29, "batch": 10, "epoch": 7}
    assert expected == {name: outcome.figures[name] for name in expected}
    assert path.stat().st_size == outcome.figures["bytes"]
    assert read_checkpoint(small_checkpoint).parameters == outcome.figures["parameters"]
    assert (("output", (10, 5)),) == onnx_file.facts(onnx_file.load(path)).outputs


def test_export_without_a_checkpoint(make_job: MakeJob) -> None:
    """A missing entry in r3d.toml is said as such."""
    with pytest.raises(InputError, match="no checkpoint"):
        run(make_job("export", ExportParams()))


def test_warnings_of_the_checkpoint_are_noted(make_job: MakeJob, tmp_path: Path) -> None:
    """What is odd about a checkpoint is a note of the stage."""
    job = exported(make_job, save_checkpoint(tmp_path / "c.pth", arch="resnet-18"))
    notes = [str(event.text) for event in job.said if isinstance(event, StageNote)]  # type: ignore[attr-defined]
    assert [
        "the checkpoint is named resnet-18, its tensors are those of resnet-10",
        "no opts.json of this network beside the checkpoint: conv1_t_stride is 1, no_max_pool false",
    ] == notes


def test_step_takes_the_guides_line(make_job: MakeJob, small_checkpoint: Path, tmp_path: Path) -> None:
    """The guide's options export to the file that is named; those that decide nothing are taken and ignored."""
    target = tmp_path / "new" / "X.onnx"
    guide = {"root_path": "./", "video_path": "hmdb51", "annotation_path": "a.json", "result_path": "r", "dataset": "x"}
    params = {"resume_path": str(small_checkpoint), "output": str(target), "model": "resnet", "model_depth": 10}
    outcome = step_export(make_job("step", {**guide, **params, "n_classes": 5, "resnet_shortcut": "B"}))
    assert (("input", (10, 3, 16, 112, 112)),) == onnx_file.facts(onnx_file.load(target)).inputs
    assert str(target) == outcome.outputs["onnx"]


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("model", "slowfast", "the model slowfast is not known here (give --model as one of densenet, "),
        ("model", "densenet", "the checkpoint has family resnet (a resnet-10 of 5 classes"),
        ("resnet_shortcut", "C", "unknown shortcut type C"),
        ("conv1_t_stride", 0, "conv1_t_stride is 0"),
        ("model_depth", 50, "3), 50 was requested"),
        ("n_classes", 51, "3), 51 was requested"),
    ],
)
def test_step_refuses_wrong_options(
    make_job: MakeJob, small_checkpoint: Path, tmp_path: Path, option: str, value: Any, expected: str
) -> None:
    """An option that does not fit is refused, and no file is written."""
    params = {"resume_path": str(small_checkpoint), "output": str(tmp_path / "X.onnx"), option: value}
    with pytest.raises(InputError, match=re.escape(expected)):
        step_export(make_job("step", params))
    assert not (tmp_path / "X.onnx").exists()


def test_simplified_model_keeps_ends_and_opset(make_job: MakeJob, small_checkpoint: Path) -> None:
    """The simplified model has the exported one's ends and opset, and a digest that repeats."""
    source = exported(make_job, small_checkpoint)
    upstream = {"export": (source.out, {"onnx": "model.onnx"})}
    first, second = (simplify.run(make_job("simplify", upstream=upstream)) for _ in range(2))
    before = onnx_file.facts(onnx_file.load(source.out / "model.onnx"))
    after = onnx_file.facts(onnx_file.load(source.out.parent / "simplify" / first.outputs["onnx"]))
    assert (before.inputs, before.outputs, 11, 6) == (after.inputs, after.outputs, after.opset, after.ir_version)
    assert (29, 29) == (first.figures["nodes_before"], first.figures["nodes"])
    assert first.digest == second.digest


def test_simplify_takes_idle_nodes_away(make_job: MakeJob, small_checkpoint: Path) -> None:
    """Nodes that do nothing are gone from the simplified model."""
    source = exported(make_job, small_checkpoint)
    model = onnx_file.load(source.out / "model.onnx")
    last = model.graph.node[-1]
    last.output[0] = "before"
    model.graph.node.append(onnx.helper.make_node("Identity", ["before"], ["output"]))
    (source.out / "idle.onnx").write_bytes(onnx_file.to_bytes(model))
    outcome = simplify.run(make_job("simplify", upstream={"export": (source.out, {"onnx": "idle.onnx"})}))
    assert (30, 29) == (outcome.figures["nodes_before"], outcome.figures["nodes"])


def test_simplifier_that_fails_is_one_line(
    make_job: MakeJob, small_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What onnxslim raises becomes one line with its reason."""

    def fail(_: object) -> None:
        raise RuntimeError("no\nway")

    source = exported(make_job, small_checkpoint)
    monkeypatch.setattr("onnxslim.slim", fail)
    with pytest.raises(StageError, match="onnxslim failed: RuntimeError: no way"):
        simplify.run(make_job("simplify", upstream={"export": (source.out, {"onnx": "model.onnx"})}))
