"""All about one device: its state and why, its processes, what it did in inference, and the history of its sensors."""

from collections.abc import Sequence

from msgspec import Struct

from backends.core.client import Snapshot
from backends.core.messages import Line, line
from backends.core.run_state import DeviceRun, Note
from backends.core.values import ChipProcess, DeviceTable
from r3d_tui.text import figures
from r3d_tui.text.rows import Column, Row, Span, cells, cut, fit, row, safe, table
from r3d_tui.views.devices import UNITS, Device, energy_basis, metric_text, reasons, share_of_reference
from r3d_tui.views.look import Look, facts, marked, paragraph, rule, state_word
from r3d_tui.views.server import clip_rows, server_page
from r3d_tui.views.stages import moment
from r3d_tui.views.tracks import METRICS, Track, range_of
from r3d_tui.widgets.meter import graph

NOTES = 6
"""Notes about a device that are shown, the latest."""
LEFT = 9
"""Cells of the scale beside a graph."""


class Processes(Struct, frozen=True):
    """What npu-smi says of the processes on a device, once it was asked; `trouble` where it did not answer."""

    found: tuple[ChipProcess, ...] = ()
    trouble: Line = Line("")


def processes_on(device: str, table: DeviceTable) -> Processes:
    """What a reading of npu-smi says of one device's processes."""
    if table.error is not None:
        return Processes(trouble=line("npu-smi: {cause}", cause=table.error.message))
    chip = next((one for one in table.chips if one.device == device), None)
    if chip is None:
        return Processes()
    places = (None, chip.chip_id)
    return Processes(tuple(p for p in table.processes if p.npu_id == chip.npu_id and p.chip_id in places))


