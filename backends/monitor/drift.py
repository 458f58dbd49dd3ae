"""Whether a device grew slower while it worked, by its batches' time in compute. It keeps no clock and names no cause.

The median of the last third of a device's batches is held against that of the first third. What the sensors said
beside it are readings of npu-smi, as the run's samples keep them; it prints no limit of temperature, so none is judged.
"""

from array import array
from collections.abc import Iterable, Mapping
from statistics import median

from backends.core.messages import Scalar
from backends.core.values import DeviceSample

LEAST = 30
"""Batches below which nothing is said: ten in a third."""


class Drift:
    """One device's times in compute, in the order of its answers: four bytes a batch."""

    def __init__(self) -> None:
        self._seconds = array("f")

    def add(self, seconds: float) -> None:
        self._seconds.append(seconds)

    @property
    def share(self) -> float | None:
        """By how much the last third was slower than the first, 0.1 for a tenth; None where there were few batches."""
        third = len(self._seconds) // 3
        if len(self._seconds) < LEAST:
            return None
        first, last = median(self._seconds[:third]), median(self._seconds[-third:])
        return last / first - 1 if first > 0 else None


def figures(drifts: Mapping[str, Drift], samples: Iterable[DeviceSample]) -> dict[str, Scalar]:
    """The device that slowed most, with its hottest reading and the last health that was not OK; None where unknown."""
    known = {device: drift.share for device, drift in drifts.items()}
    shares = {device: share for device, share in known.items() if share is not None}
    worst = max(shares, key=shares.__getitem__, default=None)
    mine = [sample for sample in samples if sample.device == worst]
    temps = [sample.temp_c for sample in mine if sample.temp_c is not None]
    unhealthy = [sample.health for sample in mine if sample.health not in (None, "", "OK")]
    return {
        "latency_drift": shares[worst] if worst is not None else None,
        "latency_drift_device": worst,
        "latency_drift_temp_c": max(temps, default=None),
        "latency_drift_health": unhealthy[-1] if unhealthy else None,
    }
