"""The stage's own process is killed and started again: every row there, none twice, nothing left running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from backends.core.codec import dumps
from backends.core.processes import child_environment, leftovers, reap
from tests.inference.rig import CLASSES, CLIPS, Rig

PARAMS = {"entry": "tests.inference.faulty:Faulty", "runtime": "faulty", "batch": 2}
TUNING = {"devices": [0, 1], "sync_s": 0.02}


def start(rig: Rig, tuning: dict[str, Any] = TUNING, **options: Any) -> subprocess.Popen[bytes]:
    """The stage as the engine starts it: a group of its own, one request, standard input held open."""
    child = subprocess.Popen(
        [sys.executable, "-m", "backends.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=child_environment(rig.folder),
        start_new_session=True,
    )
    assert child.stdin is not None
    params = {**PARAMS, "options": {"classes": CLASSES, **options}}
    child.stdin.write(dumps(rig.request(params, tuning)).encode() + b"\n")
    child.stdin.flush()
    return child


def events(child: subprocess.Popen[bytes]) -> list[dict[str, Any]]:
    """What it says until its end; its pipes are closed then."""
    assert child.stdout is not None
    assert child.stdin is not None
    said = [json.loads(text) for text in child.stdout]
    child.wait(10)
    child.stdin.close()
    child.stdout.close()
    return said


def wait_for_rows(path: Path, size: int) -> None:
    """Wait until the file of rows has grown to `size` bytes."""
    until = time.monotonic() + 20
    while not (path.exists() and path.stat().st_size > size):
        assert time.monotonic() < until, "no rows came"
        time.sleep(0.01)


def nothing_left(rig: Rig) -> bool:
    """No process of the workspace is there, a moment after the kill."""
    until = time.monotonic() + 10
    while list(leftovers(rig.folder)) and time.monotonic() < until:
        time.sleep(0.02)
    return not list(leftovers(rig.folder))


@pytest.mark.parametrize("rows", [0, 3, 9])
def test_a_killed_stage_is_taken_up_where_it_was(rig: Rig, rows: int) -> None:
    """Kill -9 of the stage ends its devices too; started again it computes only what is missing, and completes."""
    path = rig.folder / "out" / "rows.bin"
    child = start(rig, latency_s=0.05)
    wait_for_rows(path, rows * (12 + 4 * CLASSES))
    child.kill()
    events(child)
    assert nothing_left(rig)
    left = len(rig.rows)
    assert left < CLIPS
    last = events(start(rig))[-1]
    assert "StageFinished" == last["kind"]
    assert (CLIPS, left) == (last["outcome"]["figures"]["clips"], last["outcome"]["figures"]["clips_taken_up"])
    assert list(range(CLIPS)) == sorted(rig.rows)


def test_a_file_torn_by_the_kill_is_mended(rig: Rig) -> None:
    """Half a row at the end of the file, as a power loss leaves it, costs that row and no other."""
    path = rig.folder / "out" / "rows.bin"
    events(start(rig))
    whole = rig.rows
    os.truncate(path, path.stat().st_size - 7)
    last = events(start(rig))[-1]
    assert CLIPS - 1 == last["outcome"]["figures"]["clips_taken_up"]
    assert whole == rig.rows


def test_a_closed_lifeline_ends_stage_and_devices(rig: Rig) -> None:
    """When the engine is gone the stage's whole group ends, a stopped device with it."""
    child = start(rig, latency_s=0.05)
    wait_for_rows(rig.folder / "out" / "rows.bin", 0)
    device = min(pid for pid in leftovers(rig.folder) if pid != child.pid)
    os.kill(device, signal.SIGSTOP)
    assert child.stdin is not None
    child.stdin.close()
    assert -signal.SIGKILL == child.wait(10)
    assert child.stdout is not None
    child.stdout.close()
    assert nothing_left(rig)


def test_a_suspended_machine_makes_no_device_overdue(rig: Rig) -> None:
    """Stage and devices stopped together for longer than the deadline and continued: nobody is retired."""
    tuning = {**TUNING, "limits": {"answer_s": 1.5}}
    child = start(rig, tuning, latency_s=0.05)
    wait_for_rows(rig.folder / "out" / "rows.bin", 0)
    os.killpg(child.pid, signal.SIGSTOP)
    time.sleep(2.5)
    os.killpg(child.pid, signal.SIGCONT)
    said = events(child)
    assert "StageFinished" == said[-1]["kind"]
    assert "retired" not in [event.get("state") for event in said]


def test_a_stop_from_the_engine_ends_in_order(rig: Rig) -> None:
    """The stop command ends the stage as stopped, with its rows kept and no process left."""
    child = start(rig, latency_s=0.05)
    wait_for_rows(rig.folder / "out" / "rows.bin", 0)
    assert child.stdin is not None
    child.stdin.write(b'{"command": "stop"}\n')
    child.stdin.flush()
    assert "StageStopped" == events(child)[-1]["kind"]
    assert (130, True) == (child.returncode, 0 < len(rig.rows) < CLIPS)
    assert nothing_left(rig)
    assert () == reap(rig.folder)
