"""What ais_bench, ais_infer and msame print of a run's times, read from their words. It refuses to judge a run by them.

Every generation words the same line another way, with any number of decimals, behind any prefix of a log:
`throughput 1000*batchsize.mean(10)/NPU_compute_time.mean(2.26): 4424.7` and `Inference average time : 2.41 ms`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_NUMBER = r"([0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)"
_TIMES = re.compile(r"\b(NPU_compute_time|H2D_latency|D2H_latency) \(ms\):([^\n]*)")
_FIGURE = re.compile(rf"(min|max|mean|median|percentile\(\d+%\))\s*=\s*{_NUMBER}")
_RATE = re.compile(rf"\bthroughput\b(?!:)[^\n:]*:\s*{_NUMBER}")
_BATCH = re.compile(rf"\bbatchsize(?:\.mean)?\({_NUMBER}\)")
_DEVICE = re.compile(rf"\bdevice_(\d+) throughput:\s*{_NUMBER}")
_SUM = re.compile(rf"\bsummary throughput:\s*{_NUMBER}")
_AVERAGE = re.compile(rf"Inference average time\s*:\s*{_NUMBER}\s*ms")
_LATER = re.compile(rf"Inference average time without first time\s*:\s*{_NUMBER}\s*ms")
_EACH = re.compile(rf"Inference time\s*:\s*{_NUMBER}\s*ms")


@dataclass(frozen=True, slots=True)
class Times:
    """One line of times, in milliseconds; None where the generation does not print it."""

    mean: float | None = None
    min: float | None = None
    max: float | None = None
    median: float | None = None
    percentile: float | None = None
    """The 99th."""


@dataclass(frozen=True, slots=True)
class ToolFigures:
    """What one output says of its run; of several devices, the last that was printed and all rates."""

    tool: str
    """`ais_bench` (and ais_infer), or `msame`."""
    compute: Times
    """On the chip alone."""
    to_device: Times = Times()
    to_host: Times = Times()
    batch: float | None = None
    """By which the tool reckons its throughput."""
    throughput: float | None = None
    """1000 * batch / mean: clips a second while computing, filler included. msame prints none."""
    devices: tuple[tuple[int, float], ...] = ()
    """(Device id, throughput) of a run on several devices."""
    summed: float | None = None
    """The throughput of all devices together."""

    def rate(self, batch: int) -> float | None:
        """Clips a second while computing: the tool's own, else by its mean time for a batch of that size."""
        own = self.summed if self.summed is not None else self.throughput
        if own is not None or not self.compute.mean:
            return own
        return 1000 * batch / self.compute.mean


def read_log(text: str) -> ToolFigures | None:
    """The figures of an output; None where it prints none, as a failed run does not. Never raises: text is foreign."""
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text).replace("\r", "\n")
    return _ais_bench(plain) or _msame(plain)


def _ais_bench(text: str) -> ToolFigures | None:
    times = {name: _times(rest) for name, rest in _TIMES.findall(text)}
    compute = times.get("NPU_compute_time")
    if compute is None or compute.mean is None:
        return None
    return ToolFigures(
        "ais_bench",
        compute,
        times.get("H2D_latency", Times()),
        times.get("D2H_latency", Times()),
        _last(_BATCH, text),
        _last(_RATE, text),
        tuple((int(device), float(rate)) for device, rate in _DEVICE.findall(text)),
        _last(_SUM, text),
    )


def _times(text: str) -> Times:
    found = {name.partition("(")[0]: float(value) for name, value in _FIGURE.findall(text)}
    return Times(**{name: value for name, value in found.items() if math.isfinite(value)})


def _msame(text: str) -> ToolFigures | None:
    """Its mean is without the first execution where it says so; times of each execution give least and most."""
    mean = _last(_LATER, text)
    mean = _last(_AVERAGE, text) if mean is None else mean
    if mean is None:
        return None
    each = [float(value) for value in _EACH.findall(text)]
    return ToolFigures("msame", Times(mean, min(each, default=None), max(each, default=None)))


def _last(pattern: re.Pattern[str], text: str) -> float | None:
    found = pattern.findall(text)
    value = float(found[-1]) if found else None
    return value if value is not None and math.isfinite(value) else None
