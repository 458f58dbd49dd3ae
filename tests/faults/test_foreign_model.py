"""A hostile model in a whole command: nothing of another file is read, and the command ends in one line."""

from __future__ import annotations

from pathlib import Path

from tests.faults.demo_runs import r3d
from tests.models.test_foreign_onnx import model


def test_a_model_whose_weights_lie_elsewhere_is_not_run(tmp_path: Path) -> None:
    """`bench infer` takes any model by name: exit code 2, the path, the fix."""
    path = model(tmp_path, "/etc/passwd")
    out, err = r3d("bench", "infer", "--model", str(path), cwd=tmp_path, expect=2)
    words = f"error: {path}: its weights are to be read from /etc/passwd, which is not beside it (use a model"
    assert (b"", 1, True) == (out, err.count(b"error: "), words.encode() in err)
