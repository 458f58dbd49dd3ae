"""Whether a device grew slower while it worked, by its batches' time in compute. It keeps no clock and names no cause.

Of each device stand groups of batches, at most `GROUPS`, so that a long run takes no more memory than a short one. The
median group of the last third is held against that of the first. What the sensors said beside it are readings of
npu-smi, as the run's samples keep them; it prints no limit of temperature, so none is judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median

from backends.core.messages import Scalar
from backends.core.values import DeviceSample

GROUPS = 192
"""Groups of batches kept; when there are so many, two become one."""
LEAST = 30
"""Groups below which nothing is said: ten in a third."""


class Drift:
    """One device's times in compute, in the order of its answers."""

    def __init__(self) -> None:
        self._means: list[float] = []
        self._size = 1
        self._sum, self._count = 0.0, 0

    def add(self, seconds: float) -> None:
        self._sum, self._count = self._sum + seconds, self._count + 1
        if self._count < self._size:
            return
        self._means.append(self._sum / self._count)
        self._sum, self._count = 0.0, 0
        if len(self._means) >= GROUPS:
            self._means = [(a + b) / 2 for a, b in zip(self._means[::2], self._means[1::2], strict=True)]
            self._size *= 2

    @property
    def share(self) -> float | None:
        """By how much the last third was slower than the first, 0.1 for a tenth; None where there were few batches."""
        third = len(self._means) // 3
        if len(self._means) < LEAST:
            return None
        first, last = median(self._means[:third]), median(self._means[-third:])
        return last / first - 1 if first > 0 else None


def figures(drifts: Mapping[str, Drift], samples: Iterable[DeviceSample]) -> dict[str, Scalar]:
    """The device that slowed most, with its hottest reading and the last health that was not OK; None where unknown."""
    known = {device: drift.share for device, drift in drifts.items()}
    shares = {device: share for device, share in known.items() if share is not None}
    worst = max(shares, key=shares.__getitem__, default=None)
    mine = [sample for sample in samples if sample.device == worst]
    temps = [sample.temp_c for sample in mine if sample.temp_c is not None]
    sick = [sample.health for sample in mine if sample.health not in (None, "", "OK")]
    return {
        "latency_drift": shares[worst] if worst is not None else None,
        "latency_drift_device": worst,
        "latency_drift_temp_c": max(temps, default=None),
        "latency_drift_health": sick[-1] if sick else None,
    }
