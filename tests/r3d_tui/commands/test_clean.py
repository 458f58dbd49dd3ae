"""`clean` as a person and as a script use it."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.r3d_tui.commands.test_cli import ROOT, r3d

OLD = "artifacts/frames/0123456789abcdef0123"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """One with an artifact that nothing needs."""
    (tmp_path / "r3d.toml").touch()
    (tmp_path / ".r3d" / OLD).mkdir(parents=True)
    (tmp_path / ".r3d" / OLD / "rows.bin").write_bytes(b"x" * 8192)
    return tmp_path


def test_a_dry_run_shows_and_removes_nothing(workspace: Path) -> None:
    """A line for each thing, the sum, and the same as a document."""
    done = r3d("clean", "--dry-run", cwd=workspace)
    assert (0, "") == (done.returncode, done.stderr)
    assert [
        "never finished, and the present settings would not resume it:",
        f"      8.2 kB  {OLD}",
        "8.2 kB in all",
    ] == done.stdout.splitlines()
    document = json.loads(r3d("clean", "--dry-run", "--json", cwd=workspace).stdout)
    assert {"removed", "bytes", "waste", "kept_runs", "notes"} == set(document)
    assert (False, 8192, [f".r3d/{OLD}"]) == (
        document["removed"],
        document["bytes"],
        [one["path"] for one in document["waste"]],
    )
    assert (workspace / ".r3d" / OLD).is_dir()


def test_a_script_has_to_say_yes(workspace: Path) -> None:
    """Without it nothing goes, with exit code 2 and the mend; with it the document tells what went."""
    for options in ((), ("--json",)):
        done = r3d("clean", *options, cwd=workspace)
        assert (2, "") == (done.returncode, done.stdout)
        assert "--yes" in done.stderr
    document = json.loads(r3d("clean", "--yes", "--json", cwd=workspace).stdout)
    assert (True, [f".r3d/{OLD}"]) == (document["removed"], [one["path"] for one in document["waste"]])
    assert not (workspace / ".r3d" / "artifacts" / "frames").exists()
    assert "nothing to remove\n" == r3d("clean", cwd=workspace).stdout


def test_no_workspace_and_bad_numbers_are_usage_errors(workspace: Path, tmp_path: Path) -> None:
    """Exit code 2; nothing is made."""
    (tmp_path / "elsewhere").mkdir()
    assert 2 == r3d("clean", "--keep", "0", cwd=workspace).returncode
    assert "no r3d.toml here" in r3d("-w", str(tmp_path / "elsewhere"), "clean", cwd=workspace).stderr


@pytest.mark.parametrize(("answer", "goes"), [(b"y\n", True), (b"\n", False), (b"n\n", False)])
def test_a_person_is_asked(workspace: Path, answer: bytes, goes: bool) -> None:
    """In a terminal, with what would go above the question; anything but yes leaves all as it is."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8", "TERM": "xterm"}
    command = [sys.executable, "-m", "r3d_tui.cli", "clean"]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=workspace, env=environment)
    os.close(theirs)
    said, until = b"", time.monotonic() + 30
    while b"[y/N]" not in said and time.monotonic() < until:
        if select.select([ours], [], [], 0.2)[0]:
            said += os.read(ours, 4096)
    os.write(ours, answer)
    assert 0 == process.wait(30)
    os.close(ours)
    assert OLD.encode() in said
    assert goes != (workspace / ".r3d" / OLD).exists()
