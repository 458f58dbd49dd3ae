"""From val.json to an accuracy and a report."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest

from backends.core.codec import loads
from backends.core.events import Skipped
from backends.core.messages import InputError, line
from backends.core.settings import DatasetSettings, EvaluateSettings, Settings
from backends.core.values import ClassScore, Confusion, Report
from backends.evaluate.accuracy import read_val, wilson
from backends.evaluate.evaluate import EvaluateParams, StepEvaluateParams, run, step_evaluate
from backends.evaluate.evaluate_specs import EVALUATE, SCORE
from backends.evaluate.report import cell


def _val(path: Path, **results: list[tuple[str, float]]) -> Path:
    table = {video: [{"label": n, "score": s} for n, s in entries] for video, entries in results.items()}
    path.write_text(json.dumps({"results": table}))
    return path


@pytest.fixture
def run_stage(make_job: Any, upstream: Any, write_annotation: Any, tmp_path: Path) -> Any:
    """Run the stage over three listed videos, of which `lost` has no result; gives the outcome and the folder."""

    def go(k: int = 2, **more: Any) -> tuple[Any, Path]:
        annotation = write_annotation(
            ["sit", "run", "wave"], ("a", "sit"), ("b", "sit"), ("lost", "run"), ("other", "run", "training")
        )
        _val(tmp_path / "val.json", a=[("sit", 0.7), ("run", 0.2)], b=[("run", 0.6), ("sit", 0.4)])
        aside = (Skipped("lost", line("broken | video")),)
        ups = {
            "score": upstream({"val": "val.json"}, {"clips": 12}),
            "annotate": upstream({"annotation": annotation.name}),
            "preprocess": upstream({}, set_aside=aside),
            **more,
        }
        job = make_job(EvaluateParams(k=k), upstream=ups)
        return run(job), job.out

    return go


def test_the_report_says_over_how_many_videos_it_stands(run_stage: Any) -> None:
    """Shares are over the videos with a result; the share over all that are listed stands beside it."""
    outcome, folder = run_stage()
    report = loads(Report, (folder / "report.json").read_text())
    assert (2, 3, 1, 12) == (report.videos, report.videos_listed, report.videos_set_aside, report.clips)
    assert (0.5, 1.0, 1 / 3) == (report.top1, report.topk, report.top1_all)
    assert (ClassScore("sit", 2, 1, 2),) == report.classes
    assert (Confusion("sit", "run", 1),) == report.confusions
    assert ["b"] == [video.video for video in report.worst]
    assert 0.4 == report.worst[0].label_score
    assert report.published_top1 is None
    wanted = {"top1": 0.5, "topk": 1.0, "k": 2, "videos": 2, "videos_set_aside": 1, "clips": 12}
    assert wanted == {name: outcome.figures[name] for name in wanted}


def test_report_md_names_what_was_set_aside_and_why(run_stage: Any) -> None:
    """The reason is the earlier stage's own, harmless in Markdown; no speed is invented."""
    _, folder = run_stage()
    text = (folder / "report.md").read_text()
    assert "- lost: broken \\| video\n" in text
    assert "| top-1 | 0.5000 | 2 videos with a result |" in text
    assert "No speed was measured" in text
    assert "392.21" not in text


def test_report_md_gives_the_measured_speed(run_stage: Any, upstream: Any) -> None:
    """As infer reported it; published rates stand beside it for the model and batch that they are of."""
    figures = {"clips_per_s": 11.5, "runtime": "openvino", "devices": 2, "batch": 10}
    for depth, stands in ((50, True), (18, False)):
        export = upstream({}, {"arch": f"resnet-{depth}", "depth": depth})
        _, folder = run_stage(infer=upstream({}, figures), export=export)
        text = (folder / "report.md").read_text()
        assert "Inference ran at 11.50 clips/s, end to end (openvino; devices: 2)." in text
        assert stands == ("392.21 clips/s on one 310 (the ModelZoo guide)" in text)


