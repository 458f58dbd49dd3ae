"""The devices: each chip or group of cores with its health, power, temperature, load and memory, and why it is out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace

from backends.core.client import Snapshot
from backends.core.messages import Line
from backends.core.published import published_model, published_rates
from backends.core.run_state import DeviceRun, Run
from backends.core.values import DeviceSample
from r3d_tui.text import figures
from r3d_tui.text.rows import Column, Grid, Row, Span, cells, cut, fit, grid, later, row
from r3d_tui.text.safe import safe
from r3d_tui.views.listing import Order, filter_of
from r3d_tui.views.look import LABEL, Look, live_rate, paragraph, sign, stage_of, state_word
from r3d_tui.views.tracks import Track, range_of
from r3d_tui.widgets.meter import load_role, meter
from r3d_tui.widgets.spark import spark

OLD_S = 10.0
"""A reading older than this says its age."""
SHORT_S = 120.0
"""What a short history shows."""
SPARK = 6
UNITS = {"power_w": ("devices.power", 1, "W"), "temp_c": ("devices.temp", 0, "°C")}
"""Metric: its word, digits and unit; the others are shares."""
SIMULATED = " simulated"
"""How the name of a simulated chip ends."""
Tracked = Mapping[str, Track]


class Device(Struct, frozen=True):
    """One device: what the run knows of it and what was last read from it."""

    id: str
    run: DeviceRun | None
    sample: DeviceSample | None
    published: float | None = None
    """Clips/s that were published for the run's model and batch on such a chip."""

    @property
    def name(self) -> str:
        """Its name, from wherever one is known."""
        return (self.run.name if self.run else "") or (self.sample.name if self.sample else "")

    @property
    def state(self) -> str:
        """Its state in the run; `found` where the run has not asked for it."""
        return self.run.state if self.run else "found"

    @property
    def simulated(self) -> bool:
        """No chip at all."""
        return any(one is not None and one.name.endswith(SIMULATED) for one in (self.run, self.sample))


_LATEST: list[tuple[Snapshot, tuple[Device, ...]]] = []
"""The snapshot that was asked for last: one picture asks a dozen times."""


def joined(snapshot: Snapshot) -> tuple[Device, ...]:
    """The devices of the run and those that were only seen, each once."""
    if not _LATEST or _LATEST[0][0] is not snapshot:
        _LATEST[:] = [(snapshot, _joined(snapshot))]
    return _LATEST[0][1]


def _joined(snapshot: Snapshot) -> tuple[Device, ...]:
    runs = {device.id: device for device in snapshot.run.devices}
    samples = {sample.device: sample for sample in snapshot.samples}
    names = sorted({*runs, *samples}, key=_natural)
    devices = (Device(name, runs.get(name), samples.get(name)) for name in names)
    model, batch = _measured(snapshot)
    return tuple(replace(one, published=_published(one.name, model, batch)) for one in devices)


def _measured(snapshot: Snapshot) -> tuple[str, int]:
    """The model and the batch of the snapshot's inference, as far as they are known."""
    export = stage_of(snapshot, "export").outcome
    batch = snapshot.settings.infer.batch if snapshot.settings else 0
    return published_model(export.figures) if export else "", batch


@lru_cache(maxsize=64)
def _published(chip: str, model: str, batch: int) -> float | None:
    return next((one.clips_per_s for one in published_rates(chip, model, batch)), None)


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    parts = name.replace(":", " ").replace(".", " ").split()
    return tuple((int(part), "") if part.isdecimal() and len(part) < 9 else (-1, part) for part in parts)


def simulated(snapshot: Snapshot) -> bool:
    """Figures of this snapshot are of simulated chips."""
    return of_simulated(snapshot.run) or any(sample.name.endswith(SIMULATED) for sample in snapshot.samples)


def of_simulated(run: Run) -> bool:
    """A run on simulated chips, from its first word of them on."""
    return run.simulated or any(device.name.endswith(SIMULATED) for device in run.devices)


def _sampled(name: str, *, down: bool = True) -> Order[Device]:
    keys = {"busy_percent": "devices.busy", "memory_used_mb": "devices.memory"}
    heading = UNITS[name][0] if name in UNITS else keys[name]
    return Order(heading, lambda one: getattr(one.sample, name) if one.sample else None, down)


ORDERS: tuple[Order[Device], ...] = (
    Order("stages.state", lambda one: one.state),
    *map(_sampled, ("busy_percent", "power_w", "temp_c", "memory_used_mb")),
    Order("infer.done", lambda one: one.run.clips if one.run else None, down=True),
    Order("infer.now", lambda one: live_rate(one.run) if one.run else None, down=True),
    Order("infer.mean", lambda one: one.run.mean_clips_per_s if one.run else None),
    Order("infer.p95", lambda one: one.run.latency_p95_ms if one.run else None, down=True),
)
"""What devices may be ordered by, here and in the inference panel; without any, by their numbers."""


