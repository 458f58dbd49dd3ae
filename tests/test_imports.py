"""What importing costs: every module of the backends stands without the heavy ones, and the faces load them never."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = (
    "acl",
    "aiohttp",
    "ais_bench",
    "av",
    "cv2",
    "numba",
    "numpy",
    "onnx",
    "onnxruntime",
    "onnxslim",
    "openvino",
    "PIL",
    "rich",
    "simplejpeg",
    "textual",
    "torch",
    "typer",
)
BLOCKED = """
import importlib, pkgutil, sys
for name in {heavy!r}:
    sys.modules[name] = None
import backends
for module in pkgutil.walk_packages(backends.__path__, "backends."):
    if not module.name.endswith(("__main__", "._feed", "._resize")):
        importlib.import_module(module.name)
"""
LOADED = """
import sys
{statement}
print(*sorted(name for name in {heavy!r} if sys.modules.get(name) is not None))
"""


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


def test_every_module_of_the_backends_imports_with_the_heavy_ones_blocked() -> None:
    """A server that lacks torch, or anything else that only one stage needs, runs the rest."""
    done = python(BLOCKED.format(heavy=HEAVY))
    assert ("", 0) == (done.stderr, done.returncode)


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("import backends.api; backends.api.open_client; import backends.engine.live_client", set()),
        ("from backends.pipeline import whole_plan", set()),
        ("import r3d_tui.cli", {"typer", "rich"}),
        ("import r3d_tui.app", {"textual", "rich"}),
    ],
)
def test_a_face_loads_nothing_heavy(statement: str, allowed: set[str]) -> None:
    """The door, the plan, the command line and the console start without numpy, torch or any runtime."""
    done = python(LOADED.format(statement=statement, heavy=HEAVY))
    assert 0 == done.returncode, done.stderr
    assert set(done.stdout.split()) <= allowed
