"""An ssh connection that drops, with a real sshd: the run goes on, and the next session finds it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends import api
from backends.core.processes import leftovers
from backends.engine import lock
from backends.engine.folders import Folders
from tests.faults.demo_runs import gone, make_workspace
from tests.faults.sshserver import SshServer, SshTerminal, alive, kill, name, parent, ssh_server, until

PAINTED = b"\x1b[?1049h"
"""The alternate screen: the console is there."""


def engine(workspace: Path) -> int | None:
    """The pid of the workspace's living engine."""
    holder = lock.owner(Folders(workspace))
    return holder.pid if holder else None


def worker(workspace: Path, stage: str) -> int | None:
    """The pid of a stage's worker while it runs."""
    client = api.open_client(workspace)
    try:
        run = client.snapshot().run
        return next((one.pid for one in run.stages if one.name == stage and one.state == "running"), None)
    finally:
        client.close()


def face(workspace: Path) -> int:
    """The pid of the `r3d-tui` that the last session started."""
    return int((workspace / "face.pid").read_text())


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Path]:
    """A small demo; whatever still runs at the end is killed."""
    made = make_workspace(tmp_path / "w")
    yield made
    for pid in (engine(made), *leftovers(made)):
        if pid is not None:
            kill(pid)


def reattached(server: SshServer, workspace: Path) -> SshTerminal:
    """A console of a new session that has painted the run."""
    (workspace / "face.pid").unlink()
    terminal = SshTerminal(server, workspace, "attach")
    try:
        terminal.until(lambda: PAINTED in terminal.seen and b"frames" in terminal.seen)
    except BaseException:
        terminal.drop()
        raise
    return terminal


@pytest.mark.slow
def test_a_dropped_ssh_connection_leaves_the_run_and_a_new_session_finds_it(tmp_path: Path, workspace: Path) -> None:
    """The client is killed, then the server's side of a second session: the run, begun in the first, comes to its end.

    The worker is held in between, so that the second session surely meets a living run.
    """
    with ssh_server(tmp_path / "ssh") as server:
        first = SshTerminal(server, workspace, "run", "--to", "preprocess")
        try:
            first.until(lambda: worker(workspace, "preprocess") is not None)
            held = worker(workspace, "preprocess")
            assert held is not None
            os.kill(held, signal.SIGSTOP)
            first.until(lambda: PAINTED in first.seen)
            supervisor, console = engine(workspace), face(workspace)
            assert supervisor is not None
            assert os.getsid(supervisor) != os.getsid(console)
        finally:
            first.drop()  # kill -9 of the ssh client: the server finds the connection closed
        until(lambda: not alive(console))
        second = reattached(server, workspace)
        try:
            console = face(workspace)
            session = parent(console)
            assert "sshd" == name(session)[:4]
            kill(session)  # the server's side: nobody is left to say goodbye
            second.until(lambda: not alive(console))
        finally:
            second.drop()
        told = server.run(workspace, "status", "--json")
        assert 0 == told.returncode, told.stderr
        seen = json.loads(told.stdout)
        states = {stage["name"]: stage["state"] for stage in seen["stages"]}
        assert ("running", "running") == (seen["state"], states["preprocess"])
        assert (supervisor, {held}) == (engine(workspace), {held} & set(leftovers(workspace)))
        os.kill(held, signal.SIGCONT)
        end = server.run(workspace, "attach", "--headless")
        assert (0, True) == (end.returncode, "preprocess  done" in end.stdout), (end.stdout, end.stderr)
    assert gone(workspace)
