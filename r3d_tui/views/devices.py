"""Devices as the console knows them: what the run says of each, and what was last read from it; order and filter."""

from collections.abc import Sequence
from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace

from backends.core.client import Snapshot
from backends.core.messages import Line
from backends.core.published import published_model, published_rates
from backends.core.run_state import DeviceRun, Run
from backends.core.values import DeviceSample
from r3d_tui.text import figures
from r3d_tui.text.rows import Row, Span, cut, fit, row, safe
from r3d_tui.views.listing import SortKey, chosen
from r3d_tui.views.look import LABEL, Look, live_rate, stage_of, state_word
from r3d_tui.views.tracks import METRICS, Track, range_of
from r3d_tui.widgets.meter import graph

SHORT_S = 120.0
"""What a short history shows."""
UNITS = {
    "power_w": ("devices.power", 1, "W"),
    "temp_c": ("devices.temp", 0, "°C"),
    "busy_percent": ("devices.busy", 0, "%"),
    "memory_used_mb": ("devices.memory", 1, "GB"),
}
"""Metric: its word, digits and unit."""
SIMULATED = " simulated"
"""How the name of a simulated chip ends."""


class Device(Struct, frozen=True):
    """One device: what the run knows of it and what was last read from it."""

    id: str
    run: DeviceRun | None
    sample: DeviceSample | None
    published: float | None = None
    """Clips/s that were published for the run's model and batch on such a chip."""

    @property
    def name(self) -> str:
        return (self.run.name if self.run else "") or (self.sample.name if self.sample else "")

    @property
    def state(self) -> str:
        """Its state in the run; `found` where the run has not asked for it."""
        return self.run.state if self.run else "found"

    @property
    def simulated(self) -> bool:
        """No chip at all."""
        return any(one is not None and one.name.endswith(SIMULATED) for one in (self.run, self.sample))


def joined(snapshot: Snapshot | None, polled: Sequence[DeviceSample] = ()) -> tuple[Device, ...]:
    """The devices of the run, where there is one, and those that were only seen, each once; of two readings the later.

    Over several servers the rows are servers alone: the devices of the head take no part.
    """
    samples: dict[str, DeviceSample] = {sample.device: sample for sample in polled}
    if snapshot is None:
        return tuple(Device(name, None, samples[name]) for name in sorted(samples, key=_natural))
    runs = {device.id: device for device in snapshot.run.devices}
    for sample in snapshot.samples:
        if sample.device not in samples or sample.at >= samples[sample.device].at:
            samples[sample.device] = sample
    seen = () if any(one.server is not None for one in snapshot.run.devices) else samples
    names = sorted({*runs, *seen}, key=_natural)
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


def short_id(device: str) -> str:
    """A device's number alone, where its kind is a chip's: `npu:3` → 3, `cpu:0` stays."""
    return safe(device.removeprefix("npu:"))


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    parts = name.replace(":", " ").replace(".", " ").split()
    return tuple((int(part), "") if part.isdecimal() and len(part) < 9 else (-1, part) for part in parts)


def simulated(snapshot: Snapshot) -> bool:
    return of_simulated(snapshot.run) or any(sample.name.endswith(SIMULATED) for sample in snapshot.samples)


def of_simulated(run: Run) -> bool:
    """A run on simulated chips, from its first word of them on."""
    return run.simulated or any(device.name.endswith(SIMULATED) for device in run.devices)


def _sampled(name: str, *, down: bool = True) -> SortKey[Device]:
    return SortKey(UNITS[name][0], lambda one: getattr(one.sample, name) if one.sample else None, down)


ORDERS: tuple[SortKey[Device], ...] = (
    SortKey("stages.state", lambda one: one.state),
    *map(_sampled, ("busy_percent", "power_w", "temp_c", "memory_used_mb")),
    SortKey("infer.done", lambda one: one.run.clips if one.run else None, down=True),
    SortKey("infer.now", lambda one: live_rate(one.run) if one.run else None, down=True),
    SortKey("infer.mean", lambda one: one.run.mean_clips_per_s if one.run else None),
    SortKey("infer.p95", lambda one: one.run.latency_p95_ms if one.run else None, down=True),
)
"""What devices may be ordered by; without any, by their numbers."""


