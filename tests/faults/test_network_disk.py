"""A workspace on a disk behind a network: a real one, sshfs from a real sshd."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.checks.check_disk import file_system_finding
from backends.core.events import RunStarted
from backends.core.files import file_system
from backends.core.plan import Stage
from backends.core.run_state import Run, fold
from backends.engine.journal import Journal, JournalReader, read_state
from tests.engine.conftest import Bench
from tests.faults.demo_runs import r3d
from tests.faults.sshserver import ssh_server


@pytest.fixture
def network(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A folder, and the same folder through the network."""
    if not shutil.which("sshfs") or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("sshfs is not here, or FUSE is not open to us (apt install sshfs)")
    far, near = tmp_path / "far", tmp_path / "near"
    far.mkdir()
    near.mkdir()
    with ssh_server(tmp_path / "ssh") as server:
        mount = ["sshfs", *server.options, f"{getpass.getuser()}@127.0.0.1:{far}", str(near)]
        done = subprocess.run(mount, capture_output=True, text=True, check=False, timeout=30)
        if done.returncode:
            pytest.skip(f"no right to mount here: {done.stderr.strip()}")
        yield far, near
        subprocess.run(["fusermount3", "-u", "-z", str(near)], check=True)


def test_a_workspace_behind_a_network_is_told_and_refused_where_it_cannot_work(
    network: tuple[Path, Path], bench: Bench
) -> None:
    """`check` names it, `run` ends in one line before anything is done, a finished run is shown, a journal is safe."""
    far, near = network
    assert "fuse.sshfs" == file_system(near)
    assert ("warning", "fuse.sshfs, over the network") == (
        file_system_finding(near).state,
        str(file_system_finding(near).found),
    )
    (bench.workspace / "r3d.toml").touch()
    bench.stages = (Stage("a", "toys:count", 1, params={"items": 2}),)
    bench.run()
    shutil.copytree(bench.workspace / ".r3d", far / ".r3d")
    (far / "r3d.toml").write_text('[dataset]\nvideos = "videos"\n[model]\ncheckpoint = "c.pth"\n')
    (far / "videos").mkdir()
    (far / "c.pth").touch()
    out, _ = r3d("status", "--json", cwd=near)
    assert "done" == json.loads(out)["state"]
    _, err = r3d("run", "--headless", cwd=near, expect=2)
    assert f"{near}: fuse.sshfs takes no sockets" in err.decode()
    assert "(put the workspace on a local disk)" in err.decode()

    journal, started = Journal(near / "j.db"), RunStarted("r1", ("a",), 4)
    run = fold(Run(), started, 1.5)
    journal.commit([(1.5, started)], run)
    reader = JournalReader(near / "j.db")
    assert run == reader.state()
    reader.close()
    journal.close(finished=True)
    assert run == read_state(far / "j.db")
    assert not (far / "j.db-wal").exists()
