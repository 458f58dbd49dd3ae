"""The compile stage: the simplified model to an `.om` for one kind of chip, by CANN's atc.

It refuses to trust atc's words: success is exit status 0 and an `.om` file that is there.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from backends.contract.codec import decode
from backends.contract.errors import InputError, NeedError, StageError
from backends.contract.events import Outcome
from backends.contract.files import sync_folder
from backends.contract.lines import Scalar, line
from backends.convert.atc_codes import diagnose
from backends.convert.graph import INPUT
from backends.convert.params import CompileParams
from backends.worker import toolkit
from backends.worker.foreign import Ending, run_tool
from backends.worker.guard import NOT_FOUND
from backends.worker.job import Job

_OURS = ("--model", "--framework", "--output", "--soc_version", "--input_shape", "--input_format", "--mode")
"""Options that `extra` must not give again."""

_PART = "compiling"


def run(job: Job) -> Outcome:
    """Stage `compile`: upstream simplify's `onnx` to `model.om`.

    Raises InputError where the chip is not known or an option is wrong, NeedError where atc is not here, StageError
    with atc's code, its words and the mend where it fails.
    """
    params = decode(CompileParams, dict(job.params))
    soc_version = _soc_version(params)
    model = job.upstream["simplify"].path("onnx")
    found = toolkit.find()
    command = toolkit.sourced(found, atc_line(params, soc_version, model, job.out / _PART))
    for old in job.out.glob("*.om"):  # of an attempt that was cut off
        old.unlink()
    version = found.version if found else None
    note = line("atc compiles for {soc_version}", soc_version=soc_version)
    job.progress(0, None, "lines", note=note)
    ending = run_tool(
        command,
        job.scratch,
        job.workspace,
        stop=lambda: job.stopping,
        heard=lambda lines: job.progress(lines, None, "lines", note=note),
    )
    job.check_stop()
    written = _written(job.out)
    if ending.status != 0 or written is None:
        raise _failure(job, ending)
    target = job.out / "model.om"
    written.replace(target)
    sync_folder(job.out)
    figures: dict[str, Scalar] = {"soc_version": soc_version, "cann": version, "bytes": target.stat().st_size}
    return Outcome(figures, {"om": target.name}, _digest(target))


def atc_line(params: CompileParams, soc_version: str, model: Path, output: Path) -> list[str]:
    """The guide's atc line, argument by argument, and the user's options after it. InputError where one is wrong."""
    clip = params.clip
    shape = f"{INPUT}:{clip.batch},3,{clip.frames},{clip.size},{clip.size}"
    options = {
        "model": str(model),
        "framework": "5",
        "output": str(output),
        "input_format": "NCHW",
        "input_shape": shape,
        "log": params.log,
        "soc_version": soc_version,
        "precision_mode": params.precision_mode,
        "op_select_implmode": params.op_select_implmode,
    }
    for option in params.extra:
        name = option.partition("=")[0]
        if not re.fullmatch(r"--\w+", name) or name in _OURS:
            text = "compile.extra: {option} cannot be given to atc there"
            hint = "write --name=value; model, output, input and chip are set by the other settings"
            raise InputError(text, hint=hint, option=ascii(option)[1:-1])
    return ["atc", *(f"--{name}={value}" for name, value in options.items() if value is not None), *params.extra]


def _soc_version(params: CompileParams) -> str:
    if params.soc_version is None:
        hint = 'set soc_version under [compile] in r3d.toml: "Ascend" and the Name of npu-smi info, such as Ascend310P3'
        raise InputError("the chip to compile for is not known", hint=hint)
    if not re.fullmatch(r"Ascend\w{3,40}", params.soc_version, re.ASCII):
        text = "compile.soc_version is {value}"
        hint = 'it is "Ascend" and the Name of npu-smi info, such as Ascend310P3'
        raise InputError(text, hint=hint, value=ascii(params.soc_version)[1:-1])
    return params.soc_version


def _written(folder: Path) -> Path | None:
    """What atc wrote: `compiling.om`, or with the platform in its name as newer releases do."""
    names = [folder / f"{_PART}.om", *sorted(folder.glob(f"{_PART}_*.om"))]
    return next((path for path in names if path.is_file() and path.stat().st_size), None)


def _failure(job: Job, ending: Ending) -> StageError | NeedError:
    trouble = diagnose(ending.words)
    if trouble is None and ending.status == NOT_FOUND:
        hint = "repair the CANN toolkit, or set ASCEND_TOOLKIT_HOME to the one to use"
        return NeedError("set_env.sh is here, but it does not bring atc", hint=hint)
    if trouble is None:
        if ending.status == 0:
            return StageError("atc said nothing is wrong, but wrote no .om file", hint="see the stage's log")
        return StageError("atc failed with exit status {status}", hint="see the stage's log", status=ending.status)
    if trouble.cause.template:
        job.note(trouble.cause, "error")
    hint = trouble.fix.template or "see the stage's log"
    if trouble.code is None:
        return StageError("atc failed: {message}", hint=hint, message=trouble.message)
    return StageError("atc failed ({code}): {message}", hint=hint, code=trouble.code, message=trouble.message)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
