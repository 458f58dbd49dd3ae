"""How `r3d-tui bench` shows a report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from backends.core.command_reports import BenchFigure, BenchReport, beside
from backends.core.messages import line
from r3d_tui.commands.bench import report_lines
from r3d_tui.lang.words import Words

ROOT = Path(__file__).resolve().parents[2]
REPORT = BenchReport(
    "infer",
    {"cpu": "x\x1b[31m", "cores": 2, "memory_mb": None},
    {"python": "3.11"},
    {"loop": 20},
    (
        beside("ours", line("frames to clips"), 51.4, 1.84, line("the guide's way"), wanted=6.0),
        beside("part", line("beside decoding"), 51.4, 100.0, line("decoding"), wanted=0.6),
        beside("busy", line("eight chips"), 0.95, 1.0, line("chips that never wait"), unit="busy", wanted=0.9),
        BenchFigure("none", line("end to end"), None),
    ),
    (line("a note"),),
)


def test_a_figure_stands_beside_its_reference() -> None:
    """Value, unit, ratio, reference, and whether what is asked for is met; a dash where nothing was measured."""
    lines = list(report_lines(REPORT, Words("en")))
    assert "51.4 clips/s  = 27.93 x of 1.84 (the guide's way), 6 x wanted: met" in lines[0]
    assert "= 51.4 % of 100.0 (decoding), 60 % wanted: NOT met" in lines[1]
    assert "95.0 %  of chips that never wait, 90 % wanted: met" in lines[2]
    assert lines[3].startswith("end to end")
    assert lines[3].split()[-2:] == ["–", "clips/s"]
    assert "note: a note" == lines[4]
    assert "machine: cpu x, cores 2, memory_mb –" == lines[5]


def bench(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
    module = ["r3d_tui.cli", "bench"] if arguments[0] == "infer" else ["bench"]
    command = [sys.executable, "-m", *module, *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_json_is_one_document_with_names_that_scripts_look_for(tmp_path: Path) -> None:
    """Words for people go to standard error."""
    done = bench("preprocess", "--rounds", "1", "--clips", "5", "--workers", "1", "--json", cwd=tmp_path)
    assert 0 == done.returncode, done.stderr
    document = json.loads(done.stdout)
    assert {"name", "machine", "versions", "settings", "figures", "notes"} == set(document)
    figures = {figure["name"]: figure for figure in document["figures"]}
    assert {"reference", "ours", "decode", "ours_of_decoding"} <= set(figures)
    assert isinstance(figures["ours"]["what"], str)
    assert "round 1 of 1" in done.stderr


def test_wrong_options_are_usage_errors(tmp_path: Path) -> None:
    """One line with the mend, exit code 2."""
    wrong = (
        ("infer", "--target", "gpu"),
        ("infer", "--devices", "one"),
        ("infer", "--model", "none.onnx"),
        ("feed", "--chips", "0"),
        ("preprocess", "--frames", "x"),
    )
    for arguments in wrong:
        done = bench(*arguments, cwd=tmp_path)
        assert (2, "") == (done.returncode, done.stdout), arguments
        assert done.stderr.splitlines()[-1].startswith("error: "), arguments