def test_report_md_sets_a_rate_beside_preprocess_beside_no_other(run_stage: Any, upstream: Any) -> None:
    """On the CPU decoding took the same cores: the figure is labelled, and no published one stands there."""
    figures = {"clips_per_s": 11.5, "clips_per_s_beside": "preprocess", "runtime": "openvino", "batch": 10}
    _, folder = run_stage(infer=upstream({}, figures), export=upstream({}, {"arch": "resnet-50", "depth": 50}))
    text = (folder / "report.md").read_text()
    assert "Stage preprocess used the same cores meanwhile: `r3d-tui rerun infer` measures" in text
    assert "392.21" not in text


def test_report_md_gives_the_rate_of_a_pass_over_servers(run_stage: Any, upstream: Any) -> None:
    """They decode at the same time, so it is labelled; nobody measured inference alone."""
    figures = {"clips_per_s": None, "pass_clips_per_s": 43.25, "runtime": "openvino", "devices": 6, "servers": 3}
    _, folder = run_stage(infer=upstream({}, figures))
    text = (folder / "report.md").read_text()
    assert "in one pass, at 43.25 clips/s with decoding (openvino; servers: 3; devices: 6)." in text


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"joules_per_clip": 0.0456, "energy": "measured"}, "It took 0.046 J a clip"),
        ({"joules_per_clip": 2.76, "energy": "simulated"}, "Simulated chips took 2.760 J a clip"),
        ({"joules_per_clip": None, "energy": "no_power"}, "Energy a clip is not measurable here"),
        ({"joules_per_clip": None, "energy": "few_readings"}, "too short for two readings"),
        ({"joules_per_clip": None, "energy": "gaps"}, "missing for too long"),
    ],
)
def test_report_md_gives_the_energy_or_why_there_is_none(
    run_stage: Any, upstream: Any, figures: dict[str, Any], words: str
) -> None:
    """As infer said it; nothing is said of it where infer said nothing."""
    _, folder = run_stage(infer=upstream({}, {"clips_per_s": 11.5, **figures}))
    assert words in (folder / "report.md").read_text()


def test_predictions_hold_every_listed_video(run_stage: Any) -> None:
    """In the annotation's order; the one without a result has its reason instead of labels."""
    _, folder = run_stage()
    rows = list(csv.DictReader((folder / "predictions.csv").read_text().splitlines()))
    assert [("a", "1", "1"), ("b", "0", "1"), ("lost", "", "")] == [
        (r["video"], r["right"], r["in_top_k"]) for r in rows
    ]
    assert "broken | video" == rows[2]["reason"]
    assert ("run", "0.600000") == (rows[1]["label_1"], rows[1]["score_1"])


def test_the_same_val_json_gives_the_same_files(run_stage: Any) -> None:
    """Nothing in them depends on time or place."""
    _, folder = run_stage()
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    run_stage()
    assert first == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {"report.json", "report.md", "predictions.csv"} == set(first)


def test_the_step_prints_what_the_guides_script_prints(make_job: Any, write_annotation: Any, tmp_path: Path) -> None:
    """Line for line, with the accuracy in full."""
    annotation = write_annotation(["sit", "run"], ("a", "sit"), ("b", "sit"), ("c", "run"), ("d", "run"))
    val = _val(tmp_path / "val.json", a=[("sit", 0.7)], b=[("run", 0.6)], c=[("run", 0.9)])
    figures = step_evaluate(make_job(StepEvaluateParams(annotation, val, ignore=True, save=True))).figures
    assert 2 / 3 == figures["accuracy"]
    assert (
        "load ground truth\nnumber of ground truth: 4\nload result\nnumber of result: 3\n"
        "calculate top-1 accuracy\ntop-1 accuracy: 0.6666666666666666\n"
    ) == figures["text"]
    assert "0.6666666666666666" == (tmp_path / "top1.txt").read_text()
    assert 0.5 == step_evaluate(make_job(StepEvaluateParams(annotation, val))).figures["accuracy"]


