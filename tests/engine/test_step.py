"""One stage in the foreground: its outcome, its errors, and how it is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from backends.core.codec import dumps
from backends.core.events import Event, Outcome, StageProgress
from backends.core.messages import StageError
from backends.core.plan import Stage
from backends.core.processes import our_environment
from backends.core.stage_request import Request
from backends.engine import worker_process
from backends.engine.worker_process import run_step

PATH = str(Path(__file__).parent)
FACE = """
import sys
from pathlib import Path
from backends.core.messages import Stopped
from backends.core.plan import Stage
from backends.engine.worker_process import run_step
try:
    stage = Stage("s", "toys:" + sys.argv[1], 1, tuning={"pause": 0.1})
    run_step(stage, Path(sys.argv[2]), lambda event: print("on", flush=True))
except Stopped:
    sys.exit(130)
"""


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", PATH)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))


def _step(entry: str, out: Path, **params: Any) -> tuple[Outcome, list[Event]]:
    events: list[Event] = []
    out.mkdir()
    return run_step(Stage("s", entry, 1, params=params), out, events.append), events


def test_a_step_gives_its_outcome_and_leaves_only_its_output(tmp_path: Path) -> None:
    """Events come as they happen; the temporary folder is gone."""
    outcome, events = _step("toys:count", tmp_path / "out", items=2)
    assert {"items": 2} == outcome.figures
    assert any(isinstance(event, StageProgress) and event.done == 2 for event in events)
    assert ["items.txt"] == [path.name for path in (tmp_path / "out").iterdir()]
    assert [] == list((tmp_path / "temporary").iterdir())


def test_a_process_that_ends_without_a_word_is_told_by_its_exit_code(tmp_path: Path) -> None:
    """It was not killed, so no signal is named."""
    with pytest.raises(StageError, match=r"ended without a word \(exit code 7\)"):
        _step("toys:leave", tmp_path / "out")


def test_a_lone_step_names_no_log_that_goes_with_it(tmp_path: Path) -> None:
    """Where a run would point to the stage's log, the step says how to see it."""
    with pytest.raises(StageError, match=r"No such file.*lost \(--debug shows what it printed\)"):
        _step("toys:lose", tmp_path / "out")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_step_after_the_item_at_hand(tmp_path: Path, number: int) -> None:
    """What is done is whole, the temporary folder is gone."""
    with _face("endless", tmp_path) as face:
        assert face.stdout is not None
        face.stdout.readline()
        face.send_signal(number)
        assert 130 == face.wait(20)
    assert [] == list((tmp_path / "temporary").iterdir())


def test_a_second_signal_kills_a_stage_that_does_not_listen(tmp_path: Path) -> None:
    """The first one is passed on and nothing comes of it; the second ends the stage's whole group."""
    with _face("hang", tmp_path) as face:
        _wait_for(tmp_path / "temporary", "hanging")
        for _ in range(2):
            face.send_signal(signal.SIGINT)
            time.sleep(0.3)
        assert 130 == face.wait(20)
    assert [] == list((tmp_path / "temporary").iterdir())


async def test_a_child_that_does_not_listen_is_killed_after_its_grace(tmp_path: Path) -> None:
    """Stop gives it its time and no more."""
    request = Request("s", "toys:hang", 1, tmp_path, tmp_path / "out", tmp_path / "scratch")
    child = await worker_process.spawn(tmp_path, tmp_path / "log", request.scratch)
    await child.send(dumps(request))
    await child.stop(grace_s=0.5)
    assert -signal.SIGKILL == await child.ended()


def _face(toy: str, folder: Path) -> subprocess.Popen[str]:
    environment = {**our_environment(), "TMPDIR": str(folder / "temporary")}
    (folder / "out").mkdir()
    command = [sys.executable, "-c", FACE, toy, str(folder / "out")]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def _wait_for(folder: Path, name: str) -> None:
    until = time.monotonic() + 20
    while not any(name in files for _, _, files in os.walk(folder)):
        assert time.monotonic() < until
        time.sleep(0.02)
