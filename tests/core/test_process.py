"""Processes of ours: found by their mark, gone with their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backends.core.processes import child_environment, leftovers, our_environment, python_command, reap, start_time

CHILD = """
import os, sys, time
from backends.core.processes import die_with_parent, end_group_with
die_with_parent()
end_group_with(sys.stdin.buffer)
print("ready", flush=True)
time.sleep(600)
"""
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=subprocess.PIPE, start_new_session=True)
print(child.pid, flush=True)
child.wait()
"""


def gone(pid: int, seconds: float = 5.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if start_time(pid) is None:
            return True
        time.sleep(0.02)
    return False


def test_a_child_ends_when_its_lifeline_does(tmp_path: Path) -> None:
    """Closing the child's standard input ends its whole group."""
    command = [sys.executable, "-c", CHILD]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, env=child_environment(tmp_path)
    ) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        assert b"ready\n" == child.stdout.readline()
        child.stdin.close()
        assert -signal.SIGKILL == child.wait(5)


def test_a_child_ends_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    """kill -9 of the parent takes the child along."""
    command = [sys.executable, "-c", PARENT, CHILD]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=child_environment(tmp_path)) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert b"ready\n" == parent.stdout.readline()
        parent.kill()
        parent.wait()
        assert gone(pid)


def test_a_stopped_leftover_is_found_by_its_mark_and_reaped(tmp_path: Path) -> None:
    """A process stopped before it could watch anything is found and killed; one of another workspace is not."""
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    with (
        subprocess.Popen(sleeper, env=child_environment(tmp_path / "ours")) as ours,
        subprocess.Popen(sleeper, env=child_environment(tmp_path / "other")) as other,
    ):
        os.kill(ours.pid, signal.SIGSTOP)
        until = time.monotonic() + 5  # between fork and exec it still has our own environment
        while set(leftovers(tmp_path / "ours")) != {ours.pid} and time.monotonic() < until:
            time.sleep(0.01)
        assert (ours.pid,) == reap(tmp_path / "ours")
        assert -signal.SIGKILL == ours.wait(5)
        assert other.poll() is None
        other.kill()


def test_a_child_of_ours_imports_nothing_from_the_current_folder(tmp_path: Path) -> None:
    """Where a `json.py` lies, on every Python: PYTHONSAFEPATH is not what keeps it out. Others may write nothing."""
    (tmp_path / "json.py").write_text("open('imported', 'w').close()\n")
    code = "import json, sys; open('made', 'w').close(); print(sys.argv[1:])"
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "some_module.py").write_text(code)
    environment = {"PYTHONPATH": str(tmp_path / "lib"), "PATH": os.environ["PATH"]}
    command = python_command("some_module", "a b", "-c")
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True, umask=0)
    assert (b"['a b', '-c']\n", b"") == (ended.stdout, ended.stderr)
    assert {"json.py", "lib", "made"} == {path.name for path in tmp_path.iterdir()}
    assert 0o664 == (tmp_path / "made").stat().st_mode & 0o777


def test_numpy_starts_no_threads_in_a_process_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenBLAS's, one a core, would spin when it is imported; who sets their number has their way."""
    code = "import numpy, os; print(len(os.listdir('/proc/self/task')))"
    command = (sys.executable, "-c", code)
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    alone = subprocess.run(command, env=our_environment(), capture_output=True, text=True, check=True)
    assert "1\n" == alone.stdout
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    assert "2" == our_environment()["OPENBLAS_NUM_THREADS"]
