"""The part of the compile stage that tunes: CANN's aoe tries variants of operators or subgraphs on the chip, for hours.

What it has found lies in its own repository (the tuning bank) in the stage's folder, which stays between attempts:
operators that are in there are not tried again, and the tuning of subgraphs goes on by `--reload`. aoe compiles for the
chip that it runs on, and so takes no `--soc_version`. Why a part of compile: docs/decisions/0023.
"""

import re
import shutil
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from msgspec import Struct

from backends.ascend import cann
from backends.ascend.compiler_run import run_compiler
from backends.core.messages import StageError, line
from backends.worker.job import Job

AOE = ("bin/aoe", "tools/aoe/bin/aoe", "aoe/bin/aoe")
"""Under an installation of CANN."""
JOB_TYPES = {"subgraph": "1", "operator": "2"}
FOLDER, BANK, WORK = "tuning", "bank", "aoe_workspace"
"""In the stage's folder; and in that one, aoe's repository and what it leaves of work that was cut off."""
_STEP = b"process finished"
"""In a line of aoe for each operator or subgraph, and for the whole."""
_NOT_ATCS = ("--model", "--output", "--soc_version")
_GAIN = re.compile(r"[Pp]erformance improved by\s*(\d+(?:\.\d+)?)\s*%")
_GAIN_IN_FILE = re.compile(r'"model_performance_improvement":\s*"(-?\d+(?:\.\d+)?)%"')


class Tuned(Struct, frozen=True):
    """What aoe made."""

    om: Path
    gain_percent: float | None
    """As aoe reports it of the model; None where it does not. `bench infer` measures it."""


def tune(job: Job, mode: Literal["subgraph", "operator"], atc: Sequence[str], model: Path, device: int | None) -> Tuned:
    """The `.om` by the options of an atc line, for the chip of that logic id (None: aoe's own choice, 0).

    Work that cannot be resumed begins again. Errors as `run_compiler`.
    """
    folder = job.out / FOLDER
    (folder / BANK).mkdir(parents=True, exist_ok=True)
    shutil.copyfile(model, folder / "model.onnx")  # aoe's rules for paths are stricter than atc's
    is_cut_off = mode == "subgraph" and any((folder / WORK).glob("*"))
    if is_cut_off:
        job.note(line("aoe resumes the tuning that was cut off"))
    note = line("aoe tunes ({mode}), which takes hours; a run that is stopped resumes", mode=mode)
    environment = {"TUNE_BANK_PATH": str(folder / BANK), "REPEAT_TUNE": "False"}
    command = tuple(_line(mode, atc, device))
    attempt = partial(run_compiler, job, counted=_STEP, unit="parts", folder=folder, extra=environment)
    try:
        om, words = attempt((*command, "--reload") if is_cut_off else command, folder / "tuned", note)
    except StageError as error:
        if not is_cut_off:
            raise
        job.note(line("the tuning cannot be resumed and begins again: {reason}", reason=error.line), "warning")
        shutil.rmtree(folder / WORK)
        om, words = attempt(command, folder / "tuned", note)
    gain = _gain(words, folder)
    shutil.rmtree(folder / WORK, ignore_errors=True)  # several times the model's size; the bank is what counts
    (folder / "model.onnx").unlink()
    return Tuned(om, gain)


def _line(mode: Literal["subgraph", "operator"], atc: Sequence[str], device: int | None) -> Iterator[str]:
    found = cann.find()
    yield str((found and found.has(*AOE)) or "aoe")
    yield from (f"--job_type={JOB_TYPES[mode]}", "--model=model.onnx", "--output=tuned", "--progress_bar=off")
    if device is not None:
        yield f"--device={device}"
    yield from (option for option in atc[1:] if option.partition("=")[0] not in _NOT_ATCS)


def _gain(words: str, folder: Path) -> float | None:
    """Of the whole model: what aoe said last, or what its newest result file has."""
    if said := _GAIN.findall(words):
        return float(said[-1])
    for path in sorted(folder.glob("aoe_result_*.json"), key=lambda path: path.stat().st_mtime, reverse=True):
        found = _GAIN_IN_FILE.findall(path.read_text(encoding="utf-8", errors="replace")[: 1 << 24])
        if found:
            return float(found[-1])
    return None
