"""What ais_bench, ais_infer and msame print of a run's times, read from their words. It judges none.

Every generation words the same line another way, with any number of decimals, behind any prefix of a log:
`throughput 1000*batchsize.mean(10)/NPU_compute_time.mean(2.26): 4424.7` and `Inference average time : 2.41 ms`.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator

from msgspec import Struct

_NUMBER = r"([0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)"
_TIMES = re.compile(r"\b(NPU_compute_time|H2D_latency|D2H_latency) \(ms\):([^\n]*)")
_MEAN = re.compile(rf"\bmean\s*=\s*{_NUMBER}")
_RATE = re.compile(rf"\bthroughput\b(?!:)[^\n:]*:\s*{_NUMBER}")
_BATCH = re.compile(rf"\bbatchsize(?:\.mean)?\({_NUMBER}\)")
_DEVICE = re.compile(rf"\bdevice_(\d+) throughput:\s*{_NUMBER}")
_SUM = re.compile(rf"\bsummary throughput:\s*{_NUMBER}")
_HEADING = "Performance Summary"
_AVERAGE = re.compile(rf"Inference average time\s*:\s*{_NUMBER}\s*ms")
_LATER = re.compile(rf"Inference average time without first time\s*:\s*{_NUMBER}\s*ms")


class ToolFigures(Struct, frozen=True):
    """What one output prints of a run; of several devices under one sum, the last that was printed and all rates."""

    tool: str
    """`ais_bench` (and ais_infer), or `msame`."""
    mean: float
    """Milliseconds of an execution on the chip alone; msame's without the first where it prints that."""
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
        if own is not None or not self.mean:
            return own
        return 1000 * batch / self.mean


def read_log(text: str) -> tuple[tuple[ToolFigures, ...], int]:
    """The figures of each run in an output, and where the last one ends in the text; none where it prints none."""
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text).replace("\r", "\n")
    ends = [0, *(match.end() for match in _SUM.finditer(plain))]  # a sum ends the summaries of several devices
    rest = plain[ends[-1] :]
    starts = [match.start() for match in _TIMES.finditer(rest) if match[1] == "NPU_compute_time"]
    parts = [*(plain[begin:end] for begin, end in itertools.pairwise(ends)), *_parts(rest, starts)]
    found = tuple(figures for part in parts if (figures := _ais_bench(part)) is not None) or tuple(_msame(plain))
    marks = (match.end() for pattern in (_TIMES, _SUM, _AVERAGE, _LATER) for match in pattern.finditer(text))
    return found, max(marks, default=0)


def _parts(text: str, starts: list[int]) -> list[str]:
    """One part for each summary: from its heading on, where it has one before it, to the next one's."""
    edges = [0]
    for before, start in itertools.pairwise(starts):
        heading = text.rfind(_HEADING, before, start)
        edges.append(heading if heading >= 0 else start)
    return [text[begin:end] for begin, end in itertools.pairwise([*edges, len(text)])] if starts else []


def _ais_bench(text: str) -> ToolFigures | None:
    rows = [rest for name, rest in _TIMES.findall(text) if name == "NPU_compute_time"]
    mean = _last(_MEAN, rows[-1]) if rows else None
    if mean is None:
        return None
    devices = tuple((int(device), float(rate)) for device, rate in _DEVICE.findall(text))
    return ToolFigures("ais_bench", mean, _last(_BATCH, text), _last(_RATE, text), devices, _last(_SUM, text))


def _msame(text: str) -> Iterator[ToolFigures]:
    starts = [match.start() for match in _AVERAGE.finditer(text)]
    for begin, end in itertools.pairwise([*starts, len(text)]):
        later = _last(_LATER, text[begin:end])
        mean = _last(_AVERAGE, text[begin:end]) if later is None else later
        if mean is not None:
            yield ToolFigures("msame", mean)


def _last(pattern: re.Pattern[str], text: str) -> float | None:
    found = pattern.findall(text)
    value = float(found[-1]) if found else None
    return value if value is not None and math.isfinite(value) else None
