"""The evaluate stage and step: from val.json and the annotation to an accuracy and a report."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from backends.core.codec import decode, dumps
from backends.core.events import Outcome, Skipped
from backends.core.files import make_folder, write_whole
from backends.core.messages import InputError, Line, Scalar, line
from backends.core.published import MODEL_FIGURES, published_model
from backends.core.values import Report
from backends.data.annotation import Annotation, read_annotation
from backends.data.class_names import read_class_names
from backends.data.datasets.hmdb51 import HMDB51
from backends.evaluate.accuracy import Val, evaluate, is_among, read_val, scored_videos
from backends.evaluate.evaluate_specs import SPEED
from backends.evaluate.report import predictions, report_text
from backends.worker.job import Job

FIGURES = ("top1", "topk", "k", "videos", "videos_set_aside", "clips", "videos_listed", "top1_low", "top1_high",
           "published_top1")  # fmt: skip
"""Of the report, what the outcome carries too."""


class EvaluateParams(Struct, frozen=True):
    subset: str = "validation"
    k: int = 5


class StepEvaluateParams(Struct, frozen=True):
    """`step evaluate ANNOTATION VAL --subset S -k K [--ignore] [--save]`; paths are absolute."""

    annotation: Path
    val: Path
    subset: str = "validation"
    k: int = 1
    ignore: bool = False
    """Count over the videos that have a result; otherwise over all that the subset lists."""
    save: bool = False
    """Also write the accuracy to top<k>.txt beside val.json, as the guide's script does."""


def run(job: Job) -> Outcome:
    """Stage `evaluate`: report.json (`values.Report`), report.md and predictions.csv."""
    params = decode(EvaluateParams, dict(job.params))
    annotate = job.upstream.get("annotate")
    annotation = read_annotation(annotate.path("annotation") if annotate else job.inputs["annotation"])
    score = job.upstream["score"]
    val = read_val(score.path("val"), _labels(job, annotation))
    for entry in val.set_aside:
        job.set_aside(entry.item, entry.reason)
    clips = value if isinstance(value := score.figure("clips"), int) else None
    report = evaluate(annotation, val.results, params.subset, params.k, clips=clips, model=_model(job))
    unlisted = annotate.figure("unlisted") if annotate else None
    if isinstance(unlisted, int):  # of the subset, and never in the annotation
        report = replace(report, videos_set_aside=report.videos_set_aside + unlisted)
    return _write(job, annotation, val, report)


def _labels(job: Job, annotation: Annotation) -> frozenset[str]:
    """Labels that a result may name: the annotation's, and those of the model where it knows more classes."""
    known = frozenset(annotation.labels)
    if "labels" in job.inputs:
        return known | frozenset(read_class_names(job.inputs["labels"]))
    return known | frozenset(HMDB51) if known <= frozenset(HMDB51) else known


def _write(job: Job, annotation: Annotation, val: Val, report: Report) -> Outcome:
    listed = annotation.subset(report.subset)
    reasons = _reasons(job, val)
    missing = {v.id: reasons.get(v.id, line("no result")) for v in listed if v.id not in val.results}
    skipped = [Skipped(item, reason) for item, reason in missing.items()]
    before = job.upstream["annotate"].skipped if "annotate" in job.upstream else ()
    skipped += (entry for entry in before if entry.item not in missing)
    infer = job.upstream.get("infer")
    speed = {name: infer.figure(name) for name in SPEED} if infer else {}
    text = report_text(report, skipped, speed, _model(job))
    write_whole(job.out / "report.json", dumps(report).encode("ascii"))
    write_whole(job.out / "report.md", text.encode("utf-8", "replace"))
    rows = predictions(listed, val.results, missing)
    write_whole(job.out / "predictions.csv", (row.encode("utf-8", "replace") for row in rows))
    figures: dict[str, Scalar] = {name: getattr(report, name) for name in FIGURES}
    outputs = {"report": "report.json", "text": "report.md", "predictions": "predictions.csv"}
    job.progress(report.videos, report.videos, "videos")
    return Outcome(figures=figures, outputs=outputs)


def _reasons(job: Job, val: Val) -> Mapping[str, Line]:
    """Why a video has no result, as the stages before said it; the first of them counts."""
    reasons: dict[str, Line] = {}
    for stage in job.upstream.values():
        for entry in stage.skipped:
            reasons.setdefault(entry.item, entry.reason)
    for unusable in val.set_aside:
        reasons.setdefault(unusable.item, unusable.reason)
    return reasons


def _model(job: Job) -> str:
    export = job.upstream.get("export")
    return published_model({name: export.figure(name) for name in MODEL_FIGURES}) if export else ""


def step_evaluate(job: Job) -> Outcome:
    """`step evaluate`: the guide's accuracy and, in the figure `text`, what its script prints."""
    params = decode(StepEvaluateParams, dict(job.params))
    if params.k < 1:
        raise InputError("-k is {k}", hint="give 1 or more, such as 1 or 5", k=params.k)
    if params.save:
        make_folder(params.val.parent)
    annotation = read_annotation(params.annotation)
    val = read_val(params.val, frozenset(annotation.labels))
    for unusable in (*annotation.skipped_in(params.subset), *val.set_aside):
        job.set_aside(unusable.item, unusable.reason)
    listed, scored = scored_videos(annotation, val.results, params.subset)
    counted = len(scored) if params.ignore else len(listed)
    accuracy = sum(is_among(video.label, ranking, params.k) for video, ranking in scored) / counted
    if params.save:
        write_whole(params.val.parent / f"top{params.k}.txt", str(accuracy).encode("ascii"))
    figures: dict[str, Scalar] = {
        "accuracy": accuracy,
        "k": params.k,
        "videos": counted,
        "videos_set_aside": len(listed) - len(scored),
        "text": guide_text(len(listed), len(val.results), params.k, accuracy),
    }
    return Outcome(figures=figures)


def guide_text(listed: int, results: int, k: int, accuracy: float) -> str:
    """What the guide's script prints, for scripts that read it."""
    return (
        f"load ground truth\nnumber of ground truth: {listed}\n"
        f"load result\nnumber of result: {results}\n"
        f"calculate top-{k} accuracy\ntop-{k} accuracy: {accuracy}\n"
    )
