"""The result: accuracy and speed beside what is published, the classes that are weak, what is taken for what."""

from __future__ import annotations

from backends.core.client import Snapshot
from backends.core.values import ClassScore, Report, VideoScore
from r3d_tui.text import figures
from r3d_tui.text.rows import Column, Row, Span, cells, cut, fit, row, table
from r3d_tui.text.safe import safe
from r3d_tui.views.devices import joined, of_simulated
from r3d_tui.views.listing import Entries, Listing, Order
from r3d_tui.views.look import Look, dotted, fact, figure, paragraph, rule, stage_of
from r3d_tui.views.verdict import verdict, verdict_rows
from r3d_tui.widgets.meter import meter

BAR = "\0"
"""Keeps the place of a bar in a table."""


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
    label = row(Span(f"  {words('sim.chips')}", "warn")) if of_simulated(snapshot.run) else ()
    rows = [fact(words("result.speed"), Span(figures.rate(speed), "strong"), f" {words('infer.clips_per_s')}", *label)]
    chips = [device for device in joined(snapshot) if device.run is not None]
    rates = [device.published for device in chips]
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


CLASS_ORDERS: tuple[Order[ClassScore], ...] = (
    Order("result.share", lambda one: (one.top1 / one.videos, one.label)),
    Order("result.label", lambda one: one.label),
    Order("result.videos", lambda one: one.videos, down=True),
)


def class_listing(report: Report | None) -> Listing[ClassScore]:
    """Every scored class, weakest first."""
    scored = [one for one in report.classes if one.videos] if report else []
    scored.sort(key=lambda one: (one.top1 / one.videos, one.label))
    return Listing(Entries(scored, CLASS_ORDERS, lambda one: one.label))


def class_columns(look: Look) -> tuple[Column, ...]:
    """Of the list of classes; the bar takes what is left."""
    words = look.words
    return (
        Column(words("result.label"), 18),
        Column("", 8, flex=True),
        Column(words("result.share"), 6, right=True),
        Column(words("result.videos"), 9, right=True),
    )


def class_cells(score: ClassScore, look: Look) -> tuple[str | Span, ...]:  # noqa: ARG001 - as all cells are drawn
    """One class; its bar is drawn where the list keeps its place."""
    part = score.top1 / score.videos
    return safe(score.label), Span(BAR, ""), figures.percent(part), f"{score.top1}/{score.videos}"


def with_bar(line: Row, score: ClassScore) -> Row:
    """The bar of a class where `class_cells` kept its place."""
    out: list[Span] = []
    for span in line:
        if span.text.startswith(BAR):
            out += [bar._replace(action=span.action) for bar in _meter(score, cells(span.text))]
        else:
            out.append(span)
    return tuple(out)


def _meter(score: ClassScore, wide: int) -> tuple[Span, ...]:
    part = score.top1 / score.videos
    return meter(part, wide, "bad" if part < 0.34 else "warn" if part < 0.5 else "good")


def _bar(score: ClassScore, wide: int, width: int) -> Row:
    text = f" {figures.percent(score.top1 / score.videos):>5}  {score.top1:>3}/{score.videos}"
    return cut(row(fit(safe(score.label), 18), " ", *_meter(score, wide), text), width)


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


WORST_ORDERS: tuple[Order[VideoScore], ...] = (
    Order("result.score", lambda one: one.score, down=True),
    Order("result.video", lambda one: one.video),
    Order("result.label", lambda one: one.label),
    Order("result.taken", lambda one: one.predicted),
)


def worst_listing(report: Report | None) -> Listing[VideoScore]:
    """The wrong videos, most certain first."""
    found = report.worst if report else ()
    return Listing(Entries(found, WORST_ORDERS, lambda one: f"{one.video} {one.label} {one.predicted}"))


def worst_columns(look: Look) -> tuple[Column, ...]:
    """Of the list of wrong videos."""
    words = look.words
    return (
        Column(words("result.video"), 24, flex=True),
        Column(words("result.label"), 14, rank=1),
        Column(words("result.taken"), 14),
        Column(words("result.score"), 6, right=True),
    )


def worst_cells(video: VideoScore, look: Look) -> tuple[str | Span, ...]:  # noqa: ARG001 - as all cells are drawn
    """One wrong video."""
    return safe(video.video), safe(video.label), safe(video.predicted), f"{video.score:.3f}"


def worst_rows(report: Report, look: Look, shown: int) -> list[Row]:
    """The first `shown` wrong videos under a heading; none where all are right."""
    if not report.worst:
        return []
    return table(worst_columns(look), (worst_cells(video, look) for video in report.worst[:shown]), look.width)