class Arrangement(Struct, frozen=True):
    """Which devices are shown, and in which order."""

    pattern: str = ""
    order: int = -1
    """Which of `ORDERS`; -1: by number."""

    def told(self, look: Look) -> str:
        """In words, for a title; empty where all are shown by number."""
        order = ORDERS[self.order] if self.order >= 0 else None
        parts = (
            f"/{self.pattern}" if self.pattern else "",
            f"{order.arrow}{look.words(order.heading)}" if order else "",
        )
        return " ".join(part for part in parts if part)


def arranged(found: Sequence[Device], how: Arrangement, look: Look) -> tuple[Device, ...]:
    """Those that are shown, in order; the known come before the unknown."""
    fits = filter_of(how.pattern)
    shown = [one for one in found if fits(f"{one.id} {one.name} {one.state} {state_word(look.words, one.state)}")]
    if how.order < 0:
        return tuple(shown)
    order = ORDERS[how.order]
    known = [one for one in shown if order.value(one) is not None]
    known.sort(key=order.value, reverse=order.down)
    return (*known, *(one for one in shown if order.value(one) is None))


def devices(
    snapshot: Snapshot,
    look: Look,
    cursor: str = "",
    found: Sequence[Device] | None = None,
    tracks: Tracked | None = None,
    shown: str = "",
) -> list[Row]:
    """The devices panel: the table, why some do not work, and the short histories of the device `shown`."""
    everything, tracks = joined(snapshot), tracks or {}
    found = everything if found is None else found
    if not everything:
        return _none(snapshot, look)
    if not found:
        return paragraph(look.words("devices.no_match"), look.width, "dim")
    rows = [*_table(found, look, cursor, tracks), *_why(found, look)]
    mine = next((device for device in everything if device.id == shown), None)
    below = histories(mine, tracks.get(shown), look) if mine is not None else []
    return [*rows, (), *below] if below and len(rows) + 1 + len(below) <= look.height else rows


def id_width(found: Sequence[Device]) -> int:
    """Cells of a device with its cursor and its sign."""
    return min(16, max(8, *(cells(safe(one.id)) + 3 for one in found)))


def _none(snapshot: Snapshot, look: Look) -> list[Row]:
    key = "devices.none_yet" if not snapshot.run.id else "devices.none"
    rows = paragraph(look.words(key), look.width, "dim")
    target = snapshot.settings.infer if snapshot.settings else None
    if target is not None:
        asked = "–" if target.devices is None else ", ".join(map(str, target.devices))
        text = look.words("devices.asked", target=target.target, devices=asked)
        rows += paragraph(text, look.width, "dim")
    return rows


def _table(found: Sequence[Device], look: Look, cursor: str, tracks: Tracked) -> list[Row]:
    words = look.words
    unread = all(device.sample is None or device.sample.power_w is None for device in found)
    cold = all(device.sample is None or device.sample.temp_c is None for device in found)
    name = 15 if any(device.simulated for device in found) else 10
    columns = (
        Column(words("devices.device"), id_width(found)),
        Column(words("devices.name"), name, rank=4),
        Column(words("stages.state"), 8),
        Column(words("devices.health"), 7, rank=7),
        Column(words("devices.power"), 7, right=True, rank=8 if unread else 2),
        Column("", SPARK, rank=9),
        Column(words("devices.temp"), 5, right=True, rank=8 if cold else 1),
        Column("", SPARK, rank=10),
        Column(words("devices.busy"), 5, right=True),
        Column("", SPARK if look.width < 90 else 10, rank=5 if look.width >= 52 else 3),
        Column(words("devices.memory"), 9, right=True, rank=3),
        Column("", SPARK if look.width < 90 else 10, rank=9),
        Column(words("devices.procs"), 5, right=True, rank=6),
        Column("", 0, flex=True, rank=11),
    )
    settled = grid(columns, look.width)
    return [settled.head(), *(_device_row(one, look, cursor, tracks, settled) for one in found)]


def _device_row(one: Device, look: Look, cursor: str, tracks: Tracked, settled: Grid) -> Row:
    return later(one.id, lambda: _drawn(settled.row(_cells(one, look, cursor)), one, tracks))


def _cells(device: Device, look: Look, cursor: str) -> list[str | Span]:
    sample = device.sample
    mark = sign(device.state)
    here = "›" if cursor == device.id else " "
    action = f"screen.pick_device({device.id!r})" if safe(device.id) == device.id else ""
    power = figures.number(sample.power_w, 1, "W") if sample else figures.DASH
    temp = figures.number(sample.temp_c, 0, "°C") if sample else figures.DASH
    health = safe(sample.health or "") if sample else ""
    return [
        Span(f"{here}{mark.text} {safe(device.id)}", mark.role, action),
        safe(device.name) or figures.DASH,
        Span(state_word(look.words, device.state), mark.role if mark.role in ("warn", "bad", "dim") else "", action),
        Span(health or figures.DASH, "warn" if health and health.upper() != "OK" else ""),
        power,
        "\0power_w",
        temp,
        "\0temp_c",
        figures.percent(_share(sample.busy_percent, 100) if sample else None),
        "\0busy_percent",
        memory_text(sample),
        "\0memory_used_mb",
        figures.count(sample.processes if sample else None),
        "",
    ]


