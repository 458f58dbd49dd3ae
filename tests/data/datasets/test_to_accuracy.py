"""Small copies of public data sets go from `init` to the accuracy that the reference's rules give."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.faults.demo_runs import r3d
from tests.models.small import save_checkpoint


def _only(workspace: Path, pattern: str) -> Any:
    (path,) = workspace.glob(f".r3d/artifacts/{pattern}")
    return json.loads(path.read_text())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "lists", "file", "split"),
    [("ucf101", "annotation", "ucf101_01.json", 1), ("kinetics", "csv", "kinetics-700.json", 700)],
)
def test_a_public_data_set_goes_to_the_references_accuracy(
    shared: Path, tmp_path: Path, name: str, lists: str, file: str, split: int
) -> None:
    """Recognised at init, class numbers by the lists, videos without frames counted among all that are listed."""
    golden = shared / "data/golden/datasets" / name
    maker = [sys.executable, str(golden.parent / "make_frames.py"), str(golden / "frames.json"), str(tmp_path / "jpg")]
    subprocess.run(maker, check=True)
    save_checkpoint(tmp_path / "x.pth")
    given = ("--frames", "jpg", "--splits", str(golden / lists), "--checkpoint", "x.pth")
    _, said = r3d("init", "w", *given, cwd=tmp_path)
    assert {"ucf101": "UCF-101", "kinetics": "set dataset.split to one of 400, 700"}[name] in said.decode()
    settings = (tmp_path / "w/r3d.toml").read_text()
    (tmp_path / "w/r3d.toml").write_text(settings.replace("# split = 1", f"split = {split}"))
    r3d("-w", "w", "run", "--headless", cwd=tmp_path)

    truth = json.loads((golden / file).read_text())
    assert truth == _only(tmp_path / "w", "annotate/*/annotation.json")
    labels = {
        video: entry["annotations"]["label"]
        for video, entry in truth["database"].items()
        if entry["subset"] == "validation"
    }
    results = _only(tmp_path / "w", "score/*/val.json")["results"]
    assert set(json.loads((golden / "expected.json").read_text())[file]["videos"]) == set(results)
    right = sum(results[video][0]["label"] == label for video, label in labels.items() if video in results)
    report = _only(tmp_path / "w", "evaluate/*/report.json")
    assert (right / len(results), right / len(labels)) == (report["top1"], report["top1_all"])
