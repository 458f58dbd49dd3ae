"""A device beside the published rate; latencies and energy as they are written."""

from __future__ import annotations

from backends.core.client import Snapshot
from r3d_tui.text import figures
from r3d_tui.text.safe import safe
from r3d_tui.views.devices import Device
from r3d_tui.views.look import stage_of


def share_of_reference(one: Device) -> float | None:
    """Of the published rate of such a chip, by the device's mean; None where nothing was published or measured."""
    mean, whole = one.run.mean_clips_per_s if one.run else None, one.published
    return mean / whole if mean is not None and whole else None


def milliseconds(value: float | None) -> str:
    """A latency, without a decimal where it has four digits."""
    return figures.number(value, 1 if value is None or value < 1000 else 0)


def joules(value: float | None) -> str:
    """Energy of a clip, with as many digits as tell something."""
    return figures.number(value, 3 if value is not None and value < 1 else 1, "J")


def energy_basis(snapshot: Snapshot) -> str:
    """What the energy a clip is based on, or why there is none: a key of `energy`; empty where nothing was reported."""
    stage = stage_of(snapshot, "infer")
    found = stage.outcome.figures.get("energy") if stage.outcome else None
    return safe(str(found if found is not None else stage.live.get("energy") or ""))
