"""A disk that fills up, wherever the byte is that does not fit: one line, nothing half done counts, and it goes on."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from backends.core.client import RunRequest
from backends.core.messages import R3dError
from backends.core.plan import Stage
from tests.engine.conftest import Bench


def ballast(place: Path, left: int) -> Path:
    """A file that leaves `left` bytes of the disk."""
    path = place / "ballast"
    with open(path, "wb") as file:
        while (free := shutil.disk_usage(place).free) > left:
            file.write(bytes(min(65536, free - left)))
            file.flush()
    return path


def test_a_stage_that_fills_the_disk_fails_in_one_line_and_goes_on_later(tight: Bench) -> None:
    """The stage's bytes do not fit: the run ends with the reason; with room made it takes up where it was."""
    tight.stages = (Stage("w", "fault_toys:write", 1, params={"megabytes": 2}),)
    filler = ballast(tight.workspace, 3 << 20)
    end = tight.run()
    assert ("failed", {"w": "failed"}) == (end.run.state, tight.states(end))
    reason = f"{end.run.stage('w').reason} ({end.run.stage('w').hint})"
    assert "the disk is full" in reason
    assert "free some space" in reason
    assert "\n" not in reason
    assert set() == tight.pids()
    assert not list(tight.workspace.glob(".r3d/artifacts/w/*/manifest.json"))
    filler.unlink()
    again = tight.run()
    assert "done" == again.run.state
    outcome = again.run.stage("w").outcome
    assert outcome is not None
    assert int(str(outcome.figures["begun"])) > 0
    (data,) = tight.workspace.glob(".r3d/artifacts/w/*/data")
    assert data.read_bytes() == b"".join(bytes([piece % 251]) * 65536 for piece in range(32))


def test_a_journal_that_does_not_fit_ends_the_run_in_one_line(tight: Bench) -> None:
    """The events' bytes do not fit: the engine makes room of its own, says so, and leaves nothing running.

    Two stages at once, whose long notes make a large state, and whose logs would fill the room as well.
    """
    tight.stages = tuple(Stage(name, "fault_toys:talk", 1, params={"notes": 20000}) for name in "tu")
    filler = ballast(tight.workspace, 5 << 20)
    tight.client.start(RunRequest())
    end = tight.wait(lambda s: not s.alive)
    assert "failed" == end.run.state
    assert "the disk is full" in str(end.run.reason) + str(end.run.stage("t").reason)
    until = time.monotonic() + 5
    while tight.pids() and time.monotonic() < until:
        time.sleep(0.05)
    assert set() == tight.pids()
    filler.unlink()
    tight.stages = (Stage("t", "fault_toys:talk", 1, params={"notes": 10}),)
    assert "done" == tight.run().run.state


@pytest.mark.parametrize("left", [0, 40_000, 150_000, 2_150_000, 2_250_000])
def test_a_run_on_a_full_disk_does_not_begin_or_ends_in_one_line(tight: Bench, left: int) -> None:
    """No room for the plan, for the journal, or for the first event: an error of one line, never a traceback."""
    tight.stages = (Stage("w", "fault_toys:write", 1, params={"megabytes": 1}),)
    filler = ballast(tight.workspace, left)
    try:
        tight.client.start(RunRequest())
    except R3dError as error:
        assert "the disk is full" in str(error)
        assert "\n" not in str(error)
    else:
        end = tight.wait(lambda s: not s.alive)
        assert "failed" == end.run.state
    filler.unlink()
    assert "done" == tight.run().run.state
