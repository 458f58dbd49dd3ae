"""Which ais_bench is installed, what to type for it, and what its answers mean, by generation.

The tool calls itself 0.0.2 in every generation, so it is recognised by what `--help` offers. See docs/decisions/0009.
"""

import json
import math
import re
import shutil
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Literal

from msgspec import Struct

from backends.ascend import cann
from backends.core.messages import N_, NeedError, os_reason
from backends.worker.tools import Ending, Tool, plain

Generation = Literal["A", "B", "C", "D", "F"]
"""A: the script of 2022-09. B: the package of 2022-11. C: 2023-06, several devices. D: 2024-06 and what came after it
(E in the contract), with rules for paths, which its help does not distinguish. F: 2026-08, for Python 3.10 and later,
options with dashes."""

PACKAGES = ("ais_bench", "aclruntime", "numpy", "tqdm", "attrs", "setuptools")
LIMIT_S = 60.0
"""The help imports the compiled package, which loads CANN's libraries."""

_ASK = """
import json, sys
from importlib import metadata
found = {"python": "%d.%d.%d" % sys.version_info[:3]}
for name in sys.argv[1:]:
    try:
        found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


class AisBench(Struct, frozen=True):
    command: tuple[str, ...]
    """Its interpreter and the module or script; options come behind it."""
    generation: Generation

    @property
    def checks_paths(self) -> bool:
        """It refuses paths, modes and links that others take."""
        return self.generation in ("D", "F")


def command(given: Path | None = None) -> tuple[str, ...]:
    """How ais_bench is started: by `given` (a Python, or an ais_infer.py), this Python, or python3 on PATH.

    Raises NeedError where there is none of them.
    """
    if given is not None and not given.is_file():
        text, hint = (
            N_("{path}: no such file"),
            N_("infer.ais_bench is the Python that has ais_bench, or an ais_infer.py"),
        )
        raise NeedError(text, hint=hint, path=str(given))
    if given is not None and given.suffix == ".py":
        return (_python(), str(given))
    if given is not None:
        return (str(given), "-m", "ais_bench")
    if PathFinder.find_spec("ais_bench"):
        return (sys.executable, "-m", "ais_bench")
    return (_python(), "-m", "ais_bench")


def sourced(line: Sequence[str]) -> list[str]:
    """The line behind CANN's `set_env.sh` where there is one."""
    return cann.sourced(cann.find(), line)


def probe(given: Path | None, workspace: Path, limit_s: float = LIMIT_S) -> AisBench:
    """Ask the tool for its help. Raises NeedError with what is wrong and the fix where it gives none."""
    start = command(given)
    ending = _ask([*start, "--help"], workspace, limit_s)
    if ending is None:
        text = N_("ais_bench gave no help in {limit:.0f} s")
        hint = N_("the driver or CANN may hang: run it by hand: {command} --help")
        raise NeedError(text, hint=hint, limit=limit_s, command=" ".join(start))
    generation = generation_of(ending.words) if ending.status == 0 else None
    if generation is None:
        reason = _reason(ending.words) or f"exit status {ending.status}"
        text, hint = N_("ais_bench does not run: {reason}"), _likely_fix(ending.words)
        raise NeedError(text, hint=hint, reason=reason, python=start[0])
    return AisBench(start, generation)


def generation_of(text: str) -> Generation | None:
    """The generation by its help; None where the text is no help of this tool."""
    if "--model" in text and "--output-dirn" in text:  # its help is cut to the terminal's width
        return "F"
    if "--model" not in text or "--output_dirname" not in text:
        return None
    if "--divide_input" in text:
        return "D"
    if "--infer_queue_count" in text:
        return "A"
    return "C" if re.search(r"--device DEVICE\b", text) and "[0, 255]" in " ".join(text.split()) else "B"


def versions(given: Path | None, workspace: Path, limit_s: float = LIMIT_S) -> Mapping[str, str]:
    """Versions of the interpreter (`python`) and of the packages in it that ais_bench needs; empty where it is mute."""
    ending = _ask([command(given)[0], "-c", _ASK, *PACKAGES], workspace, limit_s)
    try:
        found = json.loads(ending.words.strip().splitlines()[-1]) if ending is not None and ending.status == 0 else {}
    except (ValueError, IndexError):
        return {}
    return {str(name): str(value)[:40] for name, value in found.items()} if isinstance(found, dict) else {}


def _ask(line: Sequence[str], workspace: Path, limit_s: float) -> Ending | None:
    """A short call's end; None where it did not end in time, and was killed."""
    try:
        tool = Tool(sourced(line), workspace, workspace)
    except OSError as error:
        reason = os_reason(error)
        raise NeedError("{tool}: {reason}", hint="fix infer.ais_bench", tool=line[0], reason=reason) from None
    try:
        tool.wait(limit_s)
        there = tool.gone()
    finally:
        ending = tool.end()
    return ending if there else None


def _reason(words: str) -> str:
    """The last line that says something: `ModuleNotFoundError: No module named 'aclruntime'`."""
    lines = [plain(line) for line in words.splitlines()]
    return next((line for line in reversed(lines) if line), "")[:300]


def _likely_fix(words: str) -> str:
    if "No module named" in words and "aclruntime" in words:
        return N_(
            "install aclruntime for this Python ({python}) and this CANN: its .whl stands beside that of ais_bench"
        )
    if "No module named" in words and "ais_bench" in words:
        return N_("install ais_bench and aclruntime as the guide says, or name their Python under [infer] ais_bench")
    if "No module named" in words:
        return N_("install that module for {python}")
    if ".so" in words:
        return N_("source CANN's set_env.sh, or install the CANN that aclruntime was built for")
    return N_("run {python} -m ais_bench --help by hand")


def _python() -> str:
    found = shutil.which("python3")
    if found is None:
        raise NeedError("python3 is not on PATH", hint="name the Python that has ais_bench under [infer] ais_bench")
    return found


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
