"""Two runs side by side: their figures, and the videos whose best label changed. Pure: results in, rows out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct

from backends.core.client import Prediction, RunResult, by_name
from backends.core.cooperative import giving_way
from r3d_tui.text import figures
from r3d_tui.text.rows import Column, Row, Span, table
from r3d_tui.text.safe import safe
from r3d_tui.views.listing import Listing, Order
from r3d_tui.views.look import Look, paragraph, rule
from r3d_tui.views.stages import moment


class Change(Struct, frozen=True):
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
    """The videos whose best label changed between two runs, by kind; a score that moved is no change."""
    old, new = by_name(before), by_name(after)
    found: dict[str, list[Change]] = {kind: [] for kind in KINDS}
    for now in giving_way(after):
        was = old.get(now.video)
        if was is None or was.predicted != now.predicted:
            change = Change(was, now)
            if was is not None or now.predicted is not None:
                found[change.kind].append(change)
    for was in giving_way(before):
        if was.predicted is not None and was.video not in new:
            change = Change(was, None)
            found[change.kind].append(change)
    return tuple(change for kind in KINDS for change in found[kind])


class Comparison(Struct, frozen=True):
    """Two results beside each other, once they were compared: with many videos that takes a thread's time."""

    now: RunResult
    before: RunResult
    listing: Listing[Change]
    counts: Mapping[str, int]


def compared(now: RunResult, before: RunResult) -> Comparison:
    """Compare two results."""
    found = changes(before.predictions, now.predictions) if now.predictions and before.predictions else ()
    return Comparison(now, before, Listing(found, ORDERS, _text), Counter(change.kind for change in found))


def _text(change: Change) -> str:
    one = change.after or change.before
    labels = [side.predicted or "" for side in (change.before, change.after) if side]
    return " ".join([change.kind, one.video if one else "", one.label if one else "", *labels])


def _name(change: Change) -> str:
    one = change.after or change.before
    return one.video if one else ""


ORDERS: tuple[Order[Change], ...] = (
    Order("result.video", _name),
    Order("result.label", lambda one: one.after.label if one.after else one.before.label if one.before else None),
    Order("compare.before", lambda one: one.before.predicted if one.before else None),
    Order("compare.now", lambda one: one.after.predicted if one.after else None),
)


def above(found: Comparison, look: Look) -> list[Row]:
    """The figures of both, and how many videos changed and how."""
    words = look.words
    rows = _figures(found.now, found.before, look)
    if not found.now.predictions or not found.before.predictions:
        return [*rows, (), *paragraph(words("compare.gone"), look.width, "warn")]
    rows += [(), rule(words("compare.changed", n=figures.count(len(found.listing.entries))), look.width)]
    if not found.listing.entries:
        return [*rows, *paragraph(words("compare.same"), look.width, "good")]
    known = " · ".join(words(f"compare.{kind}", n=found.counts[kind]) for kind in KINDS if found.counts.get(kind))
    return [*rows, *paragraph(known, look.width, "strong")]


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
    shown = (_speed(one, look) for one in pair)
    apart = _apart(speed, 1, better=True) if not any(one.run.simulated for one in pair) else Span(figures.DASH)
    body.append((words("infer.clips_per_s"), *shown, apart))
    took = [one.run.seconds for one in pair]
    body.append((words("stages.time"), *map(figures.seconds, took), ""))
    return table(columns, body, look.width)


def _speed(one: RunResult, look: Look) -> Span:
    text = figures.rate(one.run.clips_per_s)
    return Span(f"{look.words('sim.short')} {text}", "warn") if one.run.simulated else Span(text)


def _four(value: float | None) -> str:
    return figures.number(value, 4)


def _apart(values: Sequence[float | None], digits: int, *, better: bool = False) -> Span:
    before, now = values
    if before is None or now is None:
        return Span(figures.DASH)
    apart = round(now - before, digits)
    role = ("good" if apart > 0 else "bad") if better and apart else ""
    return Span(f"{apart:+,.{digits}f}" if apart else "=", role)


def change_columns(look: Look) -> tuple[Column, ...]:
    """Of the list of changed videos."""
    words = look.words
    return (
        Column("", 1),
        Column(words("result.video"), 18, flex=True),
        Column(words("result.label"), 14, rank=1),
        Column(words("compare.before"), 14),
        Column(words("compare.now"), 14),
    )


def change_cells(change: Change, look: Look) -> tuple[str | Span, ...]:  # noqa: ARG001 - as all cells are drawn
    """One changed video."""
    one = change.after or change.before
    sign, role = ROLES.get(change.kind, ("·", "dim"))
    name, label = (safe(one.video), safe(one.label)) if one else ("", "")
    return Span(sign, role), name, label, _label(change.before), Span(_label(change.after), role)


def _label(one: Prediction | None) -> str:
    return figures.DASH if one is None or one.predicted is None else safe(one.predicted)
