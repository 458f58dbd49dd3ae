"""The untrained model for measuring is the guide's network in everything but its weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.samples import sample_model


def test_an_untrained_model_has_the_guides_ends(tmp_path: Path) -> None:
    """It passes ONNX's own check and takes batches of the guide's clips."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load(sample_model(tmp_path / "model.onnx", depth=10, classes=7, batch=3))
    onnx.checker.check_model(model)
    ends = [(end.name, [dim.dim_value for dim in end.type.tensor_type.shape.dim])
            for end in (*model.graph.input, *model.graph.output)]  # fmt: skip
    assert [("input", [3, 3, 16, 112, 112]), ("output", [3, 7])] == ends
