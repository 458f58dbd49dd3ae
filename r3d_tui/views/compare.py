"""Two runs side by side: their figures, and the videos whose best label changed."""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import fields

from backends.core.client import RunResult
from backends.core.settings import Settings
from r3d_tui.text import figures
from r3d_tui.text.rows import Column, Row, Span, safe, table
from r3d_tui.views.look import Look, paragraph, rule
from r3d_tui.views.stages import moment

KINDS = ("broken", "fixed", "lost", "gained", "other")
"""In the order in which they are listed: what got worse first."""


class Comparison(Struct, frozen=True):
    now: RunResult
    before: RunResult
    counts: Mapping[str, int] | None
    """Changed videos by kind; None where the predictions of one are gone."""


def above(found: Comparison, look: Look) -> list[Row]:
    """The figures of both, and how many videos changed and how."""
    words = look.words
    rows = [*_figures(found.now, found.before, look), (), *_settings(found.now, found.before, look)]
    if found.counts is None:
        return [*rows, (), *paragraph(words("compare.gone"), look.width, "warn")]
    changed = sum(found.counts.values())
    rows += [(), rule(words("compare.changed", n=figures.count(changed)), look.width)]
    if not changed:
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
    apart = _apart(speed, 1, better=True) if all(one.run.is_comparable for one in pair) else Span(figures.DASH)
    body.append((words("infer.clips_per_s"), *shown, apart))
    took = [one.run.seconds for one in pair]
    body.append((words("stages.time"), *map(figures.seconds, took), ""))
    rows = table(columns, body, look.width)
    if any(one.run.clips_per_s_beside for one in pair):
        rows += paragraph(words("runs.beside"), look.width, "warn")
    return rows


def _settings(now: RunResult, before: RunResult, look: Look) -> list[Row]:
    words = look.words
    if now.settings is None or before.settings is None:
        return paragraph(words("compare.settings_gone"), look.width, "dim")
    changed = list(differing(before.settings, now.settings))
    if not changed:
        return paragraph(words("compare.settings_same"), look.width, "dim")
    columns = (
        Column(words("compare.setting"), 20),
        Column(words("compare.before"), 16, flex=True),
        Column(words("compare.now"), 16, flex=True),
    )
    return [*table(columns, ((name, safe(old), Span(safe(new), "strong")) for name, old, new in changed), look.width)]


def differing(before: Settings, now: Settings) -> Iterator[tuple[str, str, str]]:
    """Each setting that differs, as `infer.batch`, with both values as a person writes them."""
    for section in fields(Settings):
        old, new = getattr(before, section.name), getattr(now, section.name)
        for one in fields(old):
            pair = getattr(old, one.name), getattr(new, one.name)
            if pair[0] != pair[1]:
                yield f"{section.name}.{one.name}", _value(pair[0]), _value(pair[1])


def _value(value: object) -> str:
    if value is None:
        return figures.DASH
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or figures.DASH
    return str(value).lower() if isinstance(value, bool) else str(value)


def _speed(one: RunResult, look: Look) -> Span:
    text = figures.rate(one.run.clips_per_s)
    if one.run.simulated:
        return Span(f"{look.words('sim.short')} {text}", "warn")
    return Span(text) if one.run.is_comparable else Span(f"({text})", "warn")


def _four(value: float | None) -> str:
    return figures.number(value, 4)


def _apart(values: Sequence[float | None], digits: int, *, better: bool = False) -> Span:
    before, now = values
    if before is None or now is None:
        return Span(figures.DASH)
    apart = round(now - before, digits)
    role = ("good" if apart > 0 else "bad") if better and apart else ""
    return Span(f"{apart:+,.{digits}f}" if apart else "=", role)
