"""The stage as the plan has it."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from backends.core.codec import decode, dumps, encode
from backends.core.settings import DatasetSettings, InferSettings, ModelSettings, Settings
from backends.inference.infer import Params, Tuning
from backends.inference.infer_spec import INFER


def test_settings_become_params_and_tuning() -> None:
    """What decides the scores is in the fingerprint; devices and deadline are not; both are plain JSON."""
    settings = Settings(infer=InferSettings(runtime="onnxruntime", devices=(0, 2), batch=4, deadline_s=7))
    stage = INFER.plan(settings)
    params, tuning = decode(Params, encode(stage.params)), decode(Tuning, encode(stage.tuning))
    assert ("cpu", "onnxruntime", 4, "packed") == (params.target, params.runtime, params.batch, params.layout)
    assert ((0, 2), 7.0) == (tuning.devices, tuning.limits.answer_s)
    assert stage.params == INFER.plan(replace(settings, infer=replace(settings.infer, devices=None))).params
    assert dumps(stage)
    assert ("preprocess", "simplify", "compile") == stage.after


def test_a_file_of_class_names_serves_the_accuracy_so_far(tmp_path: Path) -> None:
    """It changes no score, so it is no part of the fingerprint."""
    named = Settings(dataset=DatasetSettings(labels=str(tmp_path / "names.txt")))
    assert tmp_path / "names.txt" == decode(Tuning, encode(INFER.plan(named).tuning)).names
    assert decode(Tuning, encode(INFER.plan(Settings()).tuning)).names is None
    assert INFER.plan(Settings()).params == INFER.plan(named).params


def test_the_null_runtime_learns_the_classes_from_the_settings() -> None:
    """It has no model that could tell."""
    stage = INFER.plan(Settings(infer=InferSettings(runtime="null"), model=ModelSettings(classes=9)))
    assert {"classes": 9} == decode(Params, encode(stage.params)).options


@pytest.mark.parametrize(("runtime", "need"), [("openvino", "openvino"), ("onnxruntime", "onnxruntime")])
def test_the_runtimes_module_is_a_need(runtime: str, need: str) -> None:
    """It is asked for before the run."""
    stage = INFER.plan(Settings(infer=InferSettings(runtime=runtime)))
    assert ["numpy", need] == [n.name for n in stage.needs]


@pytest.mark.parametrize("runtime", ["nonsense", "acl"])
def test_a_wrong_runtime_never_breaks_the_plan(runtime: str) -> None:
    """The plan is drawn whatever is set; the stage itself says what is wrong."""
    assert INFER.plan(Settings(infer=InferSettings(runtime=runtime))).params["runtime"] == runtime
    assert INFER.plan(Settings(infer=InferSettings(target="ascend"))).params["target"] == "ascend"


def test_no_setting_leads_to_foreign_code() -> None:
    """The entry of a test's runtime and the reader of clips cannot be reached from r3d.toml."""
    stage = INFER.plan(Settings(infer=InferSettings(runtime="os:system")))
    assert {"target", "runtime", "batch", "layout"} == set(stage.params)
