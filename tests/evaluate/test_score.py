"""From rows of logits to val.json."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backends.core.messages import InputError, StageError
from backends.data.score_rows import RowsWriter
from backends.data.score_rows_reader import RowsReader
from backends.evaluate.evaluate import StepEvaluateParams, step_evaluate
from backends.evaluate.score import ScoreParams, StepScoreParams, mean_scores, run, step_score, top


@dataclass(frozen=True)
class _Clips:
    id: str
    label: str
    first: int
    clips: int
    clips_before_cut: int


@dataclass(frozen=True)
class _Index:
    videos: tuple[_Clips, ...]


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """What the two stores hold is put into this table: a stand-in for the clips' index, a real file for the rows."""
    table: dict[str, Any] = {}

    def reader(path: Path) -> RowsReader:
        writer = RowsWriter.open_or_resume(tmp_path / "rows.bin", table["logits"].shape[1])
        writer.append(table["numbers"].tolist(), table["logits"])
        writer.close()
        return RowsReader(tmp_path / "rows.bin")

    monkeypatch.setattr("backends.data.clip_store.read_index", lambda folder: _Index(table["videos"]))
    monkeypatch.setattr("backends.data.score_rows_reader.RowsReader", reader)
    return table


def test_scores_are_the_mean_of_the_softmax_of_each_clip() -> None:
    """Not the softmax of the mean; and they add up to one."""
    logits = np.array([[0, 0], [np.log(3), 0]], dtype=np.float32)
    np.testing.assert_allclose([0.625, 0.375], mean_scores(logits), atol=1e-7)
    assert np.float32 == mean_scores(logits).dtype


def test_large_logits_do_not_overflow() -> None:
    """The largest is taken off first."""
    np.testing.assert_allclose([1.0, 0.0], mean_scores(np.array([[3e4, -3e4]], dtype=np.float32)))


def test_of_equal_scores_the_earlier_class_comes_first() -> None:
    """So that the same rows always give the same file."""
    best = top(np.array([0.25, 0.5, 0.25], dtype=np.float32), ("a", "b", "c"), 3)
    assert ["b", "a", "c"] == [entry["label"] for entry in best]


def test_the_stage_scores_whole_videos_and_sets_the_others_aside(
    stores: dict[str, Any], make_job: Any, upstream: Any, write_annotation: Any
) -> None:
    """A video with a missing clip or a NaN is named and does not count; classes are numbered as the labels stand."""
    annotation = write_annotation(["z", "a"], ("one", "a"), ("two", "z"), ("three", "a"), ("four", "a"))
    stores["videos"] = tuple(_Clips(name, "a", n * 2, 2, 2) for n, name in enumerate(["one", "two", "three", "four"]))
    stores["numbers"] = np.array([1, 0, 2, 4, 5, 6, 7], dtype=np.int64)
    stores["logits"] = np.array([[0, 9], [0, 9], [9, 0], [9, 0], [9, 0], [np.nan, 0], [1, 0]], dtype=np.float32)
    ups = {
        "infer": upstream({"rows": "rows.bin"}),
        "preprocess": upstream({"store": "store"}),
        "annotate": upstream({"annotation": annotation.name}),
    }
    job = make_job(ScoreParams(k=5), upstream=ups)
    outcome = job.complete(run(job))
    results = json.loads((job.out / "val.json").read_text())["results"]
    assert {"one": "a", "three": "z"} == {video: entry[0]["label"] for video, entry in results.items()}
    assert ["two", "four"] == [entry.item for entry in outcome.set_aside]
    assert {"videos": 2, "clips": 4} == outcome.figures
    assert {"val": "val.json"} == outcome.outputs
    assert 64 == len(outcome.digest)


@pytest.mark.parametrize(("labels", "classes"), [(["a", "b"], 3), (["a", "wave"], 51)])
def test_a_model_of_other_classes_than_the_annotation_is_refused(
    stores: dict[str, Any], make_job: Any, upstream: Any, write_annotation: Any, labels: list[str], classes: int
) -> None:
    """Both numbers are said; nothing is scored under wrong names."""
    annotation = write_annotation(labels, ("one", "a"))
    stores |= {"videos": (_Clips("one", "a", 0, 1, 1),), "numbers": np.zeros(1, np.int64)}
    stores["logits"] = np.zeros((1, classes), np.float32)
    ups = {name: upstream({"rows": "r", "store": "s"}) for name in ("infer", "preprocess")}
    job = make_job(ScoreParams(), upstream=ups, inputs={"annotation": annotation})
    with pytest.raises(InputError, match=f"2 labels, but the model gives {classes} scores"):
        run(job)


def test_a_part_of_hmdb51_is_scored_with_all_of_its_classes(
    stores: dict[str, Any], make_job: Any, upstream: Any, write_annotation: Any
) -> None:
    """Four videos of two classes, with the guide's model of 51: column 50 is `wave`."""
    annotation = write_annotation(["wave", "cartwheel"], ("one", "wave"))
    stores |= {"videos": (_Clips("one", "wave", 0, 1, 1),), "numbers": np.zeros(1, np.int64)}
    stores["logits"] = np.eye(51, dtype=np.float32)[50:] * 9
    ups = {name: upstream({"rows": "r", "store": "s"}) for name in ("infer", "preprocess")}
    job = make_job(ScoreParams(), upstream=ups, inputs={"annotation": annotation})
    run(job)
    assert "wave" == json.loads((job.out / "val.json").read_text())["results"]["one"][0]["label"]


