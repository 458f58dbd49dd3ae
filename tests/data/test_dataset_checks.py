"""Contradictions of a data set, found before anything runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from backends.core.messages import InputError
from backends.core.settings import DatasetSettings, ModelSettings, Settings
from backends.data.dataset_checks import dataset_findings, described


def _annotation(folder: Path, labels: list[str], **videos: str) -> Path:
    database = {
        name: {"subset": "validation", "annotations": {"label": label, "segment": [1, 17]}}
        for name, label in videos.items()
    }
    path = folder / "a.json"
    path.write_text(json.dumps({"labels": labels, "database": database}))
    return path


def _folders(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def _rows(classes: int | None = None, **dataset: Any) -> dict[str, tuple[str, str]]:
    settings = Settings(dataset=DatasetSettings(**dataset), model=ModelSettings(classes=classes))
    return {row.name: (row.state, str(row.found)) for row in dataset_findings(settings)}


def test_a_data_set_that_fits_is_met(tmp_path: Path) -> None:
    """Labels, subset, class folders and frames of a good annotation: no row is missing."""
    annotation = _annotation(tmp_path, ["wave", "run"], a="wave", b="run")
    frames = _folders(tmp_path / "f", "wave/a/image_00001.jpg", "run/b/image_00001.jpg")
    rows = _rows(annotation=annotation, frames=frames)
    assert {"labels", "frames"} == set(rows)
    assert {"met"} == {state for state, _ in rows.values()}
    assert "annotation a.json: 2 classes, 2 videos of validation" == rows["labels"][1]


@pytest.mark.parametrize("name", ["Brush Hair", "brush_Hair", "brush-hair"])
def test_a_folder_that_differs_by_a_space_or_case_is_a_contradiction(tmp_path: Path, name: str) -> None:
    """Its videos would be found missing after all frames are made; the row names both."""
    annotation = _annotation(tmp_path, ["brush_hair"], a="brush_hair")
    state, found = _rows(annotation=annotation, videos=_folders(tmp_path / "v", f"{name}/a.avi"))["class folders"]
    assert "missing" == state
    assert f"'{name}' is not 'brush_hair'" in found


def test_a_folder_of_other_classes_is_a_contradiction(tmp_path: Path) -> None:
    """None of the annotation's classes lies there; where some lie there it is a warning."""
    annotation = _annotation(tmp_path, ["wave", "run"], a="wave", b="run")
    other = _folders(tmp_path / "o", "dogs/a/image_00001.jpg")
    assert "missing" == _rows(annotation=annotation, frames=other)["class folders"][0]
    some = _folders(tmp_path / "s", "wave/a/image_00001.jpg")
    assert "warning" == _rows(annotation=annotation, frames=some)["class folders"][0]


def test_the_number_of_classes_is_compared(tmp_path: Path) -> None:
    """Both numbers are named; a part of HMDB51 with a model of all 51 is well."""
    annotation = _annotation(tmp_path, ["a", "b", "c"], v="a")
    state, found = _rows(700, annotation=annotation)["classes"]
    assert ("missing", "model.classes is 700, but annotation a.json has 3 classes") == (state, found)
    assert "classes" not in _rows(51, annotation=_annotation(tmp_path, ["wave", "run"], v="wave"))


def test_a_subset_that_has_no_videos_names_those_that_have(tmp_path: Path) -> None:
    """The fix is a setting."""
    annotation = _annotation(tmp_path, ["wave"], a="wave")
    rows = dataset_findings(Settings(dataset=DatasetSettings(annotation=annotation, subset="testing")))
    assert ("missing", "set dataset.subset to one of validation") == (rows[0].state, str(rows[0].hint))


@pytest.mark.parametrize(
    ("name", "state"),
    [("img_00000.jpg", "met"), ("frame000001.jpg", "met"), ("00001.jpg", "met"), ("shot.jpg", "missing")],
)
def test_names_of_frames_are_taken_or_named(tmp_path: Path, name: str, state: str) -> None:
    """The usual ones from 0 or 1; others are a contradiction that says what is taken."""
    row = _rows(frames=_folders(tmp_path, f"wave/a/{name}"))["frames"]
    assert state == row[0]
    assert name in row[1]


def test_videos_of_a_kind_that_is_not_read_are_named(tmp_path: Path) -> None:
    """A warning beside others, a contradiction where there is nothing else."""
    root = _folders(tmp_path, "wave/a.rmvb")
    assert "missing" == _rows(videos=root)["videos"][0]
    _folders(tmp_path, "wave/b.wmv")
    assert "warning" == _rows(videos=root)["videos"][0]


def test_lists_in_a_wrong_form_are_one_row(tmp_path: Path) -> None:
    """What annotate would raise after the frames."""
    state, found = _rows(splits=_folders(tmp_path, "notes.md"))["labels"]
    assert ("missing", True) == (state, "no lists of a known data set" in found)


def test_what_was_recognised_is_said(tmp_path: Path) -> None:
    """The name of the data set, and its splits."""
    lists = _folders(tmp_path / "l", "classInd.txt", "trainlist01.txt", "testlist01.txt")
    assert [f"{lists}: UCF-101, split 1"] == [str(one) for one in described(DatasetSettings(splits=lists))]
    frames = _folders(tmp_path / "f", "wave/a/1.jpg")
    assert "1 class folders; every video is taken" in str(described(DatasetSettings(frames=frames))[0])
    with pytest.raises(InputError):
        described(DatasetSettings(splits=frames))
