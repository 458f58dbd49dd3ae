"""Tests of `backends.models.verify` and `forward`."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from backends.core.codec import encode
from backends.core.events import Outcome
from backends.core.messages import InputError, StageError, Stopped
from backends.core.settings import VerifySettings
from backends.core.stage_request import Upstream
from backends.data.clip_store import ClipStore
from backends.data.score_rows import RowsWriter
from backends.models import onnx_file, simplify
from backends.models.clip_logits import spread
from backends.models.export import run as export
from backends.models.model_specs import ExportParams, VerifyParams
from backends.models.network import Wanted
from backends.models.verify import run
from backends.worker.job import Job

MakeJob = Callable[..., Job]


@pytest.fixture
def ready(make_job: MakeJob, small_checkpoint: Path, clip_store: Path) -> Callable[..., Job]:
    """Builds verify jobs on a checkpoint, its exported and simplified model and a store of 7 clips.

    infer ran `runtime` and was `moved` off the simplified model's logits; `om` is the precision mode of its .om.
    """
    first = make_job("export", ExportParams(), {"checkpoint": small_checkpoint})
    export(first)
    models = first.out, {"onnx": "model.onnx"}
    second = make_job("simplify", upstream={"export": models})
    simplify.run(second)

    def make(
        *,
        runtime: str = "onnxruntime",
        moved: float = 0.0,
        om: str | None = "",
        wanted: Wanted | None = None,
        **limits: Any,
    ) -> Job:
        write_rows(second.out / "model_sim.onnx", clip_store, moved)
        upstream: dict[str, Any] = {
            "export": models,
            "simplify": (second.out, {"onnx": "model_sim.onnx"}),
            "preprocess": (clip_store.parent, {"store": clip_store.name}),
            "infer": (clip_store.parent, {"rows": "rows.bin"}),
        }
        figures: dict[str, Any] = {"infer": {"runtime": runtime}}
        if om != "":
            upstream["compile"] = (clip_store.parent, {"om": "model.om"})
            figures["compile"] = {"precision_mode": om}
        params = VerifyParams(wanted or Wanted(), limits=VerifySettings(**limits))
        return make_job("verify", params, {"checkpoint": small_checkpoint}, upstream, figures)

    return make


def write_rows(model: Path, store: Path, moved: float = 0.0, clips: Sequence[int] = range(7)) -> None:
    """`rows.bin` beside a store: what infer would write, its first class moved."""
    session = ort.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    batch = ClipStore.open(store).batch(range(7), np.empty((10, 3, 16, 112, 112), np.float32), pad_to=10)
    logits = session.run(["output"], {"input": batch})[0]
    logits[:, 0] += moved
    save_rows(store.parent / "rows.bin", clips, logits[list(clips)])


def save_rows(path: Path, clips: Sequence[int], logits: Any) -> None:
    path.unlink(missing_ok=True)
    with closing(RowsWriter.open_or_resume(path, logits.shape[1], "test")) as rows:
        rows.append(list(clips), logits)
        rows.sync()


def test_models_agree_with_their_checkpoint(ready: Callable[..., Job]) -> None:
    """Exported, simplified and infer's logits are those of the checkpoint on real clips, clip by clip."""
    job = ready(clips=3, runtime="openvino")
    outcome = run(job)
    assert 3 == outcome.figures["clips"]
    for model in ("onnx", "sim", "openvino"):
        assert 0 <= outcome.figures[f"{model}_max_abs"] < 1e-5
        assert outcome.figures[f"{model}_cosine"] > 0.999999
        assert 1.0 == outcome.figures[f"{model}_top1"]
        assert outcome.figures[f"{model}_passed"] is True
    document = json.loads((job.out / outcome.outputs["verify"]).read_text())
    assert [(1, "first"), (3, "first"), (5, "third")] == [(row["clip"], row["video"]) for row in document["clips"]]
    assert {"max_abs", "cosine", "top1"} == set(document["clips"][0]["sim"])


