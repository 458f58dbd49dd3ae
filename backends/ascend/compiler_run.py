"""One run of atc or aoe for the compile stage: behind `set_env.sh`, with a plog of its own, and why it failed."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from backends.ascend import cann, plog
from backends.ascend.diagnosis import diagnose
from backends.core.messages import N_, Line, NeedError, StageError, line
from backends.worker.job import Job
from backends.worker.process_guard import NOT_FOUND
from backends.worker.tools import Ending, run_tool

KILLED = 128 + 9
"""The exit status of what the kernel killed."""


def run_compiler(
    job: Job,
    command: Sequence[str],
    output: Path,
    note: Line,
    *,
    counted: bytes = b"",
    unit: str = "lines",
    folder: Path | None = None,
    extra: Mapping[str, str] | None = None,
) -> tuple[Path, str]:
    """Run it in `folder` (None: the attempt's); the `.om` that it wrote as `output`, and its last words.

    Progress is the number of lines that hold `counted`. Success is exit status 0 and an `.om` that is there. Raises
    NeedError where the tool is not here, StageError with its code, its words and the fix where it fails, Stopped.
    """
    tool = Path(command[0]).name
    for old in output.parent.glob(f"{output.name}*.om"):  # of an attempt that was cut off
        old.unlink()
    job.progress(0, None, unit, note=note)
    place = job.scratch / plog.FOLDER / tool
    ending = run_tool(
        cann.sourced(cann.find(), command),
        folder or job.scratch,
        job.workspace,
        stop=lambda: job.stopping,
        heard=lambda lines: job.progress(lines, None, unit, note=note),
        counted=counted,
        extra={**plog.environment(place), **(extra or {})},
    )
    job.check_stop()
    written = _written(output)
    if ending.status != 0 or written is None:
        raise _failure(job, tool, ending, plog.first_errors(place))
    return written, ending.words


def _written(output: Path) -> Path | None:
    """`output`.om, or with the platform in its name as newer releases do."""
    names = [output.with_name(f"{output.name}.om"), *sorted(output.parent.glob(f"{output.name}_*.om"))]
    return next((path for path in names if path.is_file() and path.stat().st_size), None)


def _failure(job: Job, tool: str, ending: Ending, errors: tuple[str, ...]) -> StageError | NeedError:
    """What to raise: by the tool's words, else by its plog, whose first errors are quoted either way."""
    found = diagnose(ending.words, "atc", ending.status)  # aoe compiles as atc does, with its codes
    if (found is None or found.code is None) and ending.status == NOT_FOUND:
        hint = N_("repair the CANN toolkit, or set ASCEND_TOOLKIT_HOME to the one to use")
        if ended := re.search(re.escape(cann.ENDED_EARLY) + r" (\d+)", ending.words):
            text = N_("CANN's set_env.sh ended early, with status {status}, and {tool} is not found")
            return NeedError(text, hint=hint, status=int(ended[1]), tool=tool)
        return NeedError("CANN's set_env.sh was sourced, but {tool} is not found", hint=hint, tool=tool)
    for row in errors:
        job.note(line("plog: {row}", row=row), "error")
    found = found or diagnose("\n".join(errors), "atc")
    if found is None and ending.status == KILLED:
        hint = N_("set TE_PARALLEL_COMPILER=1 in the environment and add swap space, or compile on a larger machine")
        return StageError("{tool} was killed (signal 9), as happens where memory runs out", hint=hint, tool=tool)
    if found is None:
        if ending.status == 0:
            return StageError("{tool} reported no error, but wrote no .om file", hint="see the stage's log", tool=tool)
        text = N_("{tool} failed with exit status {status}")
        return StageError(text, hint="see the stage's log", tool=tool, status=ending.status)
    return StageError("{tool} failed: {reason}", hint=found.fix, tool=tool, reason=found.reason)