@pytest.mark.parametrize(
    ("name", "file", "listed", "every", "with_result"),
    [
        ("ucf101", "ucf101_01.json", 7, 0.5714285714285714, 0.6666666666666666),
        ("kinetics", "kinetics-700.json", 8, 0.5, 0.8),
        ("hmdb51", "hmdb51_1.json", 6, 0.6666666666666666, 0.8),
        ("mit", "mit.json", 8, 0.75, 0.75),
    ],
)
def test_the_accuracy_is_the_references(
    make_job: Any, shared: Path, name: str, file: str, listed: int, every: float, with_result: float
) -> None:
    """Without --ignore every listed video counts, also one without a segment or with an empty folder."""
    folder = shared / "data/golden/datasets" / name
    for ignore, expected in ((False, every), (True, with_result)):
        params = StepEvaluateParams(folder / file, folder / "val.json", ignore=ignore)
        figures = step_evaluate(make_job(params)).figures
        assert expected == figures["accuracy"]
        assert f"number of ground truth: {listed}\n" in str(figures["text"])


def test_labels_are_ranked_by_score_whatever_their_order_in_the_file(
    make_job: Any, write_annotation: Any, tmp_path: Path
) -> None:
    """As the guide's script sorts them."""
    annotation = write_annotation(["sit", "run"], ("a", "sit"))
    val = _val(tmp_path / "val.json", a=[("run", 0.1), ("sit", 0.9)])
    assert 1.0 == step_evaluate(make_job(StepEvaluateParams(annotation, val))).figures["accuracy"]


@pytest.mark.parametrize(
    "entry",
    [
        [],
        None,
        {},
        [1],
        [{"label": "sit"}],
        [{"label": "sit", "score": True}],
        [{"label": "sit", "score": float("nan")}],
        [{"label": "sit", "score": 10**400}],
        [{"label": "nobody", "score": 1}],
        [{"label": ["sit"], "score": 1}],
        [{"score": 1, "label": {}}],
    ],
    ids=range(11),
)
def test_a_video_with_a_bad_entry_is_skipped(tmp_path: Path, entry: Any) -> None:
    """Whatever is wrong with it, the others count."""
    path = tmp_path / "val.json"
    path.write_text(json.dumps({"results": {"bad": entry, "good": [{"label": "sit", "score": 0.5}]}}))
    val = read_val(path, frozenset({"sit"}))
    assert ["good"] == list(val.results)
    assert ["bad"] == [entry.item for entry in val.set_aside]


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"results": []}', b"\xff", b"[" * 100_000], ids=range(7))
def test_a_file_that_is_no_val_json_is_refused_in_one_line(tmp_path: Path, content: bytes | None) -> None:
    """With its path, whatever it is."""
    path = tmp_path / "val.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"val\.json") as caught:
        read_val(path, frozenset())
    assert "\n" not in str(caught.value)


def test_a_val_json_of_gigabytes_or_of_no_file_is_refused_at_once(tmp_path: Path) -> None:
    """A file of 2 GB is not read; a pipe, a device and a link to itself are not waited for."""
    with open(tmp_path / "large", "wb") as file:
        file.truncate(2 << 30)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path / "large", tmp_path / "pipe", tmp_path / "loop", Path("/dev/zero"), tmp_path):
        with pytest.raises(InputError, match=r"larger than|not a regular file|symbolic links|Is a directory"):
            read_val(path, ["sit"])


def test_a_label_in_another_spelling_of_json_is_read(tmp_path: Path) -> None:
    """Order of keys, further keys and blanks do not matter; a video may be called label."""
    text = (
        '{"x": 1, "results": {"label": [{"score": 1, "label": "s\\u0069t"}], '
        '"score": [{"n": 0, "label": "sit", "score": 2}]}}'
    )
    (tmp_path / "val.json").write_text(text)
    assert {"label": (("sit", 1.0),), "score": (("sit", 2.0),)} == read_val(tmp_path / "val.json", ["sit"]).results