class Arrangement(Struct, frozen=True):
    """Which devices are shown, and in which order."""

    pattern: str = ""
    order: int = -1
    """Which of `ORDERS`; -1: by number."""

    def described(self, look: Look) -> str:
        """In words, for a title; empty where all are shown by number."""
        order = ORDERS[self.order] if self.order >= 0 else None
        parts = (
            f"/{self.pattern}" if self.pattern else "",
            f"{order.arrow}{look.words(order.heading)}" if order else "",
        )
        return " ".join(part for part in parts if part)


def arranged(found: Sequence[Device], how: Arrangement, look: Look) -> tuple[Device, ...]:
    """Those that are shown, in order; the known come before the unknown."""

    def text(one: Device) -> str:
        return f"{one.id} {one.name} {one.state} {state_word(look.words, one.state)}"

    return tuple(chosen(found, text, how.pattern, ORDERS[how.order] if how.order >= 0 else None))


def share_of(value: float | None, whole: float | None) -> float | None:
    """None where either is not known, or the whole is nothing."""
    return value / whole if value is not None and whole else None


def memory_text(sample: DeviceSample | None) -> str:
    """Gigabytes used of how many."""
    if sample is None or sample.memory_used_mb is None:
        return figures.DASH
    whole = f"/{sample.memory_total_mb / 1000:.1f}" if sample.memory_total_mb else ""
    return f"{sample.memory_used_mb / 1000:.1f}{whole}"


def histories(track: Track | None, look: Look, height: int = 1) -> list[Row]:
    """What each figure of a device was over the last minutes, `height` lines each, from its least to its most."""
    if track is None or len(track) < 2:
        return []
    words = look.words
    rows = [row(Span(words("devices.last", time=figures.clock(SHORT_S)), "head"))]
    wide = max(6, look.width - 8)
    for metric in METRICS:
        found = range_of(track, metric)
        if found.least is None or found.most is None:
            continue  # what a group of cores does not tell needs no line
        key, _, unit = UNITS[metric]
        least = metric_text(metric, found.least).removesuffix(f" {unit}")
        span = f"  {least} – {metric_text(metric, found.most).removesuffix(f' {unit}')}"
        now = Span(metric_text(metric, found.now), "strong")
        rows.append(cut(row(Span(fit(words(key), LABEL), "dim"), now, Span(span, "dim")), look.width))
        lines = graph(track.spread(metric, wide, SHORT_S), height, found.least, found.most)
        rows += [row("  ", Span(text, "accent")) for text in lines]
    return rows


def metric_text(metric: str, value: float | None) -> str:
    """A reading with its unit; memory, which is read in MB, in GB."""
    _, digits, unit = UNITS[metric]
    if unit == "%":
        return figures.percent(share_of(value, 100))
    return figures.number(share_of(value, 1000) if unit == "GB" else value, digits, unit)


def reasons(device: Device) -> list[Line]:
    """Why a device is excluded or dropped, or would not be taken, and why a reading of it is not there."""
    texts = [device.run.reason] if device.run and device.run.reason.template else []
    if device.sample is None:
        return texts
    read = device.sample.trouble if device.sample.trouble.template else device.sample.not_taken
    return [*texts, *([read] if (read.template and device.run is None) or device.sample.trouble.template else [])]


def share_of_reference(one: Device) -> float | None:
    """Of the published rate of such a chip, by the device's mean; None where nothing was published or measured."""
    return share_of(one.run.mean_clips_per_s if one.run else None, one.published)


def energy_basis(snapshot: Snapshot) -> str:
    """What the energy a clip is based on, or why there is none: a key of `energy`; empty where nothing was reported."""
    stage = stage_of(snapshot, "infer")
    found = stage.outcome.figures.get("energy") if stage.outcome else None
    return safe(str(found if found is not None else stage.live.get("energy") or ""))