def test_the_om_is_verified_by_the_rows_that_infer_wrote(ready: Callable[..., Job]) -> None:
    """Its precision mode is said, and a difference that fp16 makes is within its limits but not within float32's."""
    job = ready(runtime="acl", om="force_fp16", moved=1e-2)
    outcome = run(job)
    assert "force_fp16" == outcome.figures["precision_mode"]
    assert pytest.approx(1e-2, abs=1e-4) == outcome.figures["om_max_abs"]
    assert outcome.figures["om_passed"] is True
    document = json.loads((job.out / "verify.json").read_text())
    assert (1e-3, 0.05) == (document["limits"]["max_abs"], document["models"]["om"]["limits"]["max_abs"])
    with pytest.raises(StageError, match=re.escape("om: logits differ from the checkpoint by 0.01, 0.001 is allowed")):
        run(ready(runtime="acl", om="must_keep_origin_dtype", moved=1e-2))


def test_the_settings_replace_the_limits_of_the_om(ready: Callable[..., Job]) -> None:
    """A user's own limit counts for every precision mode; one that is not known has those of fp16."""
    assert run(ready(runtime="acl", om=None, moved=0.04)).figures["precision_mode"] is None
    with pytest.raises(StageError, match=re.escape("0.03 is allowed")) as caught:
        run(ready(runtime="acl", om=None, moved=0.04, om_max_abs=0.03))
    assert "compile.precision_mode" in str(caught.value.hint)


def test_a_simulated_chip_is_named_with_its_precision_mode(ready: Callable[..., Job]) -> None:
    """What a simulated chip computed is no fp16, and the figure says whose it is."""
    found = run(ready(runtime="acl simulated", om="force_fp16")).figures
    assert "force_fp16 simulated" == found["precision_mode"]


def test_what_failed_is_measured_all_the_same(ready: Callable[..., Job]) -> None:
    """A model over its limit leaves its figures in the stage's last tick and in verify.json."""
    job = ready(runtime="acl", om="force_fp16", moved=1.0)
    with pytest.raises(StageError, match="om: logits differ"):
        run(job)
    figures = job.said[-1].figures  # type: ignore[attr-defined]
    assert (False, True) == (figures["om_passed"], figures["onnx_passed"])
    assert pytest.approx(1.0, abs=1e-4) == json.loads((job.out / "verify.json").read_text())["models"]["om"]["max_abs"]


def test_a_clip_without_scores_cannot_pass(ready: Callable[..., Job], clip_store: Path) -> None:
    """Where infer skipped a chosen clip the stage says so, with its video."""
    job = ready(runtime="acl", om="force_fp16")
    write_rows(job.upstream["simplify"].path("onnx"), clip_store, clips=(0, 1, 2, 3, 5, 6))
    with pytest.raises(StageError, match="om: infer gave no scores for a clip of second"):
        run(job)


def test_a_given_om_is_verified_against_a_given_onnx(
    ready: Callable[..., Job], make_job: MakeJob, clip_store: Path
) -> None:
    """With model.om and model.onnx nothing is exported; the .onnx under ONNX Runtime is the reference."""
    before = ready(moved=1e-2)
    onnx = before.upstream["export"].path("onnx")
    upstream = {
        "preprocess": (clip_store.parent, {"store": clip_store.name}),
        "compile": (clip_store.parent, {"om": "model.om"}),
        "infer": (clip_store.parent, {"rows": "rows.bin"}),
    }
    figures = {"infer": {"runtime": "ais_bench"}, "compile": {"precision_mode": "force_fp16"}}
    job = make_job("verify", VerifyParams(), {"onnx": onnx}, upstream, figures)
    found = run(job).figures
    assert pytest.approx(1e-2, abs=1e-4) == found["om_max_abs"]
    assert "onnx_max_abs" not in found
    job = make_job("verify", VerifyParams(limits=VerifySettings(om_max_abs=1e-3)), {"onnx": onnx}, upstream, figures)
    with pytest.raises(StageError, match=r"from the given \.onnx by"):
        run(job)


