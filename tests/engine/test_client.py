"""The client's own small rules."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from backends.core.events import Outcome
from backends.core.run_state import Run, StageRun
from backends.engine import live_client as clients
from backends.engine.daemon import next_id
from backends.engine.live_client import LiveClient, summary


def test_run_ids_sort_by_age_even_within_a_second_and_over_a_clock_that_goes_back() -> None:
    """A new id is always behind the latest."""
    ids = [next_id("20261123-060000", "")]
    for stamp in ("20261123-060000", "20261123-060001", "20261123-055959", "20261123-060001"):
        ids.append(next_id(stamp, ids[-1]))
    assert sorted(ids) == ids
    assert len(set(ids)) == len(ids)


def test_throughput_in_the_list_of_runs_is_that_of_inference() -> None:
    """A run that never came to infer has no throughput, whatever rate preprocess gave; simulated chips are told."""
    preprocess = StageRun("preprocess", outcome=Outcome({"clips_per_s": 150.0}))
    infer = StageRun("infer", outcome=Outcome({"runtime": "acl simulated", "clips_per_s": 99.5}))
    begun = summary("1", Run("1", stages=(preprocess,)), alive=False)
    done = summary("2", Run("2", stages=(preprocess, infer)), alive=False)
    assert (None, False) == (begun.clips_per_s, begun.simulated)
    assert (99.5, True) == (done.clips_per_s, done.simulated)


def test_a_stages_log_is_found_by_its_name_alone(tmp_path: Path) -> None:
    """The latest attempt's; no pattern and no path is followed."""
    logs = tmp_path / ".r3d" / "runs" / "20261123-060000-0000" / "logs"
    logs.mkdir(parents=True)
    (logs.parent / "plan.json").touch()
    for age, name in enumerate(("infer-2.log", "infer-1.log", "infer-extra-1.log")):
        (logs / name).touch()
        os.utime(logs / name, (100 - age, 100 - age))
    client = LiveClient(tmp_path, None)  # type: ignore[arg-type]
    assert logs / "infer-2.log" == client.log_path("infer")
    for name in ("*", "**", "/etc", "../logs/infer", "inf", ""):
        assert client.log_path(name) is None


def test_nothing_is_closed_under_a_thread_that_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite crashes the process where that happens: a console is left while its feed reads."""
    monkeypatch.setattr(clients, "CLOSE_S", 0.05)
    closed = threading.Event()
    reader: Any = type("Reader", (), {"close": lambda _: closed.set()})()
    client = LiveClient(tmp_path, None)  # type: ignore[arg-type]
    client._reader = (None, reader)  # type: ignore[assignment]
    reading, ended = threading.Event(), threading.Event()

    def read() -> None:
        with client._lock:
            reading.set()
            ended.wait(10)

    thread = threading.Thread(target=read)
    thread.start()
    reading.wait(10)
    client.close()
    assert not closed.is_set()
    ended.set()
    thread.join(10)
    client.close()
    assert closed.is_set()
