"""Versions beside the guide's table, and what the Python of ais_bench lacks."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest

from backends.ascend import check_tools
from backends.ascend.check_tools import (
    TABLE,
    cann_finding,
    driver_is_known,
    judge,
    numbers,
    package_findings,
    tool_findings,
)
from backends.core.settings import InferSettings, Settings

FAKES = Path(__file__).resolve().parents[1] / "fakes"
KNOWN = {known.package: known for known in TABLE}


@pytest.mark.parametrize(
    ("package", "found", "pin", "state", "words"),
    [
        ("numpy", "1.21.2", "2.4.6", "met", "as in the guide; untested with r3d-tui"),
        ("numpy", "1.26.4", "2.4.6", "unknown", "untested with r3d-tui"),
        ("numpy", "2.4.6", "2.4.6", "met", "(the guide: 1.21.2): tested"),
        ("numpy", "2.4.6", None, "unknown", "untested"),
        ("torch", "1.8.0", "2.13.0", "warning", "known bad: loading a foreign checkpoint"),
        ("torch", "2.13.0+cpu", "2.13.0", "met", ": tested"),
        ("torch", "2.9.1", "2.13.0", "warning", "known bad"),
        ("onnx", "1.7.0", "1.23.2", "warning", "known bad"),
        ("opencv-python", "4.6.0.66", None, "warning", "known bad"),
        ("pillow", "garbage", "13.0.0", "unknown", "untested"),
    ],
)
def test_a_package_is_judged_beside_the_guides(
    monkeypatch: pytest.MonkeyPatch, package: str, found: str, pin: str | None, state: str, words: str
) -> None:
    """Tested is what r3d-tui pins, known bad has its reason and its fix; what was never run is untested."""
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    finding = judge(KNOWN[package], package, found, pin)
    assert (state, True) == (finding.state, words in str(finding.found))
    assert (state == "warning") == bool(finding.hint.template)
    assert found in str(finding.found)


def test_nothing_is_called_tested_on_a_machine_where_it_was_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """An aarch64 server: the same versions are untested there."""
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert "unknown" == judge(KNOWN["numpy"], "numpy", "2.4.6", "2.4.6").state
    rows = list(package_findings({"numpy": "2.4.6"}.get))
    assert ["unknown", "unknown"] == [row.state for row in rows]


def test_packages_that_are_not_there_have_no_row() -> None:
    """What a stage needs is looked for elsewhere; a package by its other name counts."""
    assert ["Python, guide"] == [row.name for row in package_findings(lambda name: None)]
    rows = list(package_findings({"opencv-python-headless": "5.0.0.93"}.get))
    assert ["opencv-python-headless, guide"] == [row.name for row in rows[1:]]
    assert "the guide" in str(rows[0].found)


@pytest.mark.parametrize(
    ("found", "state", "words"),
    [
        ("5.1.RC2", "met", "as in the guide; untested"),
        ("5.1.rc2", "met", "as in the guide; untested"),
        ("5.0.4", "unknown", "untested"),
        ("8.5.0", "unknown", "untested"),
        ("9.0.0", "unknown", "untested"),
    ],
)
def test_a_release_of_cann_is_judged(found: str, state: str, words: str) -> None:
    """Beside the guide's 5.1.RC2; none was run, so none is called good."""
    finding = cann_finding(found)
    assert (state, True) == (finding.state, words in str(finding.found))


def test_drivers_are_known_by_their_tables() -> None:
    """20.2 to 26.1."""
    assert all(driver_is_known(version) for version in ("20.2.2", "22.0.4", "24.1.rc2", "26.1.0"))
    assert not any(driver_is_known(version) for version in ("19.9", "26.2.0", "27.0", "x"))


@pytest.mark.parametrize(
    ("version", "expected"),
    [("5.1.RC2", (5, 1)), ("2.13.0+cpu", (2, 13)), ("24.1.rc2", (24, 1)), ("1.21.2", (1, 21, 2)), ("x", ()), ("", ())],
)
def test_leading_numbers(version: str, expected: tuple[int, ...]) -> None:
    """Zeros at the end make no difference, words end them."""
    assert expected == numbers(version)


@pytest.mark.parametrize(
    ("versions", "generation", "states"),
    [
        ({"aclruntime": "0.0.2", "setuptools": "80.9.0"}, "D", ["met"]),
        ({"aclruntime": "0.0.3", "setuptools": "80.9.0"}, "D", ["warning"]),
        ({"setuptools": "65"}, "B", ["warning"]),
        ({"aclruntime": "0.0.2", "setuptools": "84.2.1"}, "D", ["met", "warning"]),
        ({"aclruntime": "0.0.2", "setuptools": "84.2.1"}, "C", ["met", "warning"]),
        ({"aclruntime": "0.0.2"}, "D", ["met", "warning"]),
    ],
)
def test_what_the_tools_python_lacks(versions: dict[str, str], generation: str, states: list[str]) -> None:
    """Another aclruntime makes it slow, and so does a lack of pkg_resources, without which one generation crashes."""
    found = list(tool_findings(versions, generation))
    assert states == [row.state for row in found]
    assert (len(found) == 2 and generation == "D") == ("crashes" in str(found[-1].found))


def rows(settings: Settings, limit_s: float = 30.0) -> dict[str, tuple[str, str]]:
    found = check_tools.ais_bench_findings(settings, limit_s)
    return {row.name: (row.state, f"{row.found} -> {row.hint}") for row in found}


def test_the_generation_is_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the tool as it answers now; without its compiled part it is missing, with the fix."""
    settings = Settings(infer=InferSettings(ais_bench=Path(sys.executable)))
    monkeypatch.setenv("PYTHONPATH", str(FAKES))
    monkeypatch.setenv("FAKE_AIS_GENERATION", "C")
    found = rows(settings)
    assert ("met", True) == (found["ais_bench"][0], "generation C" in found["ais_bench"][1])
    monkeypatch.setenv("FAKE_AIS_NO_ACLRUNTIME", "1")
    found = rows(settings)
    assert ("missing", "missing") == (found["ais_bench"][0], found["aclruntime"][0])
    assert "No module named 'aclruntime'" in found["ais_bench"][1]


def test_a_tool_that_hangs_does_not_hold_the_doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is missing after the limit, and nothing of it is left."""
    (tmp_path / "ais_bench.py").write_text("import time; time.sleep(600)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = rows(Settings(infer=InferSettings(ais_bench=Path(sys.executable))), 1.0)
    assert "missing" == found["ais_bench"][0]
    assert "no help in 1 s" in found["ais_bench"][1]
    assert "unknown" == found["aclruntime"][0]


def test_a_tool_that_nothing_hangs_on_is_no_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With another runtime the rows are there all the same: what is missing is told, and asks for nothing."""
    monkeypatch.setenv("PATH", str(tmp_path))
    rows = list(check_tools.spare_findings(Settings(infer=InferSettings(target="ascend"))))
    assert [("ais_bench", "unknown", ""), ("aclruntime", "unknown", "")] == [
        (row.name, row.state, str(row.hint)) for row in rows
    ]
    assert all("only infer.runtime = ais_bench needs it" in str(row.found) for row in rows)
