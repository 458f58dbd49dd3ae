"""Workspaces that are not ours: read-only, another user's, closed; and what of ours is closed to others."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.core.client import RunRequest
from backends.core.messages import InputError
from backends.core.plan import Stage
from backends.engine import control_socket
from backends.engine.folders import Folders
from tests.engine.conftest import Bench
from tests.faults.demo_runs import ROOT

NOBODY = 65534
SLOW = Stage("a", "toys:count", 1, params={"items": 400}, tuning={"pause": 0.05})
QUICK = Stage("a", "toys:count", 1, params={"items": 3})


def viewer(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run `r3d-tui` without the powers of root: as somebody to whom permissions apply."""
    command = [sys.executable, "-m", "r3d_tui.cli", *arguments]
    if os.geteuid() == 0:
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner,-chown", *command]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=60)


def give_away(workspace: Path) -> None:
    """Make it another user's; where we are not root, ours without the right to write."""
    (workspace / "r3d.toml").touch()
    for path in (workspace, *workspace.rglob("*")):
        if os.geteuid() == 0:
            os.chown(path, NOBODY, NOBODY)
        else:
            path.chmod(path.stat().st_mode & ~0o222)


@pytest.fixture
def theirs(bench: Bench) -> Iterator[Bench]:
    """A workspace that is given away in the test and taken back at its end."""
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("setpriv is not here, and root may write everywhere")
    yield bench
    for path in (bench.workspace, *bench.workspace.rglob("*")):
        if os.geteuid() == 0:
            os.chown(path, 0, 0)
        path.chmod(path.stat().st_mode | 0o700)


def test_a_finished_run_opens_without_the_right_to_write(theirs: Bench) -> None:
    """status, runs and logs work for a viewer; run is refused in one line, before anything is made."""
    theirs.stages = (QUICK,)
    theirs.run()
    give_away(theirs.workspace)
    subprocess.run(["chmod", "-R", "a+rX", str(theirs.workspace)], check=True)
    done = viewer("status", "--json", cwd=theirs.workspace)
    assert (0, f"{theirs.workspace}/r3d.toml: no videos and no frames\n") == (done.returncode, done.stderr)
    assert "done" == json.loads(done.stdout)["state"]
    assert "done" in viewer("runs", cwd=theirs.workspace).stdout
    refused = viewer("run", "--headless", cwd=theirs.workspace)
    assert 2 == refused.returncode
    assert "not writable (use a workspace of your own, or change its permissions)" in refused.stderr


def test_a_run_that_was_cut_off_opens_without_the_right_to_write(theirs: Bench) -> None:
    """The engine was killed, its journal never left WAL: a viewer still sees how far the run came."""
    theirs.stages = (SLOW,)
    theirs.client.start(RunRequest())
    theirs.wait(lambda s: s.run.stages != () and s.run.stage("a").done >= 2)
    time.sleep(0.3)
    os.kill(theirs.engine(), signal.SIGKILL)
    theirs.wait(lambda s: not s.alive)
    theirs.client.close()
    give_away(theirs.workspace)
    subprocess.run(["chmod", "-R", "a+rX", str(theirs.workspace)], check=True)
    done = viewer("status", "--json", cwd=theirs.workspace)
    document = json.loads(done.stdout)
    assert ("interrupted", ["a"]) == (document["state"], [stage["name"] for stage in document["stages"]])


@pytest.mark.slow
def test_a_workspace_on_a_disk_that_became_read_only_is_shown_and_not_run(tight: Bench) -> None:
    """Remounted after an error of the disk: finished and cut-off runs open, `run` is refused in a line."""
    (tight.workspace / "r3d.toml").touch()
    tight.stages = (QUICK,)
    tight.run()
    tight.stages = (SLOW,)
    tight.client.start(RunRequest())
    tight.wait(lambda s: s.run.stages != () and s.run.stage("a").done >= 2)
    time.sleep(0.3)
    os.kill(tight.engine(), signal.SIGKILL)
    tight.wait(lambda s: not s.alive and not tight.pids())
    tight.client.close()
    subprocess.run(["mount", "-o", "remount,ro", str(tight.workspace)], check=True)
    try:
        done = viewer("status", "--json", cwd=tight.workspace)
        runs = viewer("runs", "--json", cwd=tight.workspace)
        refused = viewer("run", "--headless", cwd=tight.workspace)
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(tight.workspace)], check=True)
    said = f"{tight.workspace}/r3d.toml: no videos and no frames\n"  # it is empty
    assert ("interrupted", said) == (json.loads(done.stdout)["state"], done.stderr)
    assert ["interrupted", "done"] == [run["state"] for run in json.loads(runs.stdout)["runs"]]
    assert (
        2,
        f"error: {tight.workspace}: not writable (use a workspace of your own, or change its permissions)\n",
    ) == (
        refused.returncode,
        refused.stderr,
    )


def test_a_living_run_of_another_user_is_seen_and_cannot_be_stopped(theirs: Bench) -> None:
    """A viewer follows it; its socket is the owner's alone."""
    theirs.stages = (SLOW,)
    theirs.client.start(RunRequest())
    theirs.wait(lambda s: s.run.stages != () and s.run.stage("a").done >= 1)
    give_away(theirs.workspace)
    for path in (theirs.workspace, *theirs.workspace.rglob("*")):
        if not path.is_socket():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
    seen = json.loads(viewer("status", "--json", cwd=theirs.workspace).stdout)
    stopped = viewer("stop", cwd=theirs.workspace)
    assert "running" == seen["state"]
    if os.geteuid() == 0:
        assert (2, True) == (stopped.returncode, "no engine answers" in stopped.stderr)
    theirs.client.stop()
    theirs.wait(lambda s: not s.alive)


