"""Inference, live: each device's clips, rate, latency and load, their sum, and their share of what is published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backends.core.client import Snapshot
from backends.core.run_state import DeviceRun
from r3d_tui.text import figures
from r3d_tui.text.rows import Column, Grid, Row, Span, cells, grid, later, row
from r3d_tui.text.safe import safe
from r3d_tui.views.devices import Device, id_width, joined, of_simulated
from r3d_tui.views.look import (
    Look,
    dotted,
    facts,
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


def infer(
    snapshot: Snapshot,
    look: Look,
    history: Mapping[str, Sequence[float | None]],
    found: Sequence[Device] | None = None,
    device: str = "",
    cursor: str = "",
) -> list[Row]:
    """The inference panel. `history` has clips/s by device, and of all under ""; `found` are the devices to list.

    Of `device` stands below what the table has no room for; the one under the `cursor` is marked.
    """
    stage, words = stage_of(snapshot, "infer"), look.words
    rows = _head(snapshot, look)
    everything = [one for one in joined(snapshot) if one.run is not None]
    if everything:
        shown = [one for one in (everything if found is None else found) if one.run is not None]
        settled = grid(_columns(everything, look), look.width)
        rows += [(), settled.head()]
        rows += [_device_row(one, look, history.get(one.id, ()), cursor, settled) for one in shown]
        rows.append(settled.row(_total_cells(everything, snapshot, look)))
        if any(value is not None for value in history.get("", ())):
            rows += [(), *_history(look, history)]
        rows += [(), *_rest(everything, device, snapshot, look, settled)]
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
    right, judged = figure(stage, "top1_so_far"), figure(stage, "videos_so_far")
    if stage.state == "running" and right is not None and judged:
        rows += facts(
            words("result.top1"), words("infer.so_far", top1=f"{right:.4f}", n=figures.count(judged)), look.width
        )
    if of_simulated(snapshot.run):
        rows += paragraph(words("sim.speed"), look.width, "warn")
    return rows


def _columns(found: Sequence[Device], look: Look) -> tuple[Column, ...]:
    words = look.words
    powered = any(one.sample is not None and one.sample.power_w is not None for one in found)
    priced = any(one.run is not None and one.run.joules_per_clip is not None for one in found)
    known = any(one.published for one in found)
    return (
        Column(words("devices.device"), id_width(found)),
        Column(words("stages.state"), 7),
        Column(words("infer.done"), 7, right=True),
        Column(words("infer.now"), 6, right=True),
        Column(words("infer.mean"), 6, right=True, rank=1),
        Column(words("infer.p50"), 6, right=True, rank=2 if look.width >= 60 else 5),
        Column(words("infer.p95"), 6, right=True, rank=5),
        Column(words("infer.busy"), 5, right=True, rank=6),
        Column(words("infer.published"), 8, right=True, rank=3 if known else 10),
        Column(words("devices.power"), 7, right=True, rank=8 if powered else 11),
        Column(words("infer.energy"), 7, right=True, rank=7 if priced else 11),
        Column("", 12, rank=9),
        Column("", 0, flex=True, rank=12),
    )


def _device_row(one: Device, look: Look, history: Sequence[float | None], cursor: str, settled: Grid) -> Row:
    return later(one.id, lambda: settled.row(_device_cells(one, look, history, cursor)))


def _device_cells(one: Device, look: Look, history: Sequence[float | None], cursor: str) -> list[str | Span]:
    device, mark = one.run or DeviceRun(one.id), sign(one.state)
    quiet = "dim" if device.state in ("idle", "out", "found") else ""
    role = mark.role if mark.role in ("warn", "bad") else quiet
    here = "›" if cursor == one.id else " "
    action = f"screen.pick_device({one.id!r})" if safe(one.id) == one.id else ""
    return [
        Span(f"{here}{mark.text} {safe(device.id)}", mark.role, action),
        Span(state_word(look.words, device.state), role, action),
        figures.count(device.clips),
        Span(figures.rate(live_rate(device)), "strong" if live_rate(device) is not None else ""),
        figures.rate(device.mean_clips_per_s),
        milliseconds(device.latency_ms),
        milliseconds(device.latency_p95_ms),
        figures.percent(device.utilisation),
        figures.percent(share_of_published(one)),
        figures.number(one.sample.power_w if one.sample else None, 1, "W"),
        joules(device.joules_per_clip),
        spark(history, 12),
        "",
    ]


def share_of_published(one: Device) -> float | None:
    """Of the published rate of such a chip, by the device's mean; None where nothing was published or measured."""
    mean, whole = one.run.mean_clips_per_s if one.run else None, one.published
    return mean / whole if mean is not None and whole else None


