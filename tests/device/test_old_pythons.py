"""What runs under CANN's own Python: it reads as Python 3.7, needs nothing but NumPy, and gives the same scores."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import backends
from backends.core.processes import child_environment
from backends.device.model_runtime import DeviceSpec
from backends.device.protocol import Answer, AnswerStream, DeviceSetup, Order, to_bytes
from backends.inference.device_link import MAIN
from tests.inference.rig import CLASSES

ROOT = Path(backends.__file__).parent
PACKAGES = ("device", "ascend/acl", "inference/runtimes")
FILES = [
    *(path for package in PACKAGES for path in sorted((ROOT / package).glob("*.py"))),
    *(ROOT / name / "__init__.py" for name in ("", "ascend", "inference")),
]
BLOCKED = ("msgspec", "rich", "textual", "onnx", "torch", "backends.core", "backends.data")
IMPORT = """
import importlib, sys
for name in {blocked!r}:
    sys.modules[name] = None
for name in {names!r}:
    importlib.import_module(name)
"""


def names() -> list[str]:
    """Every module of the packages but the one that starts the process."""
    parts = [path.relative_to(ROOT.parent).with_suffix("").parts for path in FILES]
    return sorted({".".join(one).removesuffix(".__init__") for one in parts if one[-1] != "__main__"})


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_reads_as_python_3_7(path: Path) -> None:
    """No match, no walrus, no positional-only parameters, and annotations that nobody evaluates."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text, feature_version=(3, 7))
    if any(isinstance(node, ast.FunctionDef | ast.AnnAssign) for node in ast.walk(tree)):
        assert "from __future__ import annotations" in text


def test_the_packages_need_the_standard_library_and_numpy_alone() -> None:
    """They import with everything else of ours out of reach."""
    code = IMPORT.format(blocked=BLOCKED, names=names())
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT.parent, capture_output=True, text=True, check=False)
    assert ("", 0) == (done.stderr, done.returncode)


def old_pythons() -> Iterator[Path]:
    """Pythons older than ours that are here: on PATH, or beside it under pyenv."""
    for minor in (7, 8, 9):
        found = shutil.which(f"python3.{minor}")
        places = [Path(found)] if found else []
        places += sorted((Path.home() / ".pyenv" / "versions").glob(f"3.{minor}.*/bin/python"))
        for place in places:
            ask = [str(place), "-c", "import sys; print(sys.executable)"]
            done = subprocess.run(ask, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]})
            if done.returncode == 0:
                yield Path(done.stdout.strip())
                break


OLD = list(old_pythons())


@pytest.mark.skipif(not OLD, reason="no Python 3.7, 3.8 or 3.9 is here")
@pytest.mark.parametrize("python", OLD, ids=lambda path: path.parent.parent.name)
def test_an_old_python_imports_them(python: Path) -> None:
    """Without any package at all: NumPy is imported once something is computed."""
    done = subprocess.run(
        [str(python), "-c", IMPORT.format(blocked=(), names=names())],
        cwd=ROOT.parent,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT.parent)},
    )
    assert ("", 0) == (done.stderr, done.returncode)


@pytest.mark.skipif(not OLD, reason="no Python 3.7, 3.8 or 3.9 is here")
@pytest.mark.parametrize("python", OLD, ids=lambda path: path.parent.parent.name)
def test_an_old_python_gives_the_same_scores(python: Path, store: Path) -> None:
    """The process of a device, its store and the null runtime under it: the bytes of ours."""
    if subprocess.run([str(python), "-c", "import numpy"], check=False, capture_output=True).returncode:
        pytest.skip(f"{python} has no NumPy")
    ours, theirs = (scores(one, store) for one in (Path(sys.executable), python))
    assert ["started", "ready", "scores", "scores", "closed"] == [answer.kind for answer, _ in theirs]
    assert [body for _, body in ours] == [body for _, body in theirs]


def scores(python: Path, store: Path) -> list[tuple[Answer, bytes]]:
    """What a device's process under that Python answers to two orders."""
    device = DeviceSpec("cpu:0", options={"classes": CLASSES})
    setup = DeviceSetup(os.getpid(), "backends.inference.runtimes.null:Null", "none.om", str(store), 4, device)
    orders = (Order(1, (5, 0, 37, 9)), Order(2, (3,)), Order(close=True))
    environment = {**child_environment(store), "PYTHONPATH": ""}  # the start finds our package by itself
    with subprocess.Popen(
        [str(python), str(MAIN)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(b"".join(map(to_bytes, (setup, *orders))))
        child.stdin.flush()  # it stays open: its end would end the process
        return list(AnswerStream().feed(child.stdout.read()))
