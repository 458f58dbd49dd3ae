"""The compile stage: the simplified model to an `.om` for one kind of chip, by CANN's atc, and tuned by its aoe."""

import mmap
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from backends.ascend import cann
from backends.ascend.chip_query import ask_chips
from backends.ascend.compile_params import CompileParams, CompileTuning
from backends.ascend.compiler_run import run_compiler
from backends.ascend.tune import tune
from backends.core.codec import DecodeError, decode, dumps, loads
from backends.core.events import Outcome
from backends.core.files import file_digest, sync_folder, write_whole
from backends.core.messages import N_, InputError, Line, Scalar, StageError, line
from backends.core.values import DeviceTable
from backends.device.model_runtime import INPUT
from backends.worker.job import Job

_OURS = ("--model", "--framework", "--output", "--soc_version", "--input_shape", "--input_format", "--mode")
"""Options that `extra` must not give again."""

_SHAPE = re.compile(r"[\w./:-]+:-?\d+(?:,-?\d+)*(?:;[\w./:-]+:-?\d+(?:,-?\d+)*)*", re.ASCII)
_PART = "compiling"
OM, UNTUNED, MADE = "model.om", "untuned.om", "made.json"


class Made(Struct, frozen=True):
    """The file beside an `.om`: for which chip it is, and its content."""

    soc_version: str
    bytes: int
    sha256: str
    tune: str = "off"
    gain_percent: float | None = None
    """Of tuning, as aoe reports it."""


def run(job: Job) -> Outcome:
    """Stage `compile`: upstream simplify's `onnx` (or `uint8`) to `model.om`.

    Where the settings name no chip, npu-smi and CANN are asked; an `.om` that is there for that chip is taken. Raises
    InputError where the chip is not known or an option is wrong, NeedError where atc is not here, StageError with
    atc's code, its words and the fix where it fails.
    """
    params = decode(CompileParams, dict(job.params))
    if "om" in job.inputs:
        return _take_ready(job, job.inputs["om"], params)
    soc_version = _soc_version(params, job)
    model = job.upstream["simplify"].path("uint8" if params.input == "uint8" else "onnx")
    found = cann.find()
    command = atc_line(params, soc_version, model, job.out / _PART)
    mode = mode_of(" ".join(command).encode())
    if (kept := _kept(job.out, soc_version)) is not None:
        job.note(line("the .om for {soc_version} is there already", soc_version=soc_version))
        return _outcome(soc_version, found, mode, kept)
    if params.tune != "off" and params.soc_version is not None:
        _check_tuned_chip(job, soc_version)
    made, gain = _compiled(job, params, line("atc compiles for {soc_version}", soc_version=soc_version), command, model)
    (job.out / MADE).unlink(missing_ok=True)
    made.replace(job.out / OM)
    sync_folder(job.out)
    kept = Made(soc_version, (job.out / OM).stat().st_size, file_digest(job.out / OM), params.tune, gain)
    write_whole(job.out / MADE, dumps(kept).encode("ascii"))
    return _outcome(soc_version, found, mode, kept)


def _compiled(
    job: Job, params: CompileParams, note: Line, command: Sequence[str], model: Path
) -> tuple[Path, float | None]:
    """What atc wrote; or, where tuning is requested, what aoe wrote, atc's being kept beside it, and aoe's gain."""
    try:
        om, _ = run_compiler(job, command, job.out / _PART, note)
    except StageError:
        if params.input == "uint8":
            job.note(line("not every CANN takes a model of bytes: infer.input = float32 needs none"), "warning")
        raise
    if params.tune == "off":
        return om, None
    om.replace(job.out / UNTUNED)
    devices = decode(CompileTuning, dict(job.tuning)).devices
    tuned = tune(job, params.tune, command, model, devices[0] if devices else None)
    return tuned.om, tuned.gain_percent


