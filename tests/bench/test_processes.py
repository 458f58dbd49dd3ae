"""Commands that are timed: each in an empty folder, and one that fails says why."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from backends.core.messages import StageError, line
from bench.processes import Contender, race, timed

BURN = "import os, time; open('made', 'x'); end = time.process_time() + 0.2\nwhile time.process_time() < end: pass"


def test_contenders_run_in_turn_each_in_an_empty_folder(tmp_path: Path) -> None:
    """Rounds are told in order; processor time is the command's own."""
    said: list[str] = []
    command = (sys.executable, "-c", BURN)  # fails where its file is still there
    contenders = [Contender(name, line(name), command, tmp_path / name) for name in ("one", "other")]
    taken = race(contenders, 2, lambda text: said.append(str(text)))
    assert ["one", "other", "one", "other"] == [text.split(": ")[1] for text in said]
    assert all(len(runs) == 2 and min(run.cpu_s for run in runs) >= 0.2 for runs in taken.values())


def test_a_command_that_fails_is_named_with_its_last_line(tmp_path: Path) -> None:
    """The bench ends there: a figure of a failed command means nothing."""
    with pytest.raises(StageError, match="no such thing"):
        timed((sys.executable, "-c", "raise SystemExit('first\\nno such thing')"), tmp_path / "out")
