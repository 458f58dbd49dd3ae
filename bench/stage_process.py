"""One stage in a process of its own, which says what it took: for benches of memory and of cores."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

from msgspec import Struct

from backends.core.codec import decode, dumps, loads
from backends.core.events import Outcome
from backends.core.messages import StageError
from backends.core.processes import child_environment, python_command
from backends.core.stage_request import Request


class StageRun(Struct, frozen=True):
    """What a stage's function took, start-up of its process left out."""

    outcome: Outcome
    seconds: float
    """By the clock."""
    main_s: float
    """Processor time of the main thread, which no number of cores makes shorter."""
    own_s: float
    """Of the process, all threads."""
    cpu_s: float
    """Of the process and of those that it started."""
    peak_mb: float
    """Of the stage's process."""
    child_peak_mb: float
    """Of the largest process that it started; 0 where it started none."""


def run_apart(request: Request, imported: tuple[str, ...] = ()) -> StageRun:
    """Run a stage. StageError with the last line of its process where that fails.

    `imported`: modules that are imported before the clocks start, where start-up is not what is asked.
    """
    environment = child_environment(request.workspace, {"OPENBLAS_NUM_THREADS": "1"})
    command, data = python_command("bench.stage_process", *imported), dumps(request).encode()
    done = subprocess.run(command, input=data, env=environment, capture_output=True, check=False, cwd=request.workspace)
    if done.returncode:
        reason = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2][:300]
        raise StageError("{stage} could not be measured: {reason}", stage=request.stage, reason=reason)
    return decode(StageRun, json.loads(done.stdout.rstrip().rpartition(b"\n")[2]))


def _main() -> None:
    from importlib import import_module

    from backends.worker.job import Job

    request = loads(Request, sys.stdin.buffer.read())
    request.out.mkdir(parents=True, exist_ok=True)
    module, _, function = request.entry.partition(":")
    run, job = getattr(import_module(module), function), Job(request, lambda _: None)
    for name in sys.argv[1:]:
        import_module(name)
    clocks = (time.monotonic, time.thread_time, time.process_time, _cpu_s)
    before = [clock() for clock in clocks]
    outcome = job.complete(run(job))
    seconds, main_s, own_s, cpu_s = (clock() - begun for clock, begun in zip(clocks, before, strict=True))
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    sys.stdout.write(dumps(StageRun(outcome, seconds, main_s, own_s, cpu_s, _peak_mb(), child)) + "\n")


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _peak_mb() -> float:
    """Of this process since its exec: the system's usage figures keep what the process before exec had."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    _main()
