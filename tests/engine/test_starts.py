"""A front end that is killed while its engine starts: the run goes on, or there is none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from backends.core.codec import seal
from backends.core.plan import Plan, Stage
from backends.core.processes import our_environment, python_command
from backends.engine import lock
from backends.engine.folders import Folders
from backends.engine.journal import read_state
from tests.engine.conftest import Bench


def _over(bench: Bench) -> str:
    """The latest run's state once no engine lives; "" where no run began."""
    folders, until = Folders(bench.workspace), time.monotonic() + 30
    time.sleep(0.3)  # an engine that is about to start has no lock yet
    while lock.owner(folders) is not None and time.monotonic() < until:
        time.sleep(0.02)
    latest = folders.latest_run()
    run = read_state(latest.journal) if latest else None
    return run.state if run else "" if latest is None else "new"


@pytest.mark.parametrize("after_s", [0.0, 0.02, 0.05, 0.1, 0.2, 0.4])
def test_a_front_end_killed_at_the_start_leaves_a_run_or_none(bench: Bench, after_s: float) -> None:
    """Killed with its whole group, at any moment: never a run that waits for nobody, never one cut off."""
    plan = Plan(bench.workspace, (Stage("a", "toys:count", 1),))
    code = (
        "import subprocess, sys; subprocess.run(sys.argv[1:], input=sys.stdin.buffer.read(), stdout=subprocess.PIPE, "
    )
    code += "start_new_session=True)"
    command = [sys.executable, "-c", code, *python_command("backends.engine.daemon", str(bench.workspace), "")]
    front_end = subprocess.Popen(command, stdin=subprocess.PIPE, env=our_environment(), start_new_session=True)
    assert front_end.stdin is not None
    front_end.stdin.write(seal(plan))
    front_end.stdin.close()
    time.sleep(after_s)
    os.killpg(front_end.pid, signal.SIGKILL)
    front_end.wait()
    assert _over(bench) in ("done", "")


def test_the_reader_of_the_reply_may_be_gone(bench: Bench) -> None:
    """The engine does not need it: the run ends well, with nothing in its log."""
    plan = Plan(bench.workspace, (Stage("a", "toys:count", 1),))
    reading, writing = os.pipe()
    command = python_command("backends.engine.daemon", str(bench.workspace), "")
    engine = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=writing, env=our_environment())
    os.close(writing)
    os.close(reading)
    engine.communicate(seal(plan))
    until = time.monotonic() + 30
    while Folders(bench.workspace).latest_run() is None and time.monotonic() < until:
        time.sleep(0.02)
    assert "done" == _over(bench)
    (log,) = bench.workspace.glob(".r3d/runs/*/supervisor.log")
    assert "" == log.read_text()


def test_a_plan_that_was_cut_off_begins_nothing(bench: Bench) -> None:
    """The front end died while it wrote the plan: no run, no folder, no message."""
    whole = seal(Plan(bench.workspace, (Stage("a", "toys:count", 1),)))
    command = python_command("backends.engine.daemon", str(bench.workspace), "")
    for size in (0, 1, len(whole) // 2, len(whole) - 1):
        subprocess.run(command, input=whole[:size], capture_output=True, check=False, env=our_environment())
    assert "" == _over(bench)
