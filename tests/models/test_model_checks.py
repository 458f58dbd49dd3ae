"""Tests of `backends.models.model_checks`: contradictions between checkpoint, data and settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from backends.core.settings import DatasetSettings, ModelSettings, Settings
from backends.models.model_checks import class_counts, model_findings
from tests.models.small import SMALL, save_checkpoint


def settings(folder: Path, classes: int, labels: int, **model: Any) -> Settings:
    """A checkpoint of so many classes and an annotation of so many labels."""
    checkpoint = save_checkpoint(folder / "c.pth", replace(SMALL, classes=classes))
    entry = {"subset": "validation", "annotations": {"label": "l0", "segment": [1, 17]}}
    table = {"labels": [f"l{number}" for number in range(labels)], "database": {"v": entry}}
    (folder / "a.json").write_text(json.dumps(table))
    return Settings(DatasetSettings(annotation=folder / "a.json"), ModelSettings(checkpoint=checkpoint, **model))


def rows(found: Settings) -> dict[str, tuple[str, str]]:
    """State and words by name."""
    return {row.name: (row.state, str(row.found)) for row in model_findings(found)}


def test_what_agrees_is_named(tmp_path: Path) -> None:
    """A checkpoint of as many classes as the annotation has is met, with what it is."""
    found = settings(tmp_path, 5, 5)
    network = "resnet-10 of 5 classes, shortcut B, widths 8 16 32 64, conv1_t_size 3"
    assert {"checkpoint": ("met", network)} == rows(found)
    assert (None, 5, None) == (class_counts(found).checkpoint, class_counts(found).data, class_counts(found).setting)


def test_public_checkpoint_on_a_few_classes_of_ones_own(tmp_path: Path) -> None:
    """Both numbers and what the checkpoint was likely trained on are said at once."""
    state, words = rows(settings(tmp_path, 400, 3))["model classes"]
    assert "missing" == state
    assert "resnet-10 of 400 classes" in words
    assert "(as many classes as Kinetics-400 has); the data set has 3 classes" in words


def test_class_folders_count_too(tmp_path: Path) -> None:
    """Without an annotation the class folders are counted; some of HMDB51's go with a checkpoint of all 51."""
    for name in ("wave", "run"):
        (tmp_path / "frames" / name).mkdir(parents=True)
    dataset = DatasetSettings(frames=tmp_path / "frames")
    five = replace(settings(tmp_path, 5, 1), dataset=dataset)
    assert "the data set has 2 classes" in rows(five)["model classes"][1]
    assert {"checkpoint"} == set(rows(replace(settings(tmp_path, 51, 1), dataset=dataset)))


def test_checkpoint_that_is_none_is_a_row(tmp_path: Path) -> None:
    """What reading it is refused with is the row, with the setting to change."""
    found = settings(tmp_path, 5, 5, depth=18)
    (row,) = model_findings(found)
    assert ("checkpoint", "missing") == (row.name, row.state)
    assert "set model.depth = 10" in str(row.hint)
    (tmp_path / "c.pth").write_bytes(b"hello")
    assert "a text file, not a checkpoint" in rows(found)["checkpoint"][1]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, None),
        ({"mean_dataset": "activitynet"}, "mean (there (0.4477, 0.4209, 0.3906), here (0.4345, 0.4051, 0.3775))"),
        ({"value_scale": 255}, None),
        ({"value_scale": 255, "no_std_norm": True}, "std (there (0.00392156862745098, "),
        ({"sample_duration": 32}, "clip_frames (there 32, here 16)"),
    ],
    ids=["same", "activitynet", "255", "255 without std", "longer"],
)
def test_training_with_other_input_is_a_warning(tmp_path: Path, options: dict[str, Any], expected: str | None) -> None:
    """An opts.json that has other means, size or length than the settings is pointed out."""
    found = settings(tmp_path, 5, 5)
    table = {"mean_dataset": "kinetics", "value_scale": 1, "sample_size": 112, "sample_duration": 16, **options}
    (tmp_path / "opts.json").write_text(json.dumps(table))
    row = rows(found).get("training options")
    assert (expected is None) == (row is None)
    if row is not None:
        assert "warning" == row[0]
        assert expected in row[1]