def milliseconds(value: float | None) -> str:
    """A latency, without a decimal where it has four digits."""
    return figures.number(value, 1 if value is None or value < 1000 else 0)


def joules(value: float | None) -> str:
    """Energy of a clip, with as many digits as tell something."""
    return figures.number(value, 3 if value is not None and value < 1 else 1, "J")


def _total_cells(found: Sequence[Device], snapshot: Snapshot, look: Look) -> list[str | Span]:
    running = [one.run for one in found if one.run is not None]
    working = [one for one in found if one.state not in ("retired", "out")]
    now = [rate for rate in map(live_rate, running) if rate is not None]
    mean = [one.run.mean_clips_per_s for one in working if one.run and one.run.mean_clips_per_s is not None]
    whole = [one.published for one in working]
    known = sum(value for value in whole if value is not None) if whole and None not in whole else None
    stage = stage_of(snapshot, "infer")
    overall = figure(stage, "clips_per_s")
    rate = overall if overall is not None else sum(mean) if mean else None
    power = [one.sample.power_w for one in working if one.sample]
    watts = sum(value for value in power if value is not None) if power and None not in power else None
    cells: list[str | Span] = [
        f"   {look.words('infer.total')}",
        "",
        figures.count(sum(device.clips for device in running)),
        figures.rate(sum(now) if now else None),
        figures.rate(rate),
        *("", "", ""),
        figures.percent(rate / known if rate is not None and known else None),
        figures.number(watts, 0, "W"),
        joules(figure(stage, "joules_per_clip")),
        "",
        "",
    ]
    return [Span(str(cell), "strong") for cell in cells]


def _rest(found: Sequence[Device], device: str, snapshot: Snapshot, look: Look, settled: Grid) -> list[Row]:
    """What the table has no room for, of one device; and why no energy is told."""
    rows: list[Row] = []
    words = look.words
    mine = next((one for one in found if one.id == device), None)
    heads = {column.head for column in settled.columns}
    if mine is not None and mine.run is not None:
        run = mine.run
        parts = (
            ("infer.p50", milliseconds(run.latency_ms)),
            ("infer.p95", milliseconds(run.latency_p95_ms)),
            ("infer.busy", figures.percent(run.utilisation)),
            ("infer.published", figures.percent(share_of_published(mine))),
            ("devices.power", figures.number(mine.sample.power_w if mine.sample else None, 1, "W")),
            ("infer.energy", joules(run.joules_per_clip)),
        )
        hidden = [f"{words(key)} {text}" for key, text in parts if words(key) not in heads and text != figures.DASH]
        if hidden:
            rows += facts(safe(mine.id), dotted(hidden), look.width)
    if (basis := energy_basis(snapshot)) not in ("", "measured"):
        rows += facts(words("infer.energy"), words.get(f"energy.{basis}", basis), look.width, "dim")
    return rows


def energy_basis(snapshot: Snapshot) -> str:
    """On what the energy a clip stands, or why there is none: a key of `energy`; empty where nothing was said."""
    stage = stage_of(snapshot, "infer")
    told = stage.outcome.figures.get("energy") if stage.outcome else None
    return safe(str(told if told is not None else stage.live.get("energy") or ""))


def _history(look: Look, history: Mapping[str, Sequence[float | None]]) -> list[Row]:
    values = history.get("", ())
    known = [value for value in values if value is not None]
    label = f"{figures.rate(max(known))} {look.words('infer.peak')}"
    width = max(8, min(120, look.width - cells(label) - 1))
    return [row(spark(values, width), " ", Span(label, "dim"))]
