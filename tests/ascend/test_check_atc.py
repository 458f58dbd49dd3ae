"""The row about the Python that atc uses."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from backends.ascend import check_tools
from backends.ascend.check_tools import MODULES, atc_python_findings

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
    monkeypatch.setattr(check_tools, "SYSTEM_PYTHON", str(tmp_path / "none"))
    return make


@pytest.mark.parametrize(
    ("answer", "cann", "state", "found", "fix"),
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
    python3: Python, answer: dict[str, object], cann: str | None, state: str, found: str, fix: str
) -> None:
    """As CANN's installation guides want it; the first python3 on PATH is the one that is asked."""
    python3(**answer)
    (row,) = atc_python_findings(cann)
    assert state == row.state
    assert found in str(row.found)
    assert fix in str(row.hint)


def test_the_systems_python_is_looked_at_too_where_the_first_one_lacks(
    python3: Python, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The compiler of operators may take either."""
    python3(missing=("decorator",))
    other = tmp_path / "system"
    other.mkdir()
    answer = {"python": (3, 9, 9), "path": "/usr/bin/python3", "missing": (), "numpy": "1.22.0"}
    (other / "python3").write_text(f"#!/bin/sh\necho '{json.dumps(answer)}'\n")
    (other / "python3").chmod(0o755)
    monkeypatch.setattr(check_tools, "SYSTEM_PYTHON", str(other / "python3"))
    assert [("warning", "/opt/python3"), ("met", "/usr/bin/python3")] == [
        (row.state, str(row.found.facts["path"])) for row in atc_python_findings("8.0")
    ]
    python3()
    assert ["met"] == [row.state for row in atc_python_findings("8.0")]


def test_a_simulated_server_has_no_such_row(python3: Python, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its atc compiles nothing."""
    python3(missing=("decorator",))
    monkeypatch.setenv("R3D_TUI_SIMULATED", "1")
    assert [] == list(atc_python_findings("8.0"))


def test_a_python_that_does_not_answer_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no reason to stop anybody."""
    monkeypatch.setattr("backends.ascend.cann.find", lambda: None)
    tool = tmp_path / "python3"
    for body in ("exit 1", "echo []", "echo '{'", ":"):
        tool.write_text(f"#!/bin/sh\n{body}\n")
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert ["unknown"] == [row.state for row in atc_python_findings("8.0")]
    tool.unlink()
    assert ["unknown"] == [row.state for row in atc_python_findings("8.0")]


def test_a_real_python_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """This one has NumPy, and what it lacks is named by packages."""
    monkeypatch.setattr("backends.ascend.cann.find", lambda: None)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    row = next(iter(atc_python_findings("9.0")))
    assert row.state in ("met", "warning")
    assert "numpy" not in str(row.hint)
    assert str(row.hint) == "" or set(str(row.hint).split("install ")[1].split()) <= set(MODULES.values())
