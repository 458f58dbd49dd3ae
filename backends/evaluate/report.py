"""The evaluation as files: report.md, in English, and predictions.csv. The evaluate stage writes both."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from backends.core.events import Skipped
from backends.core.messages import Line, Scalar
from backends.core.published import RATES
from backends.core.values import Report
from backends.data.annotation import Video
from backends.evaluate.accuracy import Ranking, is_among

SHOWN = 50
"""Rows of the long tables; predictions.csv has every video."""
_ENERGY = {
    "measured": "It took {joules:.3f} J a clip, by the power that npu-smi printed while the chips worked.",
    "simulated": "Simulated chips took {joules:.3f} J a clip: simulated energy is not meaningful.",
    "no_power": "Energy a clip is not measurable here: no tool prints the power of these devices.",
    "few_readings": "Energy a clip was not measured: the run was too short for two readings of power.",
    "gaps": "Energy a clip was not measured: readings of power were missing for too long.",
}
"""By infer's figure `energy`."""


def report_text(report: Report, skipped: Sequence[Skipped], infer: Mapping[str, Scalar], model: str) -> str:
    """report.md. `infer` are that stage's figures, empty where it did not run; `model` as of `published_model`."""
    rows = [f"# Accuracy on the subset {cell(report.subset)}", "", *_figures(report), *_speed(infer, model)]
    rows += _table(
        "Classes, weakest first",
        ("class", "videos", "top-1 right", "top-1", f"top-{report.k}"),
        [
            (cell(one.label), one.videos, one.top1, f"{one.top1 / one.videos:.4f}", f"{one.topk / one.videos:.4f}")
            for one in sorted(report.classes, key=lambda one: (one.top1 / one.videos, one.label))
        ],
    )
    pairs = [(cell(one.label), cell(one.predicted), one.videos) for one in report.confusions[:SHOWN]]
    rows += _table("Most frequent confusions", ("class", "predicted as", "videos"), pairs)
    worst = [
        (
            cell(one.video),
            cell(one.label),
            cell(one.predicted),
            f"{one.score:.4f}",
            "-" if one.label_score is None else f"{one.label_score:.4f}",
        )
        for one in report.worst[:SHOWN]
    ]
    head = ("video", "class", "predicted as", "score", "its class's score")
    rows += _table("Wrong videos, by confidence", head, worst)
    rows += ["", f"## Videos without a result: {report.videos_set_aside}", ""]
    rows += [f"- {cell(entry.item)}: {cell(str(entry.reason))}" for entry in skipped] or ["None."]
    return "\n".join(rows) + "\n"


def _table(title: str, head: Sequence[str], body: Sequence[Sequence[object]]) -> list[str]:
    """A heading and a table; nothing where the table has no rows."""
    rows = [_row(head), "|---" * len(head) + "|", *map(_row, body)]
    return ["", f"## {title}", "", *rows] if body else []


def _row(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |".replace("|  |", "| |")


def _figures(report: Report) -> list[str]:
    body: list[tuple[object, ...]] = [
        ("top-1", f"{report.top1:.4f}", f"{report.videos} videos with a result"),
        ("top-1, 95 % interval (Wilson)", f"{report.top1_low:.4f} to {report.top1_high:.4f}", ""),
    ]
    if report.k != 1:
        body.append((f"top-{report.k}", f"{report.topk:.4f}", f"{report.videos} videos"))
    every = f"{report.videos_listed} videos listed"
    body.append(("top-1, missing results counted as wrong", f"{report.top1_all:.4f}", every))
    body.append(("videos without a result", report.videos_set_aside, ""))
    if report.clips is not None:
        body.append(("clips scored", report.clips, ""))
    if (published := report.published_top1) is not None:
        is_inside = report.top1_low <= published <= report.top1_high
        body.append(("published top-1 (the guide, split 1)", f"{published:.4f}", ""))
        body.append(("difference from the published", f"{report.top1 - published:+.4f}", ""))
        body.append(("the published figure lies within the interval", "yes" if is_inside else "no", ""))
    return [_row(("figure", "value", "over")), "|---|---|---|", *map(_row, body)]


def _speed(infer: Mapping[str, Scalar], model: str) -> list[str]:
    rows, rate, joules = ["", "## Speed", ""], infer.get("clips_per_s"), infer.get("joules_per_clip")
    if isinstance(rate, int | float):
        where = f"({infer.get('runtime') or '?'}; devices: {infer.get('devices') or '?'})"
        rows.append(f"Inference ran at {rate:.2f} clips/s, end to end {cell(where)}.")
        if beside := infer.get("clips_per_s_beside"):
            rows.append(
                f"Stage {beside} used the same cores meanwhile: `r3d-tui rerun infer` measures the throughput of infer "
                "alone, and this figure is compared with no other."
            )
            model = ""
    elif isinstance(rate := infer.get("pass_clips_per_s"), int | float):
        where = f"({infer.get('runtime') or '?'}; servers: {infer.get('servers')}; devices: {infer.get('devices')})"
        rows.append(f"Servers decoded and inferred in one pass, at {rate:.2f} clips/s with decoding {cell(where)}.")
    else:
        rows.append("No speed was measured in this run.")
    if text := _ENERGY.get(str(infer.get("energy"))):
        rows.append(text.format(joules=joules))
    published = [one for one in RATES if (one.model, one.batch) == (model, infer.get("batch"))]
    if published:
        head = f"Published for {model} at batch {published[0].batch}, compute only and with filler clips counted:"
        rows += ["", head, ""]
    return rows + [f"- {one.clips_per_s:.2f} clips/s on one {one.chip} ({one.source})" for one in published]


def cell(text: str) -> str:
    """Foreign text as it may stand in a Markdown table: printable, and no sign of Markdown or HTML takes effect."""
    plain = "".join(c if c.isprintable() else "?" for c in text)
    return re.sub(r"([\\`*\[\]<>|#~])", r"\\\1", plain)


def predictions(videos: Iterable[Video], results: Mapping[str, Ranking], missing: Mapping[str, Line]) -> Iterator[str]:
    """predictions.csv, row by row: one for each listed video, those without a result too, in the annotation's order."""
    most = max(map(len, results.values()), default=1)
    row = csv.writer(_Returned(), lineterminator="\n").writerow
    best = [name for n in range(1, most + 1) for name in (f"label_{n}", f"score_{n}")]
    yield row(("video", "class", "right", "in_top_k", "reason", *best))
    for video in videos:
        name, label = _field(video.id), _field(video.label)
        ranking = results.get(video.id)
        if not ranking:
            yield row((name, label, "", "", _field(str(missing.get(video.id, "")))))
            continue
        right, among = ranking[0][0] == video.label, is_among(video.label, ranking, most)
        pairs = (value for label, score in ranking for value in (_field(label), f"{score:.6f}"))
        yield row((name, label, int(right), int(among), "", *pairs))


class _Returned:
    """A file for `csv.writer` that gives back what is written, so that `writerow` returns the row."""

    @staticmethod
    def write(text: str) -> str:
        return text


def _field(text: str) -> str:
    """Foreign text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