@pytest.mark.parametrize("text", ["z\na\n", "1 z\n2 a\n", '["z", "a"]'])
def test_a_file_of_class_names_sets_the_order(
    stores: dict[str, Any], make_job: Any, upstream: Any, tmp_path: Path, text: str
) -> None:
    """The user's own order is kept, unsorted; numbered lines and JSON lists count as they do for the annotation."""
    names = tmp_path / "names.txt"
    names.write_text(text)
    stores |= {"videos": (_Clips("one", "a", 0, 1, 1),), "numbers": np.zeros(1, np.int64)}
    stores["logits"] = np.array([[9, 0]], np.float32)
    ups = {name: upstream({"rows": "r", "store": "s"}) for name in ("infer", "preprocess")}
    job = make_job(ScoreParams(), upstream=ups, inputs={"labels": names})
    run(job)
    assert "z" == json.loads((job.out / "val.json").read_text())["results"]["one"][0]["label"]


def _results(folder: Path, logits: dict[str, np.ndarray[Any, Any]], info: str) -> Path:
    (folder / "result").mkdir(parents=True)
    for video, rows in logits.items():
        rows.astype(np.float32).tofile(folder / "result" / f"{video}_0.bin")
    (folder / "hmdb51.info").write_text(info)
    return folder / "result"


def test_the_step_names_missing_short_foreign_and_damaged_results(make_job: Any, tmp_path: Path) -> None:
    """Each is set aside by name, the good video is scored over its real clips only."""
    good = np.zeros((10, 51))
    good[0, 3], good[1:, 4] = 9, 99
    bad = {"nan": np.full((10, 51), np.nan), "short": np.zeros((9, 51)), "stranger": np.zeros((10, 51))}
    folder = _results(tmp_path, {"good": good, **bad}, "good 1\nnan 2\nshort 3\nlost 4\n")
    job = make_job(StepScoreParams(folder, 1, tmp_path / "val.json"))
    outcome = job.complete(step_score(job))
    assert {"stranger_0.bin", "nan", "short", "lost"} == {entry.item for entry in outcome.set_aside}
    results = json.loads((tmp_path / "val.json").read_text())["results"]
    assert {"good": ["chew"]} == {video: [e["label"] for e in entry] for video, entry in results.items()}


def test_the_step_refuses_an_output_that_cannot_be_written(make_job: Any, tmp_path: Path) -> None:
    """Before anything is read."""
    with pytest.raises(InputError, match=r"/proc/nothing: .*name a folder that can be written"):
        step_score(make_job(StepScoreParams(tmp_path / "none", 1, Path("/proc/nothing/val.json"))))


def test_the_step_refuses_a_folder_where_nothing_fits(make_job: Any, tmp_path: Path) -> None:
    """No val.json is written, and an older one is left as it was."""
    folder = _results(tmp_path, {"stranger": np.zeros((10, 51))}, "good 1\n")
    (tmp_path / "val.json").write_text("older")
    with pytest.raises(StageError, match="none of 1 videos"):
        step_score(make_job(StepScoreParams(folder, 1, tmp_path / "val.json")))
    assert "older" == (tmp_path / "val.json").read_text()


@pytest.mark.parametrize("depth", [18, 50])
def test_the_guides_outputs_give_the_guides_val_json(make_job: Any, shared: Path, tmp_path: Path, depth: int) -> None:
    """Same videos, same labels in the same order, scores within 1e-6."""
    golden = shared / "data" / "golden"
    logits = dict(np.load(golden / f"logits_resnet{depth}.npz"))
    folder = _results(tmp_path, logits, (golden / "hmdb51.info").read_text())
    step_score(make_job(StepScoreParams(folder, 5, tmp_path / "val.json")))
    ours = json.loads((tmp_path / "val.json").read_text())["results"]
    guides = json.loads((golden / f"val_resnet{depth}_top5.json").read_text())["results"]
    assert set(guides) == set(ours)
    for video, entries in guides.items():
        assert [e["label"] for e in entries] == [e["label"] for e in ours[video]]
        assert [e["score"] for e in entries] == pytest.approx([e["score"] for e in ours[video]], abs=1e-6)


@pytest.fixture(scope="module")
def made(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 1,530 result files of the reference's own maker."""
    import runpy

    folder = tmp_path_factory.mktemp("made")
    runpy.run_path(str(shared / "tools" / "make_results.py"))["main"](folder)
    return folder


def test_accuracies_over_1530_videos_equal_the_guides_to_the_last_digit(
    make_job: Any, shared: Path, made: Path, tmp_path: Path
) -> None:
    """With all results, and without the first hundred in name order, with and without --ignore."""
    annotation = shared / "data" / "reference" / "hmdb51_1.json"
    golden = json.loads((shared / "data" / "golden" / "accuracy_hmdb51_1.json").read_text())

    def accuracies(folder: Path, *, ignore: bool) -> list[float]:
        step_score(make_job(StepScoreParams(folder, 5, tmp_path / "val.json", made / "hmdb51.info")))
        params = [StepEvaluateParams(annotation, tmp_path / "val.json", k=k, ignore=ignore) for k in (1, 5)]
        return [step_evaluate(make_job(p)).figures["accuracy"] for p in params]

    everything = golden["all 1530 results"]
    assert [everything["top1"], everything["top5"]] == accuracies(made / "result", ignore=True)
    part = tmp_path / "part"
    part.mkdir()
    for path in sorted((made / "result").iterdir(), key=lambda p: p.name.encode())[100:]:
        shutil.copy(path, part)
    fewer = golden["without the first 100 files in name order (LC_ALL=C)"]
    assert [fewer["top1"], fewer["top5"]] == accuracies(part, ignore=False)
    assert [fewer["top1 --ignore"], fewer["top5 --ignore"]] == accuracies(part, ignore=True)
