"""Logs that were saved elsewhere: which tool they are of, and what they say."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends import api
from backends.ascend.log_diagnosis import explain
from backends.ascend.npu_text import without_services
from backends.core.messages import InputError


def _said(tmp_path: Path, text: str, batch: int = 10) -> list[str]:
    (tmp_path / "saved.log").write_text(text)
    return [str(told) for told in api.explain_log(tmp_path / "saved.log", batch)]


def test_figures_are_shown_with_the_batch_that_the_tool_used(tmp_path: Path) -> None:
    """msame prints no batch and no throughput; ais_bench prints both, for several devices each its own."""
    assert ["msame: 2.410 ms for 10 clips", "4149.4 clips/s while computing, filler included"] == _said(
        tmp_path, "Inference average time : 2.41 ms\n"
    )
    assert "msame: 2.410 ms for 4 clips" == _said(tmp_path, "Inference average time : 2.41 ms\n", 4)[0]
    times = "[INFO] NPU_compute_time (ms): min = 2.4, max = 2.6, mean = 2.5, median = 2.5, percentile(99%) = 2.6\n"
    several = "[INFO] i:1 device_1 throughput:1600.0 \n[INFO] i:0 device_0 throughput:1500.0 \n"
    rate = "[INFO] throughput 1000*batchsize.mean(4)/NPU_compute_time.mean(2.5): 1600.0\n"
    assert [
        "ais_bench: 2.500 ms for 4 clips",
        "3100.0 clips/s while computing, filler included",
        "device 0: 1500.0 clips/s",
        "device 1: 1600.0 clips/s",
    ] == _said(tmp_path, f"{times}{rate}{several}[INFO] summary throughput:3100.0\n")
    first = "[INFO] throughput (1000*batchsize/NPU_compute_time): 400.0\n"
    assert "ais_bench: 2.500 ms an execution" == _said(tmp_path, times + first)[0]


def test_a_failure_is_its_words_its_cause_and_its_fix(tmp_path: Path) -> None:
    """One line each; nothing is said twice."""
    said = _said(tmp_path, "[INFO] acl init success\n[ERROR] acl open device 5 failed\n")
    assert 3 == len(said)
    assert "acl open device 5 failed" == said[0]
    assert "npu-smi info" in said[2]
    assert ["atc reports success"] == _said(tmp_path, "ATC start working now\nATC run success, welcome\n")


def test_several_summaries_are_all_reported(tmp_path: Path, shared: Path) -> None:
    """Never the last as if it were all, and no sum where the log gives none."""
    said = _said(tmp_path, (shared / "cases" / "tool_output" / "readme_two_devices_no_sum.log").read_text())
    assert said[0].startswith("2 summaries; no sum")
    assert ["281.4 clips/s while computing, filler included", "276.5 clips/s while computing, filler included"] == [
        text for text in said if "clips/s" in text
    ]


def test_a_failure_after_a_run_that_ended_is_reported_too(tmp_path: Path) -> None:
    """As where one log holds two runs."""
    times = "[INFO] NPU_compute_time (ms): min = 2.4, max = 2.6, mean = 2.5, median = 2.5, percentile(99%) = 2.6\n"
    said = _said(tmp_path, f"{times}[INFO] acl init success\n[ERROR] acl execute failed, errorCode = 507010\n")
    assert "ais_bench: 2.500 ms for 10 clips" == said[0]
    assert any("heartbeat" in text for text in said[1:])


def test_a_file_that_says_nothing_is_bad_input(tmp_path: Path) -> None:
    """With what to give instead; as a file that is not there."""
    with pytest.raises(InputError, match="neither figures"):
        _said(tmp_path, "hello\n")
    with pytest.raises(InputError, match="No such file"):
        api.explain_log(tmp_path / "none.log", 10)


@given(st.text(max_size=300))
def test_any_text_is_no_crash(text: str) -> None:
    """Foreign words are data."""
    found = explain(text)
    assert found is None or found.lines(10)


def test_the_levels_of_a_log_are_no_services() -> None:
    """Its lines stay in their order: the first code behind atc's headline is the root."""
    rows = ("INFO | ATC run failed, Please", "ERROR | E10016: Opname [x]", "INFO | end", "ERROR | E10032: [y]")
    found = explain("\n".join(rows))
    assert found is not None
    assert found.failure is not None
    assert "E10016" == found.failure.code
    assert rows == tuple(without_services("\n".join(rows)).splitlines())
