"""Processes that are stopped or that see the clock jump: what the console says, and that nothing else changes."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from backends.core.client import RunRequest
from backends.core.plan import Stage
from backends.engine import lock
from tests.engine.conftest import Bench

SLOW = Stage("a", "toys:count", 1, params={"items": 60}, tuning={"pause": 0.05})
JUMPS = '''
import time
_begun, _real = time.monotonic(), time.time
def _jumping():
    """An hour forward, then a day back, and so on: each lasts a quarter of a second."""
    return _real() + (0, 3600, -86400, 40000)[int((time.monotonic() - _begun) * 4) % 4]
time.time = _jumping
'''
"""A `sitecustomize.py`: every Python process that finds it lives with a clock that jumps."""


def test_a_stopped_engine_is_called_stalled_and_goes_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGSTOP of the engine: alive, silent, and said so with the seconds; after SIGCONT the run ends as ever."""
    monkeypatch.setattr(lock, "STALLED_S", 2.0)
    bench.stages = (SLOW,)
    bench.client.start(RunRequest())
    bench.wait(lambda s: s.run.stages != () and s.run.stage("a").done >= 2)
    engine = bench.engine()
    os.kill(engine, signal.SIGSTOP)
    try:
        stalled = bench.wait(lambda s: s.stalled_s is not None)
        assert stalled.alive
        assert stalled.stalled_s is not None
        assert stalled.stalled_s > 2.0
        assert "running" == stalled.run.state
    finally:
        os.kill(engine, signal.SIGCONT)
    end = bench.wait(lambda s: s.run.state == "done" and not s.alive)
    assert end.stalled_s is None
    (items,) = bench.workspace.glob(".r3d/artifacts/a/*/items.txt")
    assert [str(n) for n in range(60)] == items.read_text().split()


def test_a_stopped_engine_that_is_killed_leaves_nothing(bench: Bench) -> None:
    """SIGSTOP of engine and worker, then kill -9 of the engine: the next one reaps the stopped worker and goes on."""
    bench.stages = (SLOW,)
    bench.client.start(RunRequest())
    bench.wait(lambda s: s.run.stages != () and s.run.stage("a").done >= 2)
    (worker,) = bench.pids()
    os.kill(worker, signal.SIGSTOP)
    os.kill(bench.engine(), signal.SIGKILL)
    bench.wait(lambda s: not s.alive)
    assert "done" == bench.run().run.state
    assert worker not in bench.pids()
    assert not Path(f"/proc/{worker}").exists()
    (items,) = bench.workspace.glob(".r3d/artifacts/a/*/items.txt")
    assert [str(n) for n in range(60)] == items.read_text().split()


@pytest.mark.parametrize("after", [0.0, 0.1, 0.2])
def test_a_worker_stopped_at_its_start_is_taken_along(bench: Bench, after: float) -> None:
    """SIGSTOP within 200 ms of the worker's start: `stop` still ends the run, and the process goes."""
    bench.stages = (SLOW,)
    bench.client.start(RunRequest())
    until = time.monotonic() + 10
    while not (pids := bench.pids()) and time.monotonic() < until:
        time.sleep(0.005)
    time.sleep(after)
    (worker,) = pids
    os.kill(worker, signal.SIGSTOP)
    os.kill(bench.engine(), signal.SIGKILL)
    bench.wait(lambda s: not s.alive)
    assert "done" == bench.run().run.state
    assert set() == bench.pids()


def test_a_clock_that_jumps_changes_nothing(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wall time an hour ahead and a day back, in every process: no stall, no lost item, no time below nothing."""
    folder = tmp_path / "clock"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(JUMPS)
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{os.environ['PYTHONPATH']}")
    bench.stages = (SLOW, Stage("b", "toys:add", 1, ("a",)))
    bench.client.start(RunRequest())
    stalls, rates = set(), set()
    while (snapshot := bench.client.snapshot()).run.state != "done" or snapshot.alive:
        stalls.add(snapshot.stalled_s)
        rates.update(stage.rate for stage in snapshot.run.stages)
        time.sleep(0.1)
    assert {None} == stalls
    assert all(rate is None or rate >= 0 for rate in rates)
    assert {"a": "done", "b": "done"} == bench.states(snapshot)
    assert all((stage.seconds or 0) >= 0 for stage in snapshot.run.stages)
    first = snapshot.run.id
    assert bench.run().run.id > first


def test_a_finished_run_never_took_less_than_no_time(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the clock went back in a run, its length in the list of runs is unknown, not negative."""
    folder = tmp_path / "clock"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import time\n_b, _r = time.monotonic(), time.time\n"
        "time.time = lambda: _r() - 86400 * (time.monotonic() - _b > 1.5)\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{os.environ['PYTHONPATH']}")
    bench.stages = (SLOW,)
    bench.run()
    (summary,) = bench.client.runs()
    assert summary.seconds is None or summary.seconds >= 0