def memory_text(sample: DeviceSample | None) -> str:
    """Gigabytes used of how many."""
    if sample is None or sample.memory_used_mb is None:
        return figures.DASH
    whole = f"/{sample.memory_total_mb / 1000:.1f}" if sample.memory_total_mb else ""
    return f"{sample.memory_used_mb / 1000:.1f}{whole}"


def _share(value: float | None, whole: float | None) -> float | None:
    return value / whole if value is not None and whole else None


def _drawn(line: Row, device: Device, tracks: Tracked) -> Row:
    """Put meters and short histories where the table kept their place."""
    spans: list[Span] = []
    for span in line:
        if span.text.startswith("\0"):
            spans += _history(span.text.strip("\0 …"), cells(span.text), device, tracks.get(device.id))
        else:
            spans.append(span)
    return tuple(spans)


def _history(metric: str, wide: int, device: Device, track: Track | None) -> tuple[Span, ...]:
    sample = device.sample
    if metric.startswith("mem"):
        share = _share(sample.memory_used_mb, sample.memory_total_mb) if sample else None
        return meter(share, wide, load_role(share))
    name = next(name for name in ("power_w", "temp_c", "busy_percent") if name.startswith(metric))
    if track is None or len(track) < 2:
        return (Span("╌" * wide, "off"),)
    top = None if name == "power_w" else 100.0
    return (spark(track.spread(name, wide, SHORT_S), wide, "accent", top=top),)


def histories(device: Device, track: Track | None, look: Look) -> list[Row]:
    """Four lines: what each figure of a device was over the last minutes, is now, and its range over the run."""
    if track is None or len(track) < 2:
        return []
    words = look.words
    rows: list[Row] = []
    wide = max(6, min(60, look.width - LABEL - 32))
    total = device.sample.memory_total_mb if device.sample else None
    for metric in ("power_w", "temp_c", "busy_percent", "memory_used_mb"):
        if range_of(track, metric).most is None:
            continue  # what a group of cores does not tell needs no line
        key, now, span, top = told(metric, track, total)
        values = track.spread(metric, wide, SHORT_S)
        line = row(
            Span(fit(words(key), LABEL), "dim"), spark(values, wide, top=top), " ", Span(fit(now, 9, right=True))
        )
        rows.append(cut((*line, Span(f"  {span}", "dim")), look.width))
    head = words("devices.last", device=safe(device.id), time=figures.clock(SHORT_S))
    return [row(Span(head, "head")), *rows]


def told(metric: str, track: Track, memory_mb: int | None) -> tuple[str, str, str, float | None]:
    """A figure's word, its value now, its range over the run, and the top of its scale."""
    found = range_of(track, metric)
    if metric == "memory_used_mb":
        now, least, most = (None if v is None else v / 1000 for v in (found.now, found.least, found.most))
        top = float(memory_mb) if memory_mb else None
        return "devices.memory", figures.number(now, 1, "GB"), _range(least, most, 1), top
    if metric == "busy_percent":
        now_text = figures.percent(_share(found.now, 100))
        return "devices.busy", now_text, _range(found.least, found.most, 0), 100.0
    key, digits, unit = UNITS[metric]
    top = None if metric == "power_w" else 100.0
    return key, figures.number(found.now, digits, unit), _range(found.least, found.most, digits), top


def _range(least: float | None, most: float | None, digits: int) -> str:
    return "" if least is None or most is None else f"{least:.{digits}f} – {most:.{digits}f}"


def _why(found: Sequence[Device], look: Look) -> list[Row]:
    rows: list[Row] = []
    for device in found:
        for text in reasons(device):
            mark = sign(device.state)
            rows += paragraph(f"{safe(device.id)}: {look.words.line(text)}", look.width, mark.role, 2)
        age = look.now - device.sample.at if device.sample else 0.0
        if device.sample and device.run and device.run.pid and age > OLD_S:
            text_age = look.words("devices.age", device=safe(device.id), time=figures.clock(age))
            rows += paragraph(text_age, look.width, "warn", 2)
    return [(), *rows] if rows else []


def reasons(device: Device) -> list[Line]:
    """Why a device is out or retired, and why a reading of it is not there."""
    texts = [device.run.reason] if device.run and device.run.reason.template else []
    return [*texts, *([device.sample.trouble] if device.sample and device.sample.trouble.template else [])]
