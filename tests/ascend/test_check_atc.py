"""The row about the Python that atc uses."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from backends.ascend.check_atc_python import MODULES, atc_python_finding

Python = Callable[..., None]


@pytest.fixture
def python3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Python:
    """Put a python3 first on PATH that answers with these words, and no CANN beside it."""

    def make(*, version: tuple[int, ...] = (3, 10, 4), numpy: str = "1.26.4", missing: tuple[str, ...] = ()) -> None:
        answer = {"python": version, "path": "/opt/python3", "missing": missing, "numpy": numpy}
        tool = tmp_path / "python3"
        tool.write_text(f"#!/bin/sh\necho a warning\necho '{json.dumps(answer)}'\n")
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    monkeypatch.setattr("backends.ascend.cann.find", lambda: None)
    return make


@pytest.mark.parametrize(
    ("answer", "cann", "state", "found", "mend"),
    [
        ({}, "5.1.RC2", "met", "3.10.4 in /opt/python3", ""),
        ({"missing": ("decorator", "attr")}, None, "warning", "decorator, attrs missing", "install decorator attrs"),
        ({"numpy": "2.2.1"}, "8.5.0", "warning", "NumPy 2.2.1", "numpy<2"),
        ({"numpy": "2.2.1"}, None, "warning", "NumPy 2.2.1", "numpy<2"),
        ({"numpy": "2.2.1"}, "9.0.0", "met", "3.10.4", ""),
        ({"numpy": "2.2.1", "version": (3, 13, 1)}, "8.5.0", "met", "3.13.1", ""),
    ],
)
def test_what_it_lacks_is_told_before_atc_fails_by_it(
    python3: Python, answer: dict[str, object], cann: str | None, state: str, found: str, mend: str
) -> None:
    """As CANN's installation guides want it; the first python3 on PATH is the one that is asked."""
    python3(**answer)
    (row,) = atc_python_finding(cann)
    assert state == row.state
    assert found in str(row.found)
    assert mend in str(row.hint)


def test_a_simulated_server_has_no_such_row(python3: Python, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its atc compiles nothing."""
    python3(missing=("decorator",))
    monkeypatch.setenv("R3D_TUI_SIMULATED", "1")
    assert [] == list(atc_python_finding("8.0"))


def test_a_python_that_does_not_answer_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no reason to stop anybody."""
    monkeypatch.setattr("backends.ascend.cann.find", lambda: None)
    tool = tmp_path / "python3"
    for body in ("exit 1", "echo []", "echo '{'", ":"):
        tool.write_text(f"#!/bin/sh\n{body}\n")
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert ["unknown"] == [row.state for row in atc_python_finding("8.0")]
    tool.unlink()
    assert ["unknown"] == [row.state for row in atc_python_finding("8.0")]


def test_a_real_python_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """This one has NumPy, and what it lacks is named by packages."""
    monkeypatch.setattr("backends.ascend.cann.find", lambda: None)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    (row,) = atc_python_finding("9.0")
    assert row.state in ("met", "warning")
    assert "numpy" not in str(row.hint)
    assert str(row.hint) == "" or set(str(row.hint).split("install ")[1].split()) <= set(MODULES.values())
