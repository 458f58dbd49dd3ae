"""`bench infer --profile`: one loop of pure inference under msprof, and the operators that took most of its time."""

import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from backends.ascend import cann, msprof
from backends.ascend.ais_bench_files import prepare
from backends.ascend.ais_bench_install import probe, pure_line
from backends.ascend.diagnosis import diagnose_run
from backends.core.messages import N_, InputError, StageError
from backends.core.model_io import ClipShape
from backends.core.processes import foreign_environment
from backends.device.model_runtime import DeviceSpec
from backends.inference.device_link import MAIN
from backends.inference.runtime_registry import Chosen
from backends.worker.tools import Tool

LIMIT_S = 1800.0
"""For the loop, and for msprof's own reading of what it collected, which takes longer."""


def profile(
    chosen: Chosen,
    model: Path,
    device: DeviceSpec,
    workspace: Path,
    clip: ClipShape,
    *,
    loop: int,
    ais_bench: Path | None = None,
) -> tuple[msprof.Operator, ...]:
    """The operators of the model on one chip, the one that took most time first.

    Raises InputError where nothing that is measured runs on a chip, NeedError where msprof is not here, StageError with
    its words where it fails.
    """
    info = chosen.info
    if info.module != "acl" and not info.is_tool:
        text, hint = (
            N_("--profile: the runtime {name} does not run an .om on a chip"),
            N_("use --target ascend --runtime acl"),
        )
        raise InputError(text, hint=hint, name=info.name)
    found = cann.find()
    tool = msprof.command(found)
    with tempfile.TemporaryDirectory(prefix="r3d-profile-") as folder:
        base = Path(folder).resolve()
        if info.is_tool:
            program = _tool_program(base / "ais_bench", model, device, workspace, clip.batch, loop, ais_bench)
        else:
            numbers = (device.index, clip.batch, clip.frames, clip.size, loop)
            program = [str(chosen.python or sys.executable), str(MAIN), info.entry, str(model), *map(str, numbers)]
        script, out = base / "loop.sh", base / "collected"
        script.write_text(f"#!/bin/sh\nexec {shlex.join(program)}\n", encoding="utf-8")
        script.chmod(0o700)
        out.mkdir(mode=0o700)
        extra = {} if chosen.python is None else {"PYTHONPATH": foreign_environment().get("PYTHONPATH", "")}
        words = _run(cann.sourced(found, msprof.collect_line(tool, script, out)), base, workspace, extra)
        if not (operators := msprof.operators(out)):
            for collected in sorted(out.glob("PROF_*")):
                words += _run(cann.sourced(found, msprof.export_line(tool, collected)), base, workspace, extra)
            operators = msprof.operators(out)
    if not operators:
        raise _failure(words)
    return operators


def _tool_program(
    folder: Path, model: Path, device: DeviceSpec, workspace: Path, batch: int, loop: int, given: Path | None
) -> list[str]:
    installed = probe(given, workspace)
    ours = prepare(folder, model, strict=installed.checks_paths)
    (folder / "out").mkdir(mode=0o700)
    return pure_line(installed, ours, folder / "out", device.index, batch, loop)


def _run(command: Sequence[str], folder: Path, workspace: Path, extra: dict[str, str]) -> str:
    """What it said until its end; its exit status is no evidence. StageError where it takes too long."""
    tool = Tool(command, folder, workspace, extra=extra)
    try:
        has_ended = tool.wait(LIMIT_S)
    finally:
        ending = tool.end()
    if not has_ended:
        raise StageError("msprof did not end in {s:.0f} s", hint="see `npu-smi info`", s=LIMIT_S)
    return ending.words


def _failure(words: str) -> StageError:
    """By the words of the program that was measured, for msprof may end well where that one failed."""
    found = diagnose_run(1, words)
    if not found.message:
        hint = N_("run msprof by hand: its own Python must have what CANN's guide lists")
        return StageError("msprof wrote no table of operators", hint=hint)
    return StageError("msprof: {reason}", hint=found.fix.template, **{**found.fix.facts, "reason": found.reason})
