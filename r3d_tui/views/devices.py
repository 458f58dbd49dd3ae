"""The devices: each chip or group of cores with its health, power, temperature, load and memory, and why it is out."""

from __future__ import annotations

from dataclasses import dataclass

from backends.contract.client import Snapshot
from backends.contract.run import DeviceRun
from backends.contract.values import DeviceSample
from r3d_tui import figures
from r3d_tui.rows import Column, Row, Span, table
from r3d_tui.safe import safe
from r3d_tui.views.look import Look, paragraph, sign, state_word
from r3d_tui.widgets.meter import load_role, meter

OLD_S = 10.0
"""A reading older than this says its age."""


@dataclass(frozen=True, slots=True)
class Device:
    """One device: what the run knows of it and what was last read from it."""

    id: str
    run: DeviceRun | None
    sample: DeviceSample | None

    @property
    def name(self) -> str:
        """Its name, from wherever one is known."""
        return (self.run.name if self.run else "") or (self.sample.name if self.sample else "")

    @property
    def state(self) -> str:
        """Its state in the run; `found` where the run has not asked for it."""
        return self.run.state if self.run else "found"


def joined(snapshot: Snapshot) -> tuple[Device, ...]:
    """The devices of the run and those that were only seen, each once."""
    runs = {device.id: device for device in snapshot.run.devices}
    samples = {sample.device: sample for sample in snapshot.samples}
    names = sorted({*runs, *samples}, key=_natural)
    return tuple(Device(name, runs.get(name), samples.get(name)) for name in names)


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    parts = name.replace(":", " ").replace(".", " ").split()
    return tuple((int(part), "") if part.isdecimal() and len(part) < 9 else (-1, part) for part in parts)


def devices(snapshot: Snapshot, look: Look, cursor: str = "") -> list[Row]:
    """The devices panel; under the table the reasons of those that do not work."""
    found = joined(snapshot)
    if not found:
        return _none(snapshot, look)
    words = look.words
    wide = 10 if look.width >= 90 else 0
    unread = all(device.sample is None or device.sample.power_w is None for device in found)
    columns = (
        Column(words("devices.device"), 8),
        Column(words("devices.name"), 10, rank=4),
        Column(words("stages.state"), 8),
        Column(words("devices.health"), 7, rank=5),
        Column(words("devices.power"), 7, right=True, rank=6 if unread else 2),
        Column(words("devices.temp"), 5, right=True, rank=1),
        Column(words("devices.busy"), 5, right=True),
        Column("", wide, rank=7),
        Column(words("devices.memory"), 9, right=True, rank=3),
        Column("", wide, rank=6),
        Column(words("devices.procs"), 5, right=True, rank=5),
        Column("", 0, flex=True, rank=9),
    )
    body = [_cells(device, look, wide, cursor) for device in found]
    rows = _with_meters(table(columns, body, look.width), found, wide)
    return [*rows, *_why(found, look)]


def _none(snapshot: Snapshot, look: Look) -> list[Row]:
    key = "devices.none_yet" if not snapshot.run.id else "devices.none"
    rows = paragraph(look.words(key), look.width, "dim")
    target = snapshot.settings.infer if snapshot.settings else None
    if target is not None:
        asked = "–" if target.devices is None else ", ".join(map(str, target.devices))
        text = look.words("devices.asked", target=target.target, devices=asked)
        rows += paragraph(text, look.width, "dim")
    return rows


def _cells(device: Device, look: Look, wide: int, cursor: str) -> list[str | Span]:
    sample = device.sample
    mark = sign(device.state)
    here = "›" if cursor == device.id else " "
    power = figures.number(sample.power_w, 1, "W") if sample else figures.DASH
    temp = figures.number(sample.temp_c, 0, "°C") if sample else figures.DASH
    busy = _share(sample.busy_percent, 100) if sample else None
    health = safe(sample.health or "") if sample else ""
    return [
        Span(f"{here}{mark.text} {safe(device.id)}", mark.role),
        safe(device.name) or figures.DASH,
        Span(state_word(look.words, device.state), mark.role if mark.role in ("warn", "bad", "dim") else ""),
        Span(health or figures.DASH, "warn" if health and health.upper() != "OK" else ""),
        power,
        temp,
        figures.percent(busy),
        Span("\0busy" if wide else ""),
        _memory(sample),
        Span("\0memory" if wide else ""),
        figures.count(sample.processes if sample else None),
        "",
    ]


def _memory(sample: DeviceSample | None) -> str:
    if sample is None or sample.memory_used_mb is None:
        return figures.DASH
    whole = f"/{sample.memory_total_mb / 1000:.1f}" if sample.memory_total_mb else ""
    return f"{sample.memory_used_mb / 1000:.1f}{whole}"


def _share(value: float | None, whole: float | None) -> float | None:
    return value / whole if value is not None and whole else None


def _with_meters(rows: list[Row], found: tuple[Device, ...], wide: int) -> list[Row]:
    """Put the meters where the table kept their place."""
    out = rows[:1]
    for line, device in zip(rows[1:], found, strict=True):
        sample = device.sample
        busy = _share(sample.busy_percent, 100) if sample else None
        memory = _share(sample.memory_used_mb, sample.memory_total_mb) if sample else None
        spans: list[Span] = []
        for span in line:
            if span.text.startswith("\0busy"):
                spans += meter(busy, wide, "good" if busy is not None else "off")
            elif span.text.startswith("\0memory"):
                spans += meter(memory, wide, load_role(memory))
            else:
                spans.append(span)
        out.append(tuple(spans))
    return out


def _why(found: tuple[Device, ...], look: Look) -> list[Row]:
    rows: list[Row] = []
    for device in found:
        texts = [device.run.reason] if device.run and device.run.reason.template else []
        texts += [device.sample.trouble] if device.sample and device.sample.trouble.template else []
        for text in texts:
            mark = sign(device.state)
            lines = paragraph(f"{safe(device.id)}: {look.words.line(text)}", look.width, mark.role, 2)
            rows += lines
        age = look.now - device.sample.at if device.sample else 0.0
        if device.sample and device.run and device.run.pid and age > OLD_S:
            text_age = look.words("devices.age", device=safe(device.id), time=figures.clock(age))
            rows += paragraph(text_age, look.width, "warn", 2)
    return [(), *rows] if rows else []
