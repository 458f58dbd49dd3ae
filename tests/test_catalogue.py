"""The list of stages: what faces name, what the plan runs, and where each stage's work is found."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from backends import api
from backends.core.plan import StageSpec
from backends.core.settings import InferSettings, Settings
from backends.pipeline import STAGES, whole_plan


def test_front_ends_name_the_stages_of_the_pipeline() -> None:
    """The order of stages has one owner; front ends ask for it."""
    assert tuple(spec.name for spec in STAGES) == api.stage_names()


@pytest.mark.parametrize("target", ["cpu", "ascend"])
def test_the_plan_keeps_to_what_the_specs_say(target: str) -> None:
    """A stage hangs on earlier ones alone, and its plan says no other than its spec."""
    plan = whole_plan(Path("/w"), Settings(infer=InferSettings(target=target)))
    said = [(spec.name, spec.after) for spec in STAGES]
    assert said == [(stage.name, stage.after) for stage in plan.stages]
    assert [tuple(stage.reads) for stage in plan.stages] == [after for _, after in said]
    for number, (name, after) in enumerate(said):
        assert set(after) <= {earlier for earlier, _ in said[:number]}, name


@pytest.mark.parametrize("spec", STAGES, ids=lambda spec: spec.name)
def test_each_entry_point_is_a_function(spec: StageSpec) -> None:
    """`package.module:function` leads to something that a worker can call with a job."""
    module, _, name = spec.plan(Settings()).entry.partition(":")
    assert callable(getattr(importlib.import_module(module), name))
