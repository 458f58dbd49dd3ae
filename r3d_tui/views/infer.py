"""Inference, live: each device's clips, rate, latency and load, their sum, and their share of what is published."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from backends.contract.client import Snapshot
from backends.contract.run import DeviceRun
from r3d_tui import figures
from r3d_tui.rows import Column, Row, Span, cells, row, table
from r3d_tui.safe import safe
from r3d_tui.views.devices import joined
from r3d_tui.views.look import (
    Look,
    dotted,
    figure,
    figure_text,
    left,
    live_rate,
    marked,
    paragraph,
    share,
    sign,
    stage_of,
    state_word,
)
from r3d_tui.views.stages import asides
from r3d_tui.widgets.meter import meter
from r3d_tui.widgets.spark import spark

PUBLISHED = (("310P", 794.91), ("310", 392.21))
"""Clips/s of one chip at batch 10, from the ModelZoo guide for 3D-ResNets on HMDB51."""
_CHIP = re.compile(r"(?:Ascend)?\s*(310P|310)(?![A-Za-z])", re.IGNORECASE)


def published_rate(name: str) -> float | None:
    """The published clips/s of a chip of that name; None where nothing was published (a CPU, a 910, a virtual NPU)."""
    found = _CHIP.match(name.strip())
    if found is None or "vir" in name:
        return None
    return dict(PUBLISHED)[found.group(1).upper()]


def infer(snapshot: Snapshot, look: Look, history: Mapping[str, Sequence[float | None]]) -> list[Row]:
    """The inference panel. `history` has clips/s by device, and of all under ""."""
    stage, words = stage_of(snapshot, "infer"), look.words
    rows = _head(snapshot, look)
    running = [device.run for device in joined(snapshot) if device.run is not None]
    if running:
        names = {device.id: device.name for device in joined(snapshot)}
        rows += [(), *_device_table(running, names, look, history, snapshot)]
        if any(value is not None for value in history.get("", ())):
            rows += [(), *_history(look, history)]
    elif stage.state in ("waiting", "skipped"):
        text = words.line(stage.reason) or words("infer.nothing")
        rows += [(), *paragraph(text, look.width, "dim")]
    if stage.state == "failed":
        rows += [(), *paragraph(words.line(stage.reason), look.width, "bad")]
        rows += paragraph(words.line(stage.hint), look.width) if stage.hint.template else []
    if stage.set_aside_count:
        rows += [(), *asides(stage, look, 20)]
    return rows


def _head(snapshot: Snapshot, look: Look) -> list[Row]:
    stage, words = stage_of(snapshot, "infer"), look.words
    known = [state_word(words, stage.state)]
    if runtime := figure_text(stage, "runtime"):
        known.append(runtime)
    if settings := snapshot.settings:
        known += [
            words("infer.batch", n=settings.infer.batch),
            words.get(f"layout.{settings.infer.layout}", settings.infer.layout),
        ]
    rows = marked(stage.state, dotted(known), look.width)
    part = share(stage)
    if stage.state == "running":
        counts = f"  {figures.count(stage.done)}/{figures.count(stage.total)}" if look.width >= 44 else ""
        text = f" {figures.percent(part):>5}{counts}"
        rest = left(stage)
        tail = "  " + words("stages.left", time=figures.clock(rest)) if rest is not None else ""
        rows.append(row(*meter(part, max(8, look.width - cells(text + tail))), text, Span(tail, "strong")))
    elif stage.outcome is not None:
        clips, seconds = figure(stage, "clips"), figure(stage, "seconds")
        parts = [
            words("infer.clips", n=figures.count(clips)),
            figures.seconds(seconds) if seconds is not None else "",
            f"{figures.rate(figure(stage, 'clips_per_s'))} {words('infer.clips_per_s')}",
        ]
        rows += paragraph(dotted(parts), look.width, "strong")
    return rows


def _device_table(
    running: Sequence[DeviceRun],
    names: Mapping[str, str],
    look: Look,
    history: Mapping[str, Sequence[float | None]],
    snapshot: Snapshot,
) -> list[Row]:
    words = look.words
    published = {device.id: published_rate(names.get(device.id, "")) for device in running}
    columns = (
        Column(words("devices.device"), 7),
        Column(words("stages.state"), 7),
        Column(words("infer.done"), 7, right=True),
        Column(words("infer.now"), 7, right=True),
        Column(words("infer.mean"), 7, right=True, rank=1),
        Column(words("infer.p50"), 7, right=True, rank=2),
        Column(words("infer.p95"), 7, right=True, rank=5),
        Column(words("infer.busy"), 5, right=True, rank=3),
        Column(words("infer.published"), 8, right=True, rank=1 if any(published.values()) else 8),
        Column("", 12, rank=7),
        Column("", 0, flex=True, rank=9),
    )
    body = [_device_cells(device, published[device.id], look, history.get(device.id, ())) for device in running]
    body.append(_total_cells(running, published, look, snapshot))
    return table(columns, body, look.width)


def _device_cells(
    device: DeviceRun, published: float | None, look: Look, history: Sequence[float | None]
) -> list[str | Span]:
    mark = sign(device.state)
    mean = device.mean_clips_per_s
    quiet = "dim" if device.state in ("idle", "out", "found") else ""
    role = mark.role if mark.role in ("warn", "bad") else quiet
    return [
        Span(f"{mark.text} {safe(device.id)}", mark.role),
        Span(state_word(look.words, device.state), role),
        figures.count(device.clips),
        Span(figures.rate(live_rate(device)), "strong" if live_rate(device) is not None else ""),
        figures.rate(mean),
        figures.number(device.latency_ms, 1),
        figures.number(device.latency_p95_ms, 1),
        figures.percent(device.utilisation),
        figures.percent(mean / published if mean is not None and published else None),
        spark(history, 12),
        "",
    ]


def _total_cells(
    running: Sequence[DeviceRun], published: Mapping[str, float | None], look: Look, snapshot: Snapshot
) -> list[str | Span]:
    working = [device for device in running if device.state not in ("retired", "out")]
    now = [rate for rate in map(live_rate, running) if rate is not None]
    mean = [device.mean_clips_per_s for device in working if device.mean_clips_per_s is not None]
    whole = [published[device.id] for device in working]
    known = sum(value for value in whole if value is not None) if whole and None not in whole else None
    overall = figure(stage_of(snapshot, "infer"), "clips_per_s")
    rate = overall if overall is not None else sum(mean) if mean else None
    return [
        Span(f"  {look.words('infer.total')}", "strong"),
        "",
        Span(figures.count(sum(device.clips for device in running)), "strong"),
        Span(figures.rate(sum(now) if now else None), "strong"),
        Span(figures.rate(rate), "strong"),
        "",
        "",
        "",
        Span(figures.percent(rate / known if rate is not None and known else None), "strong"),
        "",
        "",
    ]


def _history(look: Look, history: Mapping[str, Sequence[float | None]]) -> list[Row]:
    values = history.get("", ())
    known = [value for value in values if value is not None]
    label = f"{figures.rate(max(known))} {look.words('infer.peak')}"
    width = max(8, min(120, look.width - cells(label) - 1))
    return [row(spark(values, width), " ", Span(label, "dim"))]
