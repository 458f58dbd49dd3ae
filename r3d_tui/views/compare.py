"""Two runs side by side: their figures, and the videos whose best label changed. Pure: results in, rows out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backends.contract.client import Prediction, RunResult
from r3d_tui import figures
from r3d_tui.rows import Column, Row, Span, row, table
from r3d_tui.safe import safe
from r3d_tui.views.look import Look, paragraph, rule
from r3d_tui.views.stages import moment


@dataclass(frozen=True, slots=True)
class Change:
    """One video that two runs do not agree on. None: the run has no result for it."""

    before: Prediction | None
    after: Prediction | None

    @property
    def kind(self) -> str:
        """`mended`, `broken`, `other` (wrong in another way), `gained` or `lost` (a result)."""
        was, now = (one.right if one else None for one in (self.before, self.after))
        if was is None or now is None:
            return "gained" if was is None else "lost"
        if was == now:
            return "other"
        return "mended" if now else "broken"


KINDS = ("broken", "mended", "lost", "gained", "other")
"""In the order in which they are listed: what got worse first."""
ROLES = {"broken": ("✗", "bad"), "mended": ("✓", "good"), "lost": ("–", "warn"), "gained": ("·", "good")}


def changes(before: Sequence[Prediction], after: Sequence[Prediction]) -> tuple[Change, ...]:
    """The videos whose best label changed between two runs; a score that moved is no change."""
    old = {one.video: one for one in before}
    new = {one.video: one for one in after}
    found = []
    for video in dict.fromkeys((*new, *old)):
        change = Change(old.get(video), new.get(video))
        was, now = (one.predicted if one else None for one in (change.before, change.after))
        if was != now:
            found.append(change)
    return tuple(sorted(found, key=lambda change: KINDS.index(change.kind)))


def compare(now: RunResult, before: RunResult | None, look: Look) -> list[Row]:
    """The comparison page."""
    words = look.words
    if before is None:
        return paragraph(words("compare.none"), look.width, "dim")
    rows = _figures(now, before, look)
    if not now.predictions or not before.predictions:
        return [*rows, (), *paragraph(words("compare.gone"), look.width, "warn")]
    found = changes(before.predictions, now.predictions)
    counts = {kind: sum(change.kind == kind for change in found) for kind in KINDS}
    known = " · ".join(words(f"compare.{kind}", n=n) for kind, n in counts.items() if n)
    rows += [(), rule(words("compare.changed", n=len(found)), look.width)]
    if not found:
        return [*rows, *paragraph(words("compare.same"), look.width, "good")]
    return [*rows, *paragraph(known, look.width, "strong"), *_videos(found, look)]


def _figures(now: RunResult, before: RunResult, look: Look) -> list[Row]:
    words = look.words
    columns = (
        Column("", 8),
        Column(words("compare.before"), 20, right=True),
        Column(words("compare.now"), 20, right=True),
        Column(words("compare.apart"), 10, right=True, rank=1),
    )
    pair = (before, now)
    body: list[tuple[str | Span, ...]] = [
        (words("runs.run"), *(safe(one.run.id) for one in pair), ""),
        (words("runs.started"), *(moment(one.run.started) if one.run.started else figures.DASH for one in pair), ""),
    ]
    top1 = [one.report.top1 if one.report else one.run.top1 for one in pair]
    body.append((words("result.top1"), *map(_four, top1), _apart(top1, 4, better=True)))
    reports = [one.report for one in pair]
    if all(reports):
        topk = [report.topk if report else None for report in reports]
        k = reports[1].k if reports[1] else 1
        same = reports[0] is not None and reports[0].k == k
        if same and k > 1:
            body.append((words("result.topk", k=k), *map(_four, topk), _apart(topk, 4, better=True)))
        videos = [float(report.videos) if report else None for report in reports]
        body.append((words("result.videos"), *map(figures.count, videos), _apart(videos, 0)))
    speed = [one.run.clips_per_s for one in pair]
    body.append((words("infer.clips_per_s"), *map(figures.rate, speed), _apart(speed, 1, better=True)))
    took = [one.run.seconds for one in pair]
    body.append((words("stages.time"), *map(figures.seconds, took), ""))
    return table(columns, body, look.width)


def _four(value: float | None) -> str:
    return figures.number(value, 4)


def _apart(values: Sequence[float | None], digits: int, *, better: bool = False) -> Span:
    before, now = values
    if before is None or now is None:
        return Span(figures.DASH)
    apart = round(now - before, digits)
    role = ("good" if apart > 0 else "bad") if better and apart else ""
    return Span(f"{apart:+,.{digits}f}" if apart else "=", role)


def _videos(found: Sequence[Change], look: Look) -> list[Row]:
    words = look.words
    columns = (
        Column("", 1),
        Column(words("result.video"), 18, flex=True),
        Column(words("result.label"), 14, rank=1),
        Column(words("compare.before"), 14),
        Column(words("compare.now"), 14),
    )
    body = []
    for change in found:
        one = change.after or change.before
        sign, role = ROLES.get(change.kind, ("·", "dim"))
        if one is not None:
            labels = (_label(change.before), _label(change.after))
            body.append((Span(sign, role), safe(one.video), safe(one.label), labels[0], Span(labels[1], role)))
    return [row(), *table(columns, body, look.width)]


def _label(one: Prediction | None) -> str:
    return figures.DASH if one is None or one.predicted is None else safe(one.predicted)
