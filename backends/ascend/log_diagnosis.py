"""What a log means that was saved by hand, of atc, ais_bench, ais_infer, msame or a pyACL program: the times that it
prints, else why it failed. It runs nothing.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from backends.ascend.diagnosis import diagnose, diagnose_run
from backends.ascend.npu_text import without_services
from backends.ascend.tool_errors import ToolKind
from backends.core.files import read_file
from backends.core.messages import N_, InputError, Line, line
from backends.core.values import ToolFailure

LARGEST = 64 << 20
"""Bytes; of a larger log, its end."""
_OUR_TIME = re.compile(r"^\d\d:\d\d:\d\d ", re.MULTILINE)
"""What stands before each line of a stage's log."""
_ATC = re.compile(
    r"\bATC (?:run|start|is|model)\b"
    r"|(?:^|[\s/$#])atc(?:\.bin)?\b[^\n]*(?:--(?:model|framework)\b|error while|not found)"
    r"|\bGE\(\d+,atc\b|\batc\.bin\b|FILE:omg\.cc|\btbe/|\bte_fusion\b|\bAMCT\("
)
_RUN = re.compile(
    r"\bacl ?(?:init|open|rt|mdl|set)|acl\.so|\baclruntime|\bais_(?:bench|infer)|\bmsame\b|load model (?:from|failed)"
    r"|\bret(?:Code)?\b|error ?code|result ?\[|RuntimeError|\bPerformance Summary\b|torch_npu|import acl\b",
    re.IGNORECASE,
)
_ATC_CODE = re.compile(r"\b(?:E(?:1[0-8]|2|4)\d{3,4}|E19010|E[BCF]\d{4})\b")
_DONE, _FAILED = "ATC run success", "ATC run failed"


class SavedLog(Struct, frozen=True):
    """What a log holds: the figures of the runs that ended, or why one failed."""

    figures: tuple[ToolFigures, ...] = ()
    failure: ToolFailure | None = None

    def lines(self, batch: int) -> tuple[Line, ...]:
        """For people; `batch` is the number of clips of one execution, which msame does not print."""
        found = list(_figure_lines(self.figures, batch))
        if self.failure is not None:
            said = line("{message}", message=self.failure.message)
            found += [one for one in (said, self.failure.cause, self.failure.fix) if str(one)]
        return tuple(found) or (line("atc reports success"),)


def read_saved_log(path: Path) -> SavedLog:
    """InputError where the file cannot be read, or holds nothing that is known."""
    hint = N_("give what atc, ais_bench or msame printed, saved to a file")
    data = read_file(path, hint=hint, most=LARGEST, cut=True)
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    found = explain(_OUR_TIME.sub("", data.decode(encoding, "replace")))
    if found is None:
        hint = N_("give all that atc, ais_bench or msame printed; for npu-smi: r3d-tui devices --from FILE")
        raise InputError("{path}: neither figures of a run nor a failure that is known", hint=hint, path=str(path))
    return found


def explain(text: str) -> SavedLog | None:
    """The figures of a log, else its failure; None where it has neither."""
    text = without_services(text)
    figures, end = read_log(text)
    if figures:
        return SavedLog(figures, diagnose(text[end:], "run"))
    if _DONE in text and _FAILED not in text and not _RUN.search(text.rpartition(_DONE)[2]):
        return SavedLog()
    tool = tool_of(text)
    failure = diagnose(text, tool or "run") or (diagnose(text, "atc") if tool == "" else None)
    if failure is None:
        headed = diagnose_run(1, text)
        failure = headed if headed.message else None
    return SavedLog(failure=failure) if failure else None


def tool_of(text: str) -> ToolKind:
    """Which tool printed it: advice for atc is for what atc printed alone."""
    if _ATC.search(text) and not (_DONE in text and _FAILED not in text):
        return "atc"
    if _RUN.search(text):
        return "run"
    return "atc" if _ATC_CODE.search(text) else ""


def _figure_lines(figures: tuple[ToolFigures, ...], batch: int) -> Iterator[Line]:
    if len(figures) > 1:
        yield line("{n} summaries; no sum: the log does not show whether they ran side by side", n=len(figures))
    for one in figures:
        yield from _of_one(one, batch)


def _of_one(figures: ToolFigures, batch: int) -> Iterator[Line]:
    rate, mean = figures.rate(batch), figures.mean
    clips = figures.batch or (batch if figures.throughput is None else None)
    if clips is None:
        yield line("{tool}: {mean:.3f} ms an execution", tool=figures.tool, mean=mean)
    else:
        yield line("{tool}: {mean:.3f} ms for {clips:.0f} clips", tool=figures.tool, mean=mean, clips=clips)
    if rate is not None:
        yield line("{rate:.1f} clips/s while computing, filler included", rate=rate)
        for device, found in sorted(figures.devices):
            yield line("device {id}: {rate:.1f} clips/s", id=device, rate=found)


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