def _take_ready(job: Job, source: Path, params: CompileParams) -> Outcome:
    """An `.om` that somebody compiled before, copied as it is: shapes and chip are checked where it is loaded."""
    if not is_om(source):
        text, hint = N_("{path}: not an .om model"), N_("set model.om to a file that atc wrote")
        raise InputError(text, hint=hint, path=str(source))
    job.progress(0, None, "parts", note=line("taking the .om that is given"))
    shutil.copyfile(source, job.out / _PART)
    (job.out / _PART).replace(job.out / OM)
    sync_folder(job.out)
    command = command_line(job.out / OM)
    mode = mode_of(command) if command else None
    soc_version = params.soc_version or soc_version_of(command)
    if soc_version and (others := _other_chips(job, soc_version)):
        text = N_("{path} was compiled for {soc_version}, the chips are {chips}")
        job.note(line(text, path=str(source), soc_version=soc_version, chips=others), "warning")
    return _outcome(soc_version, None, mode, Made("", (job.out / OM).stat().st_size, file_digest(job.out / OM)))


def _other_chips(job: Job, soc_version: str) -> tuple[str, ...]:
    """What the chips are, where none of them is that; empty where it is not known."""
    known = {chip.soc_version for chip in ask_chips(job.workspace, soc=True).chips if chip.soc_version}
    return () if soc_version in known else tuple(sorted(known))


def _outcome(soc_version: str | None, found: cann.Toolkit | None, mode: str | None, made: Made) -> Outcome:
    version = found.version if found else None
    figures: dict[str, Scalar] = {"soc_version": soc_version, "cann": version, "precision_mode": mode}
    if made.tune == "off":
        return Outcome(figures | {"bytes": made.bytes}, {"om": OM}, made.sha256)
    figures |= {"tune": made.tune, "tune_gain_percent": made.gain_percent, "bytes": made.bytes}
    return Outcome(figures, {"om": OM, "untuned": UNTUNED}, made.sha256)


def _kept(folder: Path, soc_version: str) -> Made | None:
    """What an earlier run left, where it is whole and for this chip; its model, CANN and options are the same."""
    try:
        made = loads(Made, (folder / MADE).read_bytes())
        whole = made.soc_version == soc_version and file_digest(folder / OM) == made.sha256
        whole = whole and (made.tune == "off" or is_om(folder / UNTUNED))
    except (OSError, DecodeError):
        return None
    return made if whole else None


def atc_line(params: CompileParams, soc_version: str, model: Path, output: Path) -> list[str]:
    """The guide's atc line, argument by argument, and the user's options after it. InputError where one is wrong."""
    clip = params.clip
    shape = params.input_shape or f"{INPUT}:{clip.batch},3,{clip.frames},{clip.size},{clip.size}"
    if not _SHAPE.fullmatch(shape):
        text, hint = N_("compile.input_shape is {value}"), N_("write name:sizes, such as input:10,3,16,112,112")
        raise InputError(text, hint=hint, value=ascii(shape)[1:-1])
    options = {
        "model": str(model),
        "framework": "5",
        "output": str(output),
        "input_format": params.input_format,
        "input_shape": shape,
        "log": params.log,
        "soc_version": soc_version,
        "precision_mode": params.precision_mode,
        "op_select_implmode": params.op_select_implmode,
    }
    for option in params.extra:
        name = option.partition("=")[0]
        if not re.fullmatch(r"--\w+", name) or name in _OURS:
            text = N_("compile.extra: {option} cannot be given to atc there")
            hint = N_("write --name=value; model, output, input and chip are set by the other settings")
            raise InputError(text, hint=hint, option=ascii(option)[1:-1])
    return ["atc", *(f"--{name}={value}" for name, value in options.items() if value is not None), *params.extra]


