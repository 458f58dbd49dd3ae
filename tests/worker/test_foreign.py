"""Tests of `backends.worker.tools` and `backends.worker.process_guard`."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backends.core.processes import child_environment, start_time
from backends.worker.tools import Tool, run_tool

CALL = (
    "import sys; from pathlib import Path; from backends.worker.tools import run_tool\n"
    "run_tool(sys.argv[2:], Path(sys.argv[1]), Path(sys.argv[1]), stop=lambda: False, heard=lambda n: None)"
)


def tool(folder: Path, *command: str) -> tuple[int, str]:
    ending = run_tool(command, folder, folder, stop=lambda: False, heard=lambda lines: None)
    return ending.status, ending.words


def ended(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while start_time(pid) is not None and time.monotonic() < deadline:
        time.sleep(0.02)
    return start_time(pid) is None


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo out; echo err >&2; exit 7", (7, "out\nerr\n")),
        ("kill -TERM $$", (143, "")),
        ("printf '\\377half'", (0, "\ufffdhalf")),
        ("pwd", (0, None)),
        ("cat", (0, "")),
    ],
)
def test_status_and_words(tmp_path: Path, script: str, expected: tuple[int, str | None]) -> None:
    """Exit status (128 + n for a signal) and both streams come back; the tool's own standard input is empty."""
    status, words = expected
    assert (status, f"{tmp_path}\n" if words is None else words) == tool(tmp_path, "sh", "-c", script)


def test_command_that_is_not_there(tmp_path: Path) -> None:
    """A missing command has the exit status that shells give it."""
    assert 127 == tool(tmp_path, "r3d-no-such-tool")[0]


def test_lines_of_a_tool_have_their_time_in_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Each begins with it, also one that comes in two pieces; a bar that is drawn over itself is one line."""
    script = r"printf 'one\ntw'; sleep 0.1; printf 'o\n10%%\r20%%\r30%%\nend\n'"
    ending = run_tool(("sh", "-c", script), tmp_path, tmp_path, stop=lambda: False, heard=lambda lines: None)
    time_, rest = r"\d\d:\d\d:\d\d ", ("one\n", "two\n", "10%\r20%\r30%\n", "end\n")
    assert re.fullmatch("".join(time_ + re.escape(text) for text in rest), capfd.readouterr().out)
    assert "".join(rest) == ending.words


def test_lines_are_heard_and_only_the_end_is_kept(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """All words go to the log, the last of them are kept, and lines are counted as they come."""
    heard: list[int] = []
    script = "yes 'a line of some sixty characters, so that there are enough of them' | head -n 6000"
    ending = run_tool(("sh", "-c", script), tmp_path, tmp_path, stop=lambda: False, heard=heard.append)
    assert (6000, 262_144) == (heard[-1], len(ending.words))
    assert 6000 == capfd.readouterr().out.count("\n")


def test_nothing_outlives_the_tool(tmp_path: Path) -> None:
    """A helper that the tool leaves behind, with its output open, neither holds us nor lives on."""
    begun = time.monotonic()
    status, words = tool(tmp_path, "sh", "-c", "sleep 300 & echo $!")
    assert 0 == status
    assert time.monotonic() - begun < 20
    assert ended(int(words))


def test_nothing_outlives_a_killed_worker(tmp_path: Path) -> None:
    """After kill -9 of the worker, the tool, its wrapper and its helpers are gone."""
    pids = tmp_path / "pids"
    script = f"sleep 300 & echo $$ $! > {pids}.part; mv {pids}.part {pids}; wait"
    worker = subprocess.Popen(
        [sys.executable, "-c", CALL, str(tmp_path), "sh", "-c", script], env=child_environment(tmp_path)
    )
    deadline = time.monotonic() + 30
    while not pids.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    assert [True, True] == [ended(int(pid)) for pid in pids.read_text().split()]


def test_tool_does_not_import_from_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder that our children import from is not on the tool's PYTHONPATH; what the user set there is."""
    monkeypatch.setenv("PYTHONPATH", "/users/own")
    assert (0, "/users/own\n") == tool(tmp_path, "sh", "-c", "echo $PYTHONPATH")
    monkeypatch.delenv("PYTHONPATH")
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    assert (0, "unset unset\n") == tool(tmp_path, "sh", "-c", "echo ${PYTHONPATH-unset} ${PYTHONSAFEPATH-unset}")


def test_a_tool_with_a_terminal_speaks_at_once(tmp_path: Path) -> None:
    """It sees a terminal, so it flushes line by line; bytes come as they are, without carriage returns added."""
    code = "import sys, time; sys.stdout.write('here\\n' + str(sys.stdout.isatty()) + '\\n'); time.sleep(60)"
    tool = Tool((sys.executable, "-c", code), tmp_path, tmp_path, terminal=True)
    deadline = time.monotonic() + 20
    while tool.words.count(b"\n") < 2 and time.monotonic() < deadline:
        tool.hear()
        time.sleep(0.02)
    assert (False, b"here\nTrue\n") == (tool.gone(), tool.words)
    assert 128 + signal.SIGTERM == tool.end(0.0, 5.0).status
    assert ended(tool.pid)


def test_what_was_said_before_the_end_is_heard(tmp_path: Path) -> None:
    """Words of a tool that has ended already are not lost, from a pipe and from a terminal."""
    for terminal in (False, True):
        tool = Tool(("sh", "-c", "echo last words; exit 3"), tmp_path, tmp_path, terminal=terminal)
        assert (3, "last words\n") == (lambda e: (e.status, e.words))(tool.end(10.0))
        tool.end()
