"""The lists of public data sets become what the reference's own scripts make of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from backends.data import datasets
from backends.data.annotate import run, step_annotate
from backends.data.annotation import read_annotation
from tests.data.conftest import JobMaker

CASES = [
    *(("ucf101", "annotation", split, f"ucf101_0{split}.json") for split in (1, 2, 3)),
    *(("kinetics", "csv", classes, f"kinetics-{classes}.json") for classes in (400, 700)),
    *(("hmdb51", "splits", split, f"hmdb51_{split}.json") for split in (1, 2, 3)),
    ("mit", "annotation", 1, "mit.json"),
]


@pytest.fixture(scope="module")
def frames(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The frame folders of each data set."""
    golden, made = shared / "data/golden/datasets", tmp_path_factory.mktemp("frames")
    for name in ("ucf101", "kinetics", "hmdb51", "mit"):
        command = [sys.executable, golden / "make_frames.py", golden / name / "frames.json", made / name]
        subprocess.run(command, check=True)
    return {name: made / name for name in ("ucf101", "kinetics", "hmdb51", "mit")}


def _golden(shared: Path, name: str, file: str) -> Any:
    return json.loads((shared / "data/golden/datasets" / name / file).read_text())


@pytest.mark.parametrize("name", ["ucf101", "kinetics", "hmdb51", "mit"])
def test_the_step_writes_the_references_files(
    shared: Path, tmp_path: Path, job: JobMaker, frames: dict[str, Path], name: str
) -> None:
    """`step annotate --dataset=NAME`: the same files by the same names; the order too, but for HMDB51's."""
    lists = next(folder for case, folder, _, _ in CASES if case == name)
    params = {
        "dir_path": str(shared / "data/golden/datasets" / name / lists),
        "video_path": str(frames[name]),
        "dst_dir_path": str(tmp_path / "to"),
        "dataset": name,
    }
    step_annotate(job(params=params))
    wanted = sorted(file for case, _, _, file in CASES if case == name)
    assert wanted == sorted(path.name for path in (tmp_path / "to").iterdir())
    for file in wanted:
        made, golden = json.loads((tmp_path / "to" / file).read_text()), _golden(shared, name, file)
        assert golden == made
        if name != "hmdb51":  # there the order is that of a file system
            assert list(golden["database"]) == list(made["database"])


@pytest.mark.parametrize(("name", "lists", "split", "file"), CASES)
def test_a_run_recognises_the_lists(
    shared: Path, tmp_path: Path, job: JobMaker, frames: dict[str, Path], name: str, lists: str, split: int, file: str
) -> None:
    """Without a name of the data set: the same annotation, and class numbers as the reference gives them."""
    folder = shared / "data/golden/datasets" / name / lists
    found = datasets.known_lists(folder)
    assert found is not None
    assert name == found.name
    run(job(inputs={"splits": folder, "frames": frames[name]}, params={"split": split}))
    made = tmp_path / "out/annotation.json"
    assert _golden(shared, name, file) == json.loads(made.read_text())
    assert _golden(shared, name, "expected.json")[file]["class_numbers"] == {
        name: n for n, name in enumerate(read_annotation(made).labels)
    }
