"""The evaluation in words: report.md and predictions.csv. It counts nothing itself."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from backends.core.events import SetAside
from backends.core.messages import N_, Line, line
from backends.core.published import RATES
from backends.core.values import Report
from backends.data.annotation import Video
from backends.evaluate.accuracy import is_among
from backends.evaluate.val_json import Ranking

SHOWN = 50
"""Rows of the long tables; predictions.csv has every video."""


class Speed(Struct, frozen=True):
    """What infer measured; None where it did not."""

    runtime: str | None = None
    devices: str | None = None
    clips_per_s: float | None = None
    joules_per_clip: float | None = None
    energy: str = ""
    """`measured`, or why there is no energy a clip; empty: nobody asked."""
    model: str = ""
    """As of `published_model`."""
    batch: int = 0


def report_lines(report: Report, aside: Sequence[SetAside], speed: Speed) -> list[Line]:
    """report.md, line by line, as templates that a face may word in another language."""
    return [
        line("# Accuracy on the subset {subset}", subset=cell(report.subset)),
        Line(""),
        *_figures(report),
        *_speed(speed),
        *_classes(report),
        *_confusions(report),
        *_worst(report),
        *_aside(report, aside),
    ]


def _figures(report: Report) -> list[Line]:
    rows = [
        line("| figure | value | over |"),
        line("|---|---|---|"),
        line("| top-1 | {share:.4f} | {n} videos with a result |", share=report.top1, n=report.videos),
        line(
            "| top-1, 95 % interval (Wilson) | {low:.4f} to {high:.4f} | |", low=report.top1_low, high=report.top1_high
        ),
    ]
    if report.k != 1:
        rows.append(line("| top-{k} | {share:.4f} | {n} videos |", k=report.k, share=report.topk, n=report.videos))
    rows += [
        line(
            "| top-1, missing results counted as wrong | {share:.4f} | {n} videos listed |",
            share=report.top1_all,
            n=report.videos_listed,
        ),
        line("| videos without a result | {n} | |", n=report.videos_set_aside),
    ]
    if report.clips is not None:
        rows.append(line("| clips scored | {n} | |", n=report.clips))
    if report.published_top1 is not None:
        inside = report.top1_low <= report.published_top1 <= report.top1_high
        rows.append(line("| published top-1 (the guide, split 1) | {share:.4f} | |", share=report.published_top1))
        rows.append(line("| difference from the published | {gap:+.4f} | |", gap=report.top1 - report.published_top1))
        rows.append(
            line("| the published figure lies within the interval | yes | |")
            if inside
            else line("| the published figure lies within the interval | no | |")
        )
    return rows


def _speed(speed: Speed) -> list[Line]:
    rows = [Line(""), line("## Speed"), Line("")]
    if speed.clips_per_s is None:
        rows.append(line("No speed was measured in this run."))
    else:
        text = N_("Inference ran at {rate:.2f} clips/s, end to end ({runtime}; devices: {devices}).")
        rows.append(
            line(text, rate=speed.clips_per_s, runtime=speed.runtime or "?", devices=cell(speed.devices or "?"))
        )
    rows += _energy(speed)
    published = [one for one in RATES if (one.model, one.batch) == (speed.model, speed.batch)]
    if published:
        text = N_("Published for {model} at batch {batch}, compute only and with filler clips counted:")
        rows += [Line(""), line(text, model=speed.model, batch=speed.batch), Line("")]
    text = N_("- {rate:.2f} clips/s on one {chip} ({source})")
    return rows + [line(text, rate=one.clips_per_s, chip=one.chip, source=str(one.source)) for one in published]


def _energy(speed: Speed) -> list[Line]:
    if speed.joules_per_clip is not None and speed.energy == "simulated":
        return [line("Simulated chips took {joules:.3f} J a clip: nobody's energy.", joules=speed.joules_per_clip)]
    if speed.joules_per_clip is not None:
        text = N_("It took {joules:.3f} J a clip, by the power that npu-smi printed while the chips were at work.")
        return [line(text, joules=speed.joules_per_clip)]
    reasons = {
        "no_power": line("Energy a clip is not measurable here: no tool prints the power of these devices."),
        "few_readings": line("Energy a clip was not measured: the run was too short for two readings of power."),
        "gaps": line("Energy a clip was not measured: readings of power were missing for too long."),
    }
    return [reasons[speed.energy]] if speed.energy in reasons else []


def _classes(report: Report) -> list[Line]:
    return [
        Line(""),
        line("## Classes, weakest first"),
        Line(""),
        line("| class | videos | top-1 right | top-1 | top-{k} |", k=report.k),
        line("|---|---|---|---|---|"),
        *(
            line(
                "| {label} | {n} | {right} | {share:.4f} | {among:.4f} |",
                label=cell(c.label),
                n=c.videos,
                right=c.top1,
                share=c.top1 / c.videos,
                among=c.topk / c.videos,
            )
            for c in sorted(report.classes, key=lambda c: (c.top1 / c.videos, c.label))
        ),
    ]


def _confusions(report: Report) -> list[Line]:
    if not report.confusions:
        return []
    head = [Line(""), line("## Most frequent confusions"), Line("")]
    head += [line("| class | taken for | videos |"), line("|---|---|---|")]
    return head + [
        line("| {label} | {other} | {n} |", label=cell(c.label), other=cell(c.predicted), n=c.videos)
        for c in report.confusions[:SHOWN]
    ]


def _worst(report: Report) -> list[Line]:
    if not report.worst:
        return []
    head = [Line(""), line("## Wrong videos, most confident first"), Line("")]
    head += [line("| video | class | taken for | score | its class's score |"), line("|---|---|---|---|---|")]
    return head + [
        line(
            "| {video} | {label} | {other} | {score:.4f} | {own:.4f} |",
            video=cell(v.video),
            label=cell(v.label),
            other=cell(v.predicted),
            score=v.score,
            own="-" if v.label_score is None else v.label_score,
        )
        for v in report.worst[:SHOWN]
    ]


def _aside(report: Report, aside: Sequence[SetAside]) -> list[Line]:
    rows = [Line(""), line("## Videos without a result: {n}", n=report.videos_set_aside), Line("")]
    if not aside:
        return [*rows, line("None.")]
    return rows + [line("- {item}: {reason}", item=cell(entry.item), reason=cell(str(entry.reason))) for entry in aside]


def cell(text: str) -> str:
    """Foreign text as it may stand in a Markdown table: printable, and no sign of Markdown or HTML takes effect."""
    plain = "".join(c if c.isprintable() else "?" for c in text)
    return re.sub(r"([\\`*\[\]<>|#~])", r"\\\1", plain)


def predictions(videos: Iterable[Video], results: Mapping[str, Ranking], missing: Mapping[str, Line]) -> Iterator[str]:
    """predictions.csv, row by row: one for each listed video, those without a result too, in the annotation's order."""
    most = max(map(len, results.values()), default=1)
    row = csv.writer(_Returned(), lineterminator="\n").writerow
    yield row(("video", "class", "right", "in_top_k", "reason", *_heads(most)))
    for video in videos:
        name, label = _field(video.id), _field(video.label)
        ranking = results.get(video.id)
        if not ranking:
            yield row((name, label, "", "", _field(str(missing.get(video.id, "")))))
            continue
        right, among = ranking[0][0] == video.label, is_among(video.label, ranking, most)
        pairs = (value for label, score in ranking for value in (_field(label), f"{score:.6f}"))
        yield row((name, label, int(right), int(among), "", *pairs))


def _heads(most: int) -> list[str]:
    return [name for n in range(1, most + 1) for name in (f"label_{n}", f"score_{n}")]


class _Returned:
    """A file for `csv.writer` that gives back what is written, so that `writerow` returns the row."""

    @staticmethod
    def write(text: str) -> str:
        return text


def _field(text: str) -> str:
    """Foreign text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
