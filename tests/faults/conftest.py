"""Workspaces of toy stages on disks that are too small, and eyes on the processes that work in them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.conftest import Bench
from tests.engine.conftest import bench as engine_bench  # noqa: F401 - a fixture

HERE = Path(__file__).resolve().parent


@pytest.fixture
def bench(engine_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:  # noqa: F811
    """A fresh workspace whose workers find the stages of `fault_toys.py` too."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(HERE.parent / "engine"), str(HERE))))
    return engine_bench


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 MB of its own; it needs the right to mount."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "r3d", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a small disk here")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def tight(small_disk: Path, bench: Bench) -> Iterator[Bench]:
    """A workspace on the small disk."""
    found = Bench(small_disk)
    yield found
    for pid in found.pids():
        os.kill(pid, 9)
    found.client.close()
