"""The result: accuracy and speed beside what is published, the classes that are weak, what is taken for what."""

from __future__ import annotations

from backends.contract.client import Snapshot
from backends.contract.values import ClassScore, Report
from r3d_tui import figures
from r3d_tui.rows import Column, Row, Span, cut, fit, row, table
from r3d_tui.safe import safe
from r3d_tui.views.devices import joined
from r3d_tui.views.infer import published_rate
from r3d_tui.views.look import Look, dotted, fact, figure, paragraph, rule, stage_of
from r3d_tui.views.verdict import verdict, verdict_rows
from r3d_tui.widgets.meter import meter


def result(snapshot: Snapshot, look: Look) -> list[Row]:
    """The result panel."""
    report = snapshot.report
    if report is None:
        key = "result.none" if snapshot.run.state != "running" else "result.not_yet"
        return paragraph(look.words(key), look.width, "dim")
    rows = [*_accuracy(report, look), *_counts(snapshot, report, look), *_speed(snapshot, look)]
    rows += _classes(report, look)
    rows += _confusions(report, look)
    return rows + _worst(report, look)


def _accuracy(report: Report, look: Look) -> list[Row]:
    words = look.words
    right = round(report.top1 * report.videos)
    rows = [
        fact(
            words("result.top1"),
            Span(f"{report.top1:.4f}", "strong"),
            f"  {words('result.of', right=figures.count(right), n=figures.count(report.videos))}",
        ),
        fact("", words("result.interval", low=f"{report.top1_low:.4f}", high=f"{report.top1_high:.4f}")),
    ]
    if report.published_top1 is not None:
        apart = report.top1 - report.published_top1
        inside = report.top1_low <= report.published_top1 <= report.top1_high
        verdict = words("result.inside" if inside else "result.outside")
        text = f"{report.published_top1:.4f}  ({apart:+.4f}, {verdict})"
        rows.append(fact(words("result.published"), Span(text, "good" if inside else "warn")))
    if report.k > 1:
        rows.append(fact(words("result.topk", k=report.k), f"{report.topk:.4f}"))
    if report.videos != report.videos_listed:
        rows.append(
            fact(
                words("result.all"),
                f"{report.top1_all:.4f}  {words('result.all_of')}",
            )
        )
    return [cut(line, look.width) for line in rows]


def _counts(snapshot: Snapshot, report: Report, look: Look) -> list[Row]:
    words = look.words
    aside = words("stages.aside", n=report.videos_set_aside) if report.videos_set_aside else ""
    videos = dotted([f"{figures.count(report.videos)}/{figures.count(report.videos_listed)}", aside])
    clips = report.clips if report.clips is not None else figure(stage_of(snapshot, "infer"), "clips")
    subset = look.words.get(f"subset.{report.subset}", report.subset)
    return [
        cut(fact(words("result.videos"), Span(videos, "warn" if aside else ""), f"  {subset}"), look.width),
        fact(words("result.clips"), figures.count(clips)),
    ]


def _speed(snapshot: Snapshot, look: Look) -> list[Row]:
    words = look.words
    speed = figure(stage_of(snapshot, "infer"), "clips_per_s")
    rows = [fact(words("result.speed"), Span(figures.rate(speed), "strong"), f" {words('infer.clips_per_s')}")]
    chips = [device for device in joined(snapshot) if device.run is not None]
    rates = [published_rate(device.name) for device in chips]
    if speed is not None and rates and None not in rates:
        whole = sum(rate for rate in rates if rate is not None)
        text = words(
            "result.speed_published", n=len(rates), rate=figures.rate(whole), share=figures.percent(speed / whole)
        )
        rows.append(fact("", Span(text, "dim")))
    found = verdict(snapshot)
    told = verdict_rows(found, look) if found is not None else []
    return [*(cut(line, look.width) for line in rows), *told]


def _classes(report: Report, look: Look) -> list[Row]:
    scored = [score for score in report.classes if score.videos]
    if not scored:
        return []
    weak = sorted(scored, key=lambda score: (score.top1 / score.videos, score.label))
    shown = 12 if look.height < 40 else len(weak)
    rows: list[Row] = [(), rule(look.words("result.weakest", n=min(shown, len(weak)), of=len(scored)), look.width)]
    wide = max(8, min(40, look.width - 38))
    return rows + [_bar(score, wide, look.width) for score in weak[:shown]]


def class_rows(report: Report, look: Look) -> list[Row]:
    """Every scored class, weakest first, each with a bar."""
    scored = sorted((one for one in report.classes if one.videos), key=lambda one: (one.top1 / one.videos, one.label))
    wide = max(8, min(100, look.width - 38))
    return [_bar(score, wide, look.width) for score in scored]


def _bar(score: ClassScore, wide: int, width: int) -> Row:
    part = score.top1 / score.videos
    role = "bad" if part < 0.34 else "warn" if part < 0.5 else "good"
    text = f" {figures.percent(part):>5}  {score.top1:>3}/{score.videos}"
    return cut(row(fit(safe(score.label), 18), " ", *meter(part, wide, role), text), width)


def _confusions(report: Report, look: Look) -> list[Row]:
    if not report.confusions:
        return []
    pairs = (
        row(f"{pair.videos:>4}  ", fit(safe(pair.label), 18), Span("→ ", "dim"), safe(pair.predicted))
        for pair in report.confusions[:10]
    )
    return [(), rule(look.words("result.confused"), look.width), *(cut(line, look.width) for line in pairs)]


def _worst(report: Report, look: Look) -> list[Row]:
    rows = worst_rows(report, look, 50)
    return [(), rule(look.words("result.worst"), look.width), *rows] if rows else []


def worst_rows(report: Report, look: Look, shown: int) -> list[Row]:
    """The wrong videos, most certain first, at most `shown`, under a heading; none where all are right."""
    if not report.worst:
        return []
    words = look.words
    columns = (
        Column(words("result.video"), 24, flex=True, keep_end=False),
        Column(words("result.label"), 14, rank=1),
        Column(words("result.taken"), 14),
        Column(words("result.score"), 6, right=True),
    )
    body = [
        (safe(video.video), safe(video.label), safe(video.predicted), f"{video.score:.3f}")
        for video in report.worst[:shown]
    ]
    return table(columns, body, look.width)