def chip(
    device: Device,
    track: Track | None,
    rates: Sequence[float | None],
    processes: Processes | None,
    snapshot: Snapshot | None,
    look: Look,
) -> list[Row]:
    """The page of one device. `rates` are clips/s as this console saw them; without `snapshot` it is of an old run."""
    rows = _state(device, look)
    if snapshot is not None:
        rows += _said(device, snapshot.run.notes, look)
    rows += _facts(device, processes, look)
    if device.run is not None and snapshot is not None:
        rows += [(), rule(look.words("stage.infer"), look.width), *_work(device, device.run, snapshot, look)]
        if device.run.server is not None:
            return [cut(line, look.width) for line in rows]
    if track is None or not len(track):
        return [*rows, (), *paragraph(look.words("chip.no_history"), look.width, "dim")]
    rows += [(), *_ranges(track, look), *_graphs(track, rates, look, max(2, min(6, (look.height - 6) // 6)))]
    return [cut(line, look.width) for line in rows]


def _state(device: Device, look: Look) -> list[Row]:
    if device.run is None:
        return []
    rows = marked(device.state, state_word(look.words, device.state), look.width, "strong")
    role = "bad" if device.state == "retired" else "warn"
    for text in reasons(device):
        rows += paragraph(look.words.line(text), look.width, role, 2)
    return rows


def _said(device: Device, notes: Sequence[Note], look: Look) -> list[Row]:
    """What the run noted of the device, each with the fix that was noted behind it."""
    found: list[Note] = []
    for place, note in enumerate(notes):
        if note.text.facts.get("device") == device.id:
            found.append(note)
            after = notes[place + 1] if place + 1 < len(notes) else None
            if after is not None and after.stage == note.stage and "device" not in after.text.facts:
                found.append(after)
    rows: list[Row] = []
    for note in found[-NOTES:]:
        role = {"warning": "warn", "error": "bad"}.get(note.level, "")
        rows += paragraph(f"{moment(note.at)[11:]}  {look.words.line(note.text)}", look.width, role, 2)
    return rows


def _facts(device: Device, processes: Processes | None, look: Look) -> list[Row]:
    words, sample = look.words, device.sample
    rows = facts(words("devices.name"), safe(device.name) or figures.DASH, look.width, "strong")
    if device.simulated:
        rows += facts("", words("sim.speed"), look.width, "warn")
    if sample is not None and sample.health:
        rows += facts(words("devices.health"), safe(sample.health), look.width, "" if sample.health == "OK" else "warn")
    if sample is not None and sample.card_power_w is not None:
        rows += facts(words("chip.card"), words("chip.whole_card", watts=f"{sample.card_power_w:.1f}"), look.width)
    if device.run is not None and device.run.pid:
        rows += facts(words("chip.worker"), str(device.run.pid), look.width)
    if processes is None:
        text = figures.count(sample.processes if sample else None)
        return rows + (facts(words("devices.procs"), text, look.width) if text != figures.DASH else [])
    if processes.trouble.template:
        return rows + facts(words("devices.procs"), words.line(processes.trouble), look.width, "warn")
    listed = [f"{one.pid} {safe(one.name)} {figures.number(one.memory_mb, 0, 'MB')}" for one in processes.found]
    return rows + facts(words("devices.procs"), " · ".join(listed) or words("chip.idle"), look.width)


def _work(device: Device, run: DeviceRun, snapshot: Snapshot, look: Look) -> list[Row]:
    if run.server is not None:
        return server_page(run, run.server, look)
    words = look.words
    whole = device.published
    latency = f"{figures.milliseconds(run.latency_ms)} {words('infer.p50')} · "
    latency += f"{figures.milliseconds(run.latency_p95_ms)} {words('infer.p95')}"
    basis = energy_basis(snapshot)
    energy = figures.joules(run.joules_per_clip)
    if run.joules_per_clip is None and basis not in ("", "measured"):
        energy = words.get(f"energy.{basis}", basis)
    rows = [*clip_rows(run, look), *facts(words("chip.latency"), latency, look.width)]
    rows += facts(words("infer.busy"), figures.percent(run.utilisation), look.width)
    if whole is not None:
        text = words("chip.share", share=figures.percent(share_of_reference(device)), rate=figures.rate(whole))
        rows += facts(words("result.published"), text, look.width)
    return rows + facts(words("infer.energy"), energy, look.width)


def _ranges(track: Track, look: Look) -> list[Row]:
    words = look.words
    columns = (
        Column(words("chip.sensor"), 10),
        *(Column(words(f"chip.{name}"), 10, right=True) for name in ("now", "least", "mean", "most")),
        Column("", 0, flex=True, rank=9),
    )
    body = []
    for metric in METRICS:
        found = range_of(track, metric)
        values = (found.now, found.least, found.mean, found.most)
        body.append([words(UNITS[metric][0]), *(metric_text(metric, value) for value in values), ""])
    return table(columns, body, look.width)


def _graphs(track: Track, rates: Sequence[float | None], look: Look, height: int) -> list[Row]:
    words = look.words
    wide = max(8, look.width - LEFT - 1)
    rows: list[Row] = []
    for metric in METRICS:
        found = range_of(track, metric)
        if found.least is None or found.most is None:
            continue
        low, high = found.least, found.most
        if metric == "busy_percent":
            low, high = 0.0, 100.0
        scale = (metric_text(metric, high), metric_text(metric, low))
        rows += [(), row(Span(words(UNITS[metric][0]), "head"))]
        rows += _drawn(track.spread(metric, wide), height, low, high, scale)
    if rows:
        begun, ended = moment(track.at[0])[11:], moment(track.at[-1])[11:]
        gap = max(1, wide - cells(begun) - cells(ended))
        rows.append(row(" " * (LEFT + 1), Span(f"{begun}{' ' * gap}{ended}", "dim")))
    known = [value for value in rates if value is not None]
    if len(known) > 1:
        rows += [(), row(Span(f"{words('infer.clips_per_s')} {words('chip.since')}", "head"))]
        last = list(rates)[-wide:]
        blank: list[float | None] = [None] * (wide - len(last))
        rows += _drawn([*blank, *last], height, 0.0, max(known), (figures.rate(max(known)), "0"))
    return rows


def _drawn(values: Sequence[float | None], height: int, low: float, high: float, scale: tuple[str, str]) -> list[Row]:
    lines = graph(values, height, low, high)
    marks = [scale[0], *[""] * (height - 2), scale[1]]
    return [
        row(Span(fit(mark, LEFT, right=True), "dim"), " ", Span(text, "accent"))
        for mark, text in zip(marks, lines, strict=True)
    ]