def _soc_version(params: CompileParams, job: Job) -> str:
    if params.soc_version is None:
        wanted = decode(CompileTuning, dict(job.tuning)).devices
        return common_soc_version(ask_chips(job.workspace, soc=True), wanted)
    if not re.fullmatch(r"Ascend[\w-]{3,40}", params.soc_version, re.ASCII):
        text = N_("compile.soc_version is {value}")
        hint = N_('it is "Ascend" and the Name of npu-smi info, such as Ascend310P3')
        raise InputError(text, hint=hint, value=ascii(params.soc_version)[1:-1])
    return params.soc_version


def common_soc_version(table: DeviceTable, wanted: Sequence[int] | None) -> str:
    """What npu-smi and CANN report of the chips `wanted` (None: all). InputError where that is not one thing."""
    hint = N_('set soc_version under [compile] in r3d.toml: "Ascend" and the Name of npu-smi info, such as Ascend310P3')
    chips = [chip for chip in table.chips if wanted is None or chip.device_id is None or chip.device_id in wanted]
    if not chips:
        cause = table.error.cause if table.error else line("npu-smi lists no such chip")
        raise InputError("the chip to compile for is not known: {cause}", hint=hint, cause=cause)
    dark = next((chip for chip in chips if chip.soc_version is None), None)
    if dark is not None:
        text = N_("the chip to compile for is not known: {device} is a {name}, whose soc_version is not reported")
        raise InputError(text, hint=hint, device=dark.device, name=dark.name or "?")
    found = list(dict.fromkeys(str(chip.soc_version) for chip in chips))
    if len(found) > 1:
        text = N_("the chips are of several kinds ({kinds}), an .om fits one")
        hint = N_("set soc_version under [compile] in r3d.toml, and under [infer] devices the chips of that kind")
        raise InputError(text, hint=hint, kinds=tuple(found))
    return found[0]


def _check_tuned_chip(job: Job, soc_version: str) -> None:
    """InputError where the chip that aoe runs on is not known to be of the kind that the settings name."""
    device = (decode(CompileTuning, dict(job.tuning)).devices or (0,))[0]
    chips = ask_chips(job.workspace, soc=True).chips
    found = next((chip.soc_version for chip in chips if chip.device_id == device), None)
    if found != soc_version:
        text = N_(
            "aoe tunes for the chip that it runs on: npu:{device} is {found}, compile.soc_version is {soc_version}"
        )
        hint = N_("set compile.tune = off, or put a chip of that kind first under [infer] devices")
        raise InputError(text, hint=hint, device=device, found=found or line("not known"), soc_version=soc_version)


MAGIC = b"IMOD"
DEFAULT_MODE = "force_fp16"
"""atc's own for inference, where its command line names none."""
_LINE = 8192
"""Bytes of the command line that are looked at."""
_SOC = re.compile(rb"--?soc_version[= ]\"?(Ascend[\w-]{3,40})")
_MODE = re.compile(rb"--?precision_mode(?:_v2)?[= ]\"?([a-z0-9_]{2,40})")


def is_om(path: Path) -> bool:
    """Its first bytes are those of a model that atc wrote. OSError where it cannot be read."""
    with open(path, "rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def command_line(path: Path) -> bytes:
    """atc's own, as the file has it, and what stands behind it; empty where the file has none."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = data.find(b"atc_cmdline")
        return b"" if at < 0 else data[at : at + _LINE]


def chip_of(om: Path) -> str | None:
    """The soc_version that an `.om` of this stage is for; None where nothing says it."""
    with suppress(OSError, DecodeError):
        return loads(Made, om.with_name(MADE).read_bytes()).soc_version
    return soc_version_of(command_line(om))


def mode_of(command: bytes) -> str:
    """The precision mode of atc's command line."""
    found = _MODE.search(command)
    return found[1].decode("ascii") if found else DEFAULT_MODE


def soc_version_of(command: bytes) -> str | None:
    """The chip that it names; None where it names none."""
    found = _SOC.search(command)
    return found[1].decode("ascii") if found else None
