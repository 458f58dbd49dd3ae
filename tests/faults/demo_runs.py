"""Whole runs of a small demo through the command line, for the faults that need every stage."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from msgspec.structs import replace

from backends.core.processes import leftovers
from backends.demo.demo_dataset import assets_folder, demo_settings, make_demo_videos
from backends.engine import lock
from backends.engine.folders import Folders
from backends.workspace.settings_file import write_settings

ROOT = Path(__file__).resolve().parents[2]
SEED = 20261123


def make_workspace(workspace: Path, videos: int = 1, *, keep_frames: bool = False) -> Path:
    """A workspace of `videos` videos a class with the demo's model: all of them are of the validation subset."""
    make_demo_videos(workspace, videos, seed=SEED, training_per_class=0)
    settings = demo_settings(workspace)
    settings = replace(settings, dataset=replace(settings.dataset, keep_frames=keep_frames))
    assert settings.model.checkpoint is not None
    settings.model.checkpoint.parent.mkdir()
    settings.model.checkpoint.write_bytes((assets_folder() / "demo" / "demo_resnet10.pth").read_bytes())
    write_settings(workspace, settings)
    return workspace


def start(*arguments: str, cwd: Path, **environment: str) -> subprocess.Popen[bytes]:
    """Start `r3d-tui` as a user would."""
    known = {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8", **environment}
    return subprocess.Popen(
        [sys.executable, "-m", "r3d_tui.cli", *arguments],
        cwd=cwd,
        env=known,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )


def r3d(*arguments: str, cwd: Path, expect: int | None = 0, **environment: str) -> tuple[bytes, bytes]:
    """Run it to its end; standard output and standard error, as bytes."""
    process = start(*arguments, cwd=cwd, **environment)
    out, err = process.communicate(timeout=600)
    assert expect is None or expect == process.returncode, (process.returncode, out, err)
    return out, err


def status(workspace: Path) -> dict[str, object]:
    """The document of `status --json`."""
    out, _ = r3d("status", "--json", cwd=workspace)
    document: dict[str, object] = json.loads(out)
    return document


def scores(workspace: Path) -> dict[str, list[dict[str, object]]]:
    """What the runs of a workspace scored, by video."""
    (path,) = workspace.glob(".r3d/artifacts/score/*/val.json")
    results: dict[str, list[dict[str, object]]] = json.loads(path.read_text())["results"]
    return results


def gone(workspace: Path, seconds: float = 10) -> bool:
    """Whether every process of the workspace has ended by then."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not any(leftovers(workspace)) and lock.owner(Folders(workspace)) is None:
            return True
        time.sleep(0.05)
    return False
