"""What the options of `r3d-tui step` hand to the stages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from backends.core.events import Outcome
from backends.data.data_specs import StepParams
from backends.evaluate.evaluate import StepEvaluateParams
from backends.evaluate.score import StepScoreParams
from backends.models.model_specs import StepExportParams
from r3d_tui.commands import step as steps

UNNEEDED = {"root_path", "video_path", "annotation_path", "result_path", "dataset"}
"""Options of the guide's export script that decide nothing."""


@pytest.mark.parametrize(
    ("arguments", "kind", "ignored"),
    [
        ("preprocess --video_path=v --annotation_path=a --output_path=o --subset=training", StepParams, set()),
        ("export --resume_path=p", StepExportParams, UNNEEDED),
        ("score results 1", StepScoreParams, set()),
        ("evaluate a.json v.json", StepEvaluateParams, set()),
    ],
)
def test_a_stage_knows_every_option_that_its_step_takes(
    monkeypatch: pytest.MonkeyPatch, arguments: str, kind: type, ignored: set[str]
) -> None:
    """What a stage's params lack is passed over without a word, so an option would do nothing."""
    handed: dict[str, Any] = {}

    def run(entry: str, stage: str, out: object, params: Mapping[str, Any]) -> Outcome:
        handed.update(params)
        return Outcome(figures={"accuracy": 1.0})

    monkeypatch.setattr(steps, "run", run)
    done = CliRunner().invoke(steps.app, arguments.split())
    assert 0 == done.exit_code, done.output
    known = {field.name for field in msgspec.structs.fields(kind)}
    assert set() == handed.keys() - known - ignored
