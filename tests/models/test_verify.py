"""Tests of `backends.models.verify`, `forward` and `compare`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backends.core.errors import InputError, StageError, Stopped
from backends.models import onnx_file, simplify
from backends.models.architecture import Wanted
from backends.models.export import run as export
from backends.models.model_specs import ExportParams, VerifyParams
from backends.models.verify import compare, run, spread
from backends.worker.job import Job

MakeJob = Callable[..., Job]


@pytest.fixture
def ready(make_job: MakeJob, small_checkpoint: Path, clip_store: Path) -> Callable[..., Job]:
    """Builds verify jobs on a checkpoint, its exported and simplified model and a store of 7 clips."""
    first = make_job("export", ExportParams(), {"checkpoint": small_checkpoint})
    export(first)
    models = first.out, {"onnx": "model.onnx"}
    second = make_job("simplify", upstream={"export": models})
    simplify.run(second)
    upstream: dict[str, Any] = {
        "export": models,
        "simplify": (second.out, {"onnx": "model_sim.onnx"}),
        "preprocess": (clip_store.parent, {"store": clip_store.name}),
    }
    return lambda **params: make_job("verify", VerifyParams(**params), {"checkpoint": small_checkpoint}, upstream)


def test_models_agree_with_their_checkpoint(ready: Callable[..., Job]) -> None:
    """Exported, simplified and OpenVINO's logits are those of the checkpoint on real clips, clip by clip."""
    pytest.importorskip("openvino")
    job = ready(clips=3)
    outcome = run(job)
    assert 3 == outcome.figures["clips"]
    for model in ("onnx", "sim", "openvino"):
        assert 0 <= outcome.figures[f"{model}_max_abs"] < 1e-5
        assert outcome.figures[f"{model}_cosine"] > 0.999999
        assert 1.0 == outcome.figures[f"{model}_top1"]
    document = json.loads((job.out / outcome.outputs["verify"]).read_text())
    assert [(1, "first"), (3, "first"), (5, "third")] == [(row["clip"], row["video"]) for row in document["clips"]]
    assert {"max_abs", "cosine", "top1"} == set(document["clips"][0]["sim"])


def test_runtime_that_infer_does_not_use_is_left_out(ready: Callable[..., Job]) -> None:
    """With ONNX Runtime chosen for inference, OpenVINO is not compared."""
    assert "openvino_max_abs" not in run(ready(clips=1, runtime="onnxruntime")).figures


def test_all_clips_where_fewer_are_there(ready: Callable[..., Job]) -> None:
    """Asked for more clips than there are, all are compared; the model's batch of 10 is filled up."""
    assert 7 == run(ready(clips=100, runtime="onnxruntime")).figures["clips"]


def test_changed_model_fails_and_says_by_how_much(ready: Callable[..., Job]) -> None:
    """A simplified model with one shifted bias is refused with the difference, the limit and a clip; the json stays."""
    job = ready(clips=2, runtime="onnxruntime")
    path = job.upstream["simplify"].path("onnx")
    model = onnx_file.load(path)
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == "fc.bias")
    shifted = np.frombuffer(bias.raw_data, np.float32) + np.float32([0, 0, 0.25, 0, 0])
    bias.raw_data = shifted.astype(np.float32).tobytes()
    path.write_bytes(onnx_file.to_bytes(model))
    expected = "sim: logits differ from the checkpoint's by 0.25, 0.001 is allowed (a clip of first)"
    with pytest.raises(StageError, match=re.escape(expected)):
        run(job)
    models = json.loads((job.out / "verify.json").read_text())["models"]
    assert pytest.approx(0.25, abs=1e-5) == models["sim"]["max_abs"]
    assert models["onnx"]["max_abs"] < 1e-5


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"max_abs": -1.0}, "onnx: logits differ from the checkpoint's by"),
        ({"cosine": 1.5}, "the limit is 1.500000"),
        ({"top1": 1.5}, "the top class is the checkpoint's on 1.000 of the clips, the limit is 1.500"),
    ],
)
def test_each_threshold_counts(ready: Callable[..., Job], limits: dict[str, float], expected: str) -> None:
    """Each of the three thresholds alone can fail the stage."""
    with pytest.raises(StageError, match=re.escape(expected)):
        run(ready(clips=1, runtime="onnxruntime", **limits))


def test_unreadable_model_is_one_line(ready: Callable[..., Job]) -> None:
    """A model that ONNX Runtime cannot read is named."""
    job = ready(clips=1, runtime="onnxruntime")
    job.upstream["export"].path("onnx").write_bytes(b"\x08\x06")
    with pytest.raises(StageError, match=r"model\.onnx: ONNX Runtime cannot read the model"):
        run(job)


def test_another_network_than_asked_for(ready: Callable[..., Job]) -> None:
    """The checkpoint is held against r3d.toml here too."""
    with pytest.raises(InputError, match=r"3\), 18 was requested"):
        run(ready(wanted=Wanted(depth=18)))


def test_stops_between_batches(ready: Callable[..., Job]) -> None:
    """A stop asked for before the work ends it."""
    job = ready()
    job.obey({"command": "stop"})
    with pytest.raises(Stopped):
        run(job)


@pytest.mark.parametrize(
    ("count", "wanted", "expected"),
    [(10, 3, (1, 5, 8)), (3, 10, (0, 1, 2)), (0, 10, ()), (8492, 2, (2123, 6369)), (1, 1, (0,))],
)
def test_clips_are_spread(count: int, wanted: int, expected: tuple[int, ...]) -> None:
    """Clips are chosen evenly over the store, the same ones every time."""
    assert expected == spread(count, wanted)


def test_compare_gives_the_worst_of_each() -> None:
    """Largest difference and its clip, least cosine, share of equal best classes."""
    reference = np.float32([[1, 0], [0, 2], [3, 0]])
    found = np.float32([[1, 0], [0, 2.5], [1, 2]])
    difference = compare(reference, found)
    assert (2.0, 2, 2 / 3) == (difference.max_abs, difference.worst, difference.top1)
    assert pytest.approx(1 / 5**0.5) == difference.cosine


def test_compare_never_passes_what_is_not_a_number() -> None:
    """A logit that is not a number is infinitely far, whatever the limits."""
    difference = compare(np.float32([[1, 2]]), np.float32([[np.nan, 2]]))
    assert (float("inf"), -1.0, 0.0) == (difference.max_abs, difference.cosine, difference.top1)
    with pytest.raises(ValueError, match="against"):
        compare(np.zeros((1, 2), np.float32), np.zeros((2, 2), np.float32))
