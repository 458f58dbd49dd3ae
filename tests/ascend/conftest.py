"""Outputs of npu-smi, one file for each layout, and stand-ins for the tool."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

OUTPUTS = Path(__file__).parent / "outputs"


@pytest.fixture
def output() -> Callable[[str], str]:
    """The text of one output by name."""
    return lambda name: (OUTPUTS / f"{name}.txt").read_text()


@pytest.fixture
def fake_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Put an npu-smi on PATH whose body is Python code that sees the arguments as `given`; it notes each call."""

    def make(body: str) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        calls = tmp_path / "calls"
        script = folder / "npu-smi"
        script.write_text(
            f"#!{sys.executable} -S\n"
            "import sys, time\n"
            f"OUTPUTS = {str(OUTPUTS)!r}\n"
            "given = sys.argv[1:]\n"
            f"open({str(calls)!r}, 'a').write(' '.join(given) + chr(10))\n"
            "def show(name):\n"
            "    sys.stdout.write(open(OUTPUTS + '/' + name + '.txt').read())\n"
            f"{body}\n"
        )
        script.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder) + os.pathsep + os.environ["PATH"])
        return calls

    return make