def test_one_bad_entry_changes_nothing_for_the_others(tmp_path: Path) -> None:
    """Order among equal scores, whole numbers as scores and repeated labels are read alike, bad entry or none."""
    entry = [{"label": "sit", "score": 1}, {"label": "run", "score": 1.0}, {"label": "sit", "score": 2e-3}]
    good, mixed = tmp_path / "good.json", tmp_path / "mixed.json"
    good.write_text(json.dumps({"results": {"a": entry}}))
    mixed.write_text(json.dumps({"results": {"a": entry, "b": [], "c": [{"label": "sit", "score": float("nan")}]}}))
    whole, rest = (read_val(path, ["sit", "run"]) for path in (good, mixed))
    assert {"a": (("sit", 1.0), ("run", 1.0), ("sit", 2e-3))} == whole.results == rest.results
    assert ((), ["b", "c"]) == (whole.set_aside, [one.item for one in rest.set_aside])


def test_nothing_to_count_is_an_error_and_no_zero(make_job: Any, write_annotation: Any, tmp_path: Path) -> None:
    """An unknown subset names those there are; a val.json of other videos is told."""
    annotation = write_annotation(["sit"], ("a", "sit"))
    val = _val(tmp_path / "val.json", stranger=[("sit", 1.0)])
    with pytest.raises(InputError, match="it has: validation"):
        step_evaluate(make_job(StepEvaluateParams(annotation, val, subset="testing")))
    with pytest.raises(InputError, match="no video of the subset"):
        step_evaluate(make_job(StepEvaluateParams(annotation, val)))


def test_the_interval_is_wilsons() -> None:
    """Figures of the textbook: 81 of 263 gives 0.2553 to 0.3662; the ends never leave 0 and 1."""
    assert (0.2553, 0.3662) == tuple(round(end, 4) for end in wilson(81, 263))
    low, high = wilson(0, 5)
    assert 0.0 == low < high < 1.0
    assert 1.0 == wilson(5, 5)[1]


def test_the_published_figure_stands_only_beside_the_whole_split(
    make_job: Any, upstream: Any, shared: Path, tmp_path: Path
) -> None:
    """ResNet-50, 51 classes and 1,530 listed videos; the result itself may lack some."""
    reference = shared / "data" / "reference" / "hmdb51_1.json"
    document = json.loads(reference.read_text())
    listed = [v for v, entry in document["database"].items() if entry["subset"] == "validation"]
    _val(tmp_path / "val.json", **{v: [("wave", 1.0)] for v in listed[:1000]})
    ups = {"score": upstream({"val": "val.json"}), "export": upstream({}, {"arch": "resnet-18"})}
    inputs = {"annotation": reference}
    assert run(make_job(EvaluateParams(k=5), upstream=ups, inputs=inputs)).figures["published_top1"] is None
    ups["export"] = upstream({}, {"arch": "resnet-50"})
    job = make_job(EvaluateParams(k=5), upstream=ups, inputs=inputs)
    assert 0.6222 == run(job).figures["published_top1"]
    assert "| published top-1 (the guide, split 1) | 0.6222 | |" in (job.out / "report.md").read_text()


def test_foreign_text_has_no_effect_in_markdown() -> None:
    """Names may hold markup and control characters."""
    assert "a\\|b\\[c\\]\\<d\\>?" == cell("a|b[c]<d>\n")


def test_the_specs_follow_the_settings() -> None:
    """At least five labels are kept; a file of names is an input, so that its content counts."""
    settings = Settings(dataset=DatasetSettings(labels="/x/names.txt"), evaluate=EvaluateSettings(top_k=3))
    assert {"k": 5} == SCORE.plan(settings).params
    assert {"labels": Path("/x/names.txt")} == SCORE.plan(settings).inputs
    assert {"subset": "validation", "k": 3} == EVALUATE.plan(settings).params
    assert {} == EVALUATE.plan(Settings()).inputs