def test_it_begins_beside_infer_and_ends_after_it(ready: Callable[..., Job], monkeypatch: pytest.MonkeyPatch) -> None:
    """While infer runs the reference is computed, giving way to it; the rows are read once infer has ended."""
    niceness: list[int] = []
    monkeypatch.setattr(os, "nice", niceness.append)
    job = ready(runtime="acl", om="force_fp16")
    whole = job.upstream["infer"]
    job.upstream = {**job.upstream, "infer": Upstream(whole.folder, Outcome({}), is_growing=True)}
    with ThreadPoolExecutor(1) as threads:
        ended = threads.submit(run, job)
        while not any("waits for infer" in str(getattr(event, "note", "")) for event in list(job.said)):  # type: ignore[attr-defined]
            assert not ended.done(), ended.result()
            time.sleep(0.01)
        job.obey({"command": "settled", "stage": "infer", "upstream": encode(whole)})
        assert ended.result(30).figures["om_passed"] is True
    assert [10] == niceness


def test_an_om_of_another_network_is_named(ready: Callable[..., Job], clip_store: Path) -> None:
    """Scores of another number of classes are no difference that could be measured."""
    job = ready(runtime="acl", om="force_fp16")
    save_rows(clip_store.parent / "rows.bin", range(7), np.zeros((7, 9), np.float32))
    with pytest.raises(StageError, match="om: 9 scores a clip, 5 are expected"):
        run(job)


def test_scores_of_no_model_are_not_verified(ready: Callable[..., Job]) -> None:
    """The null runtime's rows are left out."""
    assert "null_max_abs" not in run(ready(clips=1, runtime="null")).figures


def test_equal_files_are_computed_once(ready: Callable[..., Job], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where infer ran the very file under ONNX Runtime its rows serve; exported and simplified are one file here."""
    opened: list[str] = []
    open_session = ort.InferenceSession
    monkeypatch.setattr(ort, "InferenceSession", lambda *a, **k: opened.append(a[0]) or open_session(*a, **k))
    job = ready(runtime="onnxruntime")
    opened.clear()
    found = run(job).figures
    assert [] == opened
    assert found["onnx_max_abs"] == found["sim_max_abs"] == found["onnxruntime_max_abs"]
    job = ready(runtime="acl", om="force_fp16")
    opened.clear()
    run(job)
    assert 1 == len(opened)


def test_all_clips_where_fewer_are_there(ready: Callable[..., Job]) -> None:
    """Asked for more clips than there are, all are compared; the model's batch of 10 is filled up."""
    assert 7 == run(ready(clips=100)).figures["clips"]


def test_changed_model_fails_and_says_by_how_much(ready: Callable[..., Job]) -> None:
    """A simplified model with one shifted bias is refused with the difference, the limit and a clip; the json stays."""
    job = ready(clips=2, runtime="openvino")
    path = job.upstream["simplify"].path("onnx")
    model = onnx_file.load(path)
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == "fc.bias")
    shifted = np.frombuffer(bias.raw_data, np.float32) + np.float32([0, 0, 0.25, 0, 0])
    bias.raw_data = shifted.astype(np.float32).tobytes()
    path.write_bytes(onnx_file.to_bytes(model))
    expected = "sim: logits differ from the checkpoint by 0.25, 0.001 is allowed (a clip of first)"
    with pytest.raises(StageError, match=re.escape(expected)):
        run(job)
    models = json.loads((job.out / "verify.json").read_text())["models"]
    assert pytest.approx(0.25, abs=1e-5) == models["sim"]["max_abs"]
    assert models["onnx"]["max_abs"] < 1e-5


def test_unreadable_model_is_one_line(ready: Callable[..., Job]) -> None:
    """A model that ONNX Runtime cannot read is named."""
    job = ready(clips=1)
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
