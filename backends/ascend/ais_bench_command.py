"""ais_bench's lines, words and summaries, by generation: what to type, and what its answers mean. It runs nothing."""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from backends.ascend.ais_bench_install import AisBench

RUN = "run"
"""The folder of one run inside its output folder: a relative, clean name, as the newer generations ask for."""
LARGEST_SUMMARY = 256 << 20
"""It lists every file and every execution; a hundred thousand of both are some 30 MB."""

_BAR = re.compile(r"Processing[^\r\n|]*?(\d+)%\|[^|\r\n]*\|\s*(\d+)/(\d+)")
_LOOP = re.compile(r"loop inference exec: \((\d+)/(\d+)\)")


class Summary(Struct, frozen=True):
    """What the tool says of one run. Times are of the chip's computing alone, in milliseconds."""

    throughput: float
    """1000 * batch size / mean: clips a second while computing, filler included."""
    mean_ms: float
    median_ms: float
    times_ms: tuple[float, ...] = ()
    """Of each execution, the warm-up not counted; empty where the generation does not list them."""

    @property
    def p95_ms(self) -> float | None:
        """The 95th percentile; None where the times are not listed."""
        if not self.times_ms:
            return None
        return sorted(self.times_ms)[min(len(self.times_ms) - 1, int(len(self.times_ms) * 0.95))]


def infer_line(tool: AisBench, model: Path, inputs: Path, output: Path, device: int, batch: int) -> list[str]:
    """The guide's line for the files in `inputs`; results go to `output`/`RUN`, which must not be there."""
    options = ["--input", str(inputs), *_common(tool, model, output, device, batch)]
    return [*tool.command, *options]


def pure_line(tool: AisBench, model: Path, output: Path, device: int, batch: int, loop: int) -> list[str]:
    """The guide's pure inference: the same zeros `loop` times. The output is for the summary's sake."""
    return [*tool.command, "--loop", str(loop), *_common(tool, model, output, device, batch)]


def _common(tool: AisBench, model: Path, output: Path, device: int, batch: int) -> list[str]:
    name = "--output-dirname" if tool.generation == "F" else "--output_dirname"
    return [
        *("--model", str(model)),
        *("--output", str(output)),
        *(name, RUN),
        *("--outfmt", "BIN"),
        *("--batchsize", str(batch)),
        *("--device", str(device)),
    ]


def summary_path(tool: AisBench, output: Path) -> Path:
    """Where the run's summary is: inside its folder and misspelt in A, beside it later."""
    return output / RUN / "sumary.json" if tool.generation == "A" else output / f"{RUN}_summary.json"


def result_name(stem: str) -> str:
    """The file with the first output for the input file of that stem; a stem of ours has no dot."""
    return f"{stem}_0.bin"


def read_summary(path: Path) -> Summary | None:
    """A run's summary; None where it is not there or not one. Foreign data: nothing in it is taken on trust."""
    try:
        if path.stat().st_size > LARGEST_SUMMARY:
            return None
        body = json.loads(path.read_text(encoding="utf-8", errors="replace"))
        times = body["NPU_compute_time"]
        listed = tuple(_durations(body.get("npu_compute_time_list", [])))
        middle = times["median"] if "median" in times else statistics.median(listed)  # none of several threads
        found = Summary(float(body["throughput"]), float(times["mean"]), float(middle), listed)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    figures = (found.throughput, found.mean_ms, found.median_ms)
    good = all(math.isfinite(value) and value > 0 for value in figures)
    # the newer generations take times from float32 stamps, which cannot tell short ones apart in a long run
    return found if good and all(math.isfinite(value) and value >= 0 for value in found.times_ms) else None


def _durations(listed: object) -> Iterator[float]:
    """Times in ms, or (start, end) pairs of the newer generations."""
    for item in listed if isinstance(listed, list) else ():
        if isinstance(item, list | tuple):
            yield float(item[1]) - float(item[0])
        else:
            yield float(item)


def bar_position(words: str) -> tuple[int, int] | None:
    """(done, total) of the bar as it was drawn last; None where none was drawn."""
    found = None
    for pattern in (_BAR, _LOOP):
        for match in pattern.finditer(words):
            found = int(match[match.lastindex - 1 if match.lastindex else 1]), int(match[match.lastindex or 2])
    return found