def test_a_closed_workspace_is_not_called_empty(theirs: Bench) -> None:
    """`.r3d` belongs to somebody else and is closed: one line that says so, with the owner's command."""
    theirs.stages = (QUICK,)
    theirs.run()
    (theirs.workspace / "r3d.toml").touch()
    if os.geteuid() == 0:
        give_away(theirs.workspace)
        theirs.workspace.chmod(0o755)
    else:
        (theirs.workspace / ".r3d").chmod(0)
    for command in (("status",), ("runs",), ("logs",)):
        done = viewer(*command, cwd=theirs.workspace)
        assert (2, "") == (done.returncode, done.stdout)
        assert f"{theirs.workspace}/.r3d: closed to you" in done.stderr


def test_what_we_write_is_ours_alone(bench: Bench) -> None:
    """`.r3d` is 0700 from its making, its socket 0600; an owner's leave to read stays, a right to write does not."""
    bench.stages = (SLOW,)
    bench.client.start(RunRequest())
    bench.wait(lambda s: s.run.stages != () and s.run.stage("a").done >= 1)
    root = bench.workspace / ".r3d"
    modes = {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in (root, root / "engine.sock")}
    assert {".r3d": "0o700", "engine.sock": "0o600"} == modes
    files = [p for p in (root / "runs").rglob("*") if p.is_file()]
    assert [] == [p.name for p in files if p.stat().st_mode & 0o022]
    bench.client.stop()
    bench.wait(lambda s: not s.alive)
    root.chmod(0o777)
    bench.stages = (QUICK,)
    bench.run()
    assert "0o755" == oct(stat.S_IMODE(root.stat().st_mode))


def test_the_engine_hears_only_its_own_user(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever gets past the socket's permissions is asked for the user the kernel knows: another one gets no word."""

    class Peer:
        def __init__(self, uid: int) -> None:
            self.uid = uid

        def get_extra_info(self, _: str) -> Peer:
            return self

        def getsockopt(self, level: int, option: int, size: int) -> bytes:
            assert (socket.SOL_SOCKET, socket.SO_PEERCRED) == (level, option)
            return struct.pack("3i", 1, self.uid, 1)

    monkeypatch.setattr(control_socket.os, "getuid", lambda: 1000)
    allowed = {uid: control_socket._same_user(Peer(uid)) for uid in (1000, 0, 1001, NOBODY)}  # type: ignore[arg-type]
    assert {1000: True, 0: True, 1001: False, NOBODY: False} == allowed


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root can become somebody else")
def test_another_user_who_reaches_the_socket_gets_no_answer(bench: Bench) -> None:
    """With the permissions opened on purpose, a stop of another user changes nothing."""
    bench.stages = (SLOW,)
    bench.client.start(RunRequest())
    bench.wait(lambda s: s.run.stages != () and s.run.stage("a").done >= 1)
    place = bench.workspace / ".r3d" / "engine.sock"
    place.chmod(0o777)
    place.parent.chmod(0o755)
    ask = """
import os, socket, sys
os.chdir(sys.argv[1])
peer = socket.socket(socket.AF_UNIX)
os.setgid(65534)
os.setuid(65534)
peer.connect("engine.sock")
try:
    peer.sendall(b'{"command": "stop"}\\n')
    print("heard", peer.recv(100))
except (ConnectionResetError, BrokenPipeError):
    print("heard b''")
"""
    done = subprocess.run([sys.executable, "-c", ask, str(place.parent)], capture_output=True, text=True, check=False)
    assert ("heard b''\n", "") == (done.stdout, done.stderr)
    time.sleep(0.3)
    assert "running" == bench.client.snapshot().run.state
    bench.client.stop()
    bench.wait(lambda s: not s.alive)


def test_commands_that_are_none_are_answered_and_change_nothing(bench: Bench) -> None:
    """Garbage, lists, endless lines on the socket: the engine goes on."""
    bench.stages = (SLOW,)
    bench.client.start(RunRequest())
    bench.wait(lambda s: s.run.stages != () and s.run.stage("a").done >= 1)
    folders = Folders(bench.workspace)
    for text in (
        b"garbage\n",
        b"[1, 2]\n",
        b'{"stage": 3}\n',
        b"\xff\xfe\n",
        b"x" * 200_000,
        b"[" * 60_000 + b"\n",
        b"",
    ):
        with socket.socket(socket.AF_UNIX) as peer, control_socket._short_path(folders) as path:
            peer.settimeout(5)
            peer.connect(path)
            try:
                peer.sendall(text)
                peer.shutdown(socket.SHUT_WR)
                peer.recv(1000)
            except OSError:
                pass
    assert {"error": "not a command"} == control_socket.ask(folders, {"what": "?"})
    assert "running" == bench.client.snapshot().run.state
    with pytest.raises(InputError, match="b is not running"):
        bench.client.command("b", {"command": "x"})
    bench.client.stop()
    bench.wait(lambda s: not s.alive)
