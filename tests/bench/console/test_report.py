"""The bench of the console: its figures, and one short run of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from backends.core.messages import InputError
from bench.console.report import Asked, Found, bench_console, figures
from bench.console.scenes import Start, Watched

ROOT = Path(__file__).resolve().parents[3]


def test_starts_are_compared_with_the_empty_application_of_the_same_round() -> None:
    """The median of the rounds' ratios, not the ratio of medians."""
    found = Found(
        starts={
            "empty": [Start(0.4, 0.4, 0.3), Start(0.8, 0.8, 0.3), Start(0.5, 0.5, 0.3)],
            "new": [Start(0.6, 0.6, 0.4), Start(0.8, 0.8, 0.4), Start(0.6, 0.6, 0.4)],
        }
    )
    by_name = {figure.name: figure for figure in figures(found)}
    assert 1.2 == pytest.approx(by_name["new.first_paint_ratio"].value)
    assert 1.5 == by_name["new.first_paint_ratio"].most
    assert 500.0 == by_name["empty.first_paint_ms"].value


def test_every_scene_says_what_is_asked_of_it() -> None:
    """Keys of all rounds together; what was not measured is not told."""
    watched = [Watched(0.015, 900.0, (0.010, 0.020), 42.0), Watched(0.017, 700.0, (0.030, 0.040), 44.0)]
    by_name = {figure.name: figure for figure in figures(Found(watched={"chips_16": watched}, flood=(43.0, 43.5)))}
    assert (1.6, 2.0) == (by_name["chips_16.cpu_percent"].value, by_name["chips_16.cpu_percent"].most)
    assert (800.0, 3000.0) == (by_name["chips_16.bytes_per_s"].value, by_name["chips_16.bytes_per_s"].most)
    assert (25.0, 40.0) == (by_name["chips_16.key_p50_ms"].value, by_name["chips_16.key_p95_ms"].value)
    assert (43.0, 70.0) == (by_name["chips_16.rss_mib"].value, by_name["chips_16.rss_mib"].most)
    assert 0.5 == by_name["flood.grown_mib"].value
    assert "finished.cpu_percent" not in by_name


def test_a_scene_that_is_not_known_is_refused() -> None:
    """Before anything is started."""
    with pytest.raises(InputError, match="moon is no scene"):
        bench_console(Asked(only=("moon",)), lambda _: None)


@pytest.mark.slow
def test_it_measures_the_console_through_a_pty(tmp_path: Path) -> None:
    """A short run over one scene: every figure is there and could be true."""
    options = ("--rounds", "1", "--seconds", "0.5", "--presses", "2", "--events", "0", "--only", "new", "--json")
    command = [sys.executable, "-m", "bench", "console", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr
    values = {figure["name"]: figure["value"] for figure in json.loads(done.stdout)["figures"]}
    assert 0 < values["empty.first_paint_ms"]
    assert 0 < values["new.first_paint_ms"]
    assert 0.5 < values["new.start_cpu_ratio"] < 20
    assert values["new.bytes_per_s"] < 4000  # what is read of the machine comes in
    assert 0 < values["new.key_p50_ms"] <= values["new.key_p95_ms"]
    assert 10 < values["new.rss_mib"] < 200
