"""Accuracies against the reference's evaluation rules, written down plainly here, on thousands of made-up inputs."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from backends.evaluate.evaluate import EvaluateParams, StepEvaluateParams, run, step_evaluate

LABELS = ["wave", "Archery", "run", "archery", "zumba", "a b", "\u52a8\u4f5c"]
SCORES = [0, 0.25, 0.5, 0.5000000001, 1, 1e-300]
SEGMENTS = [None, [1, 1], [1, 33], [5, 9], [0, 0], [1]]
Made = tuple[dict[str, Any], dict[str, Any]]


def reference_accuracy(annotation: dict[str, Any], val: dict[str, Any], subset: str, k: int, *, ignore: bool) -> float:
    """`eval_accuracy.py` of 3D-ResNets-PyTorch, without its files."""
    numbers = {label: number for number, label in enumerate(annotation["labels"])}
    truth = [
        (video, numbers[entry["annotations"]["label"]])
        for video, entry in annotation["database"].items()
        if entry["subset"] == subset
    ]
    result = {}
    for video, entry in val["results"].items():
        pairs = [(numbers[one["label"]], one["score"]) for one in entry]
        pairs.sort(key=lambda pair: pair[1], reverse=True)
        result[video] = [number for number, _ in pairs[:k]]
    if ignore:
        truth = [(video, number) for video, number in truth if video in result]
    right = sum(video in result and number in result[video] for video, number in truth)
    return right / len(truth)


def some_inputs(chance: random.Random) -> Made:
    """An annotation of unsorted labels and a val.json over some of its videos; the first video is of both."""
    labels = chance.sample(LABELS, chance.randint(1, len(LABELS)))
    database, results = {}, {}
    for number in range(chance.randint(1, 8)):
        segment = chance.choice(SEGMENTS)
        annotations = {"label": chance.choice(labels), **({"segment": segment} if segment is not None else {})}
        subset = chance.choice(["validation", "training"]) if number else "validation"
        database[f"v{number}"] = {"subset": subset, "annotations": annotations}
        if not number or chance.random() < 0.6:
            listed = chance.sample(labels, chance.randint(1, len(labels)))
            scores = [chance.choice([*SCORES, chance.random()]) for _ in listed]
            results[f"v{number}"] = [{"label": n, "score": s} for n, s in zip(listed, scores, strict=True)]
    if chance.random() < 0.5:
        results["stranger"] = [{"label": labels[0], "score": 1}]
    return {"labels": labels, "database": database}, {"results": results}


def write(folder: Path, made: Made) -> tuple[Path, Path]:
    """The two files."""
    annotation, val = folder / "annotation.json", folder / "val.json"
    annotation.write_text(json.dumps(made[0]))
    val.write_text(json.dumps(made[1]))
    return annotation, val


@pytest.mark.parametrize("seed", range(4))
def test_every_accuracy_is_the_references(make_job: Any, tmp_path: Path, seed: int) -> None:
    """Unsorted labels, missing segments, empty folders, ties and k above the classes: equal to the last digit."""
    chance = random.Random(seed)
    for _ in range(800):
        made, k, ignore = some_inputs(chance), chance.randint(1, 9), chance.random() < 0.5
        params = StepEvaluateParams(*write(tmp_path, made), k=k, ignore=ignore)
        expected = reference_accuracy(*made, "validation", k, ignore=ignore)
        assert expected == step_evaluate(make_job(params)).figures["accuracy"], (made, k, ignore)


def test_the_stages_figures_are_the_references(make_job: Any, upstream: Any, tmp_path: Path) -> None:
    """top1 and topk are those with --ignore; every listed video has a result or is counted as skipped."""
    chance = random.Random(5)
    ups = {"score": upstream({"val": "val.json"}), "annotate": upstream({"annotation": "annotation.json"})}
    for _ in range(150):
        made, k = some_inputs(chance), chance.randint(1, 9)
        write(tmp_path, made)
        figures = run(make_job(EvaluateParams(k=k), upstream=ups)).figures
        expected = [reference_accuracy(*made, "validation", n, ignore=True) for n in (1, k)]
        assert expected == [figures["top1"], figures["topk"]], (made, k)
        listed = [video for video, entry in made[0]["database"].items() if entry["subset"] == "validation"]
        assert len(listed) == figures["videos_listed"] == figures["videos"] + figures["videos_set_aside"]
