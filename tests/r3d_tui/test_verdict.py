"""Whether a measured speed may be quoted, and what to change where it may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backends.core.client import Snapshot
from backends.core.events import Outcome
from backends.core.run_state import DeviceRun, Run, StageRun
from backends.core.settings import InferSettings, Settings
from backends.core.values import DeviceSample
from r3d_tui.lang.words import Words
from r3d_tui.text.rows import text_of, width_of
from r3d_tui.views.look import Look
from r3d_tui.views.verdict import verdict, verdict_rows

GOOD: dict[str, Any] = {
    "runtime": "acl",
    "seconds": 21.4,
    "batches": 850,
    "clips_per_s": 396.5,
    "load_seconds": 3.0,
    "clips_taken_up": 0,
    "devices_retired": 0,
}


def _snapshot(*, devices: str = "done", sample: dict[str, Any] | None = None, **figures: Any) -> Snapshot:
    """An inference on one chip that is beyond reproach, but for what is said."""
    stage = StageRun("infer", "done", outcome=Outcome({**GOOD, **figures}))
    run = Run(id="r", state="done", stages=(stage,), devices=(DeviceRun("npu:0", state=devices),) if devices else ())  # type: ignore[arg-type]
    read = DeviceSample("npu:0", 0.0, health="OK", processes=1)
    samples = (DeviceSample(**{"device": "npu:0", "at": 0.0, **sample}),) if sample else (read,)
    return Snapshot(1, Path("w"), run, Settings(infer=InferSettings(target="ascend")), samples=samples)


def _told(snapshot: Snapshot) -> list[str]:
    found = verdict(snapshot)
    assert found is not None
    return [reason.key for reason in found.reasons]


def test_a_long_steady_run_is_valid(words: Words) -> None:
    """No reason against it: significant, in one line."""
    found = verdict(_snapshot())
    assert found is not None
    assert found.valid
    assert ["throughput  throughput significant"] == [text_of(row) for row in verdict_rows(found, Look(words, 56))]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"seconds": 9.9}, ["short"]),
        ({"seconds": 10.0}, []),
        ({"batches": 99}, ["few"]),
        ({"batches": 100}, []),
        ({"runtime": "null"}, ["null"]),
        ({"runtime": "onnxruntime"}, ["fallback"]),
        ({"clips_taken_up": 12}, ["resumed"]),
        ({"clips_per_s_beside": "preprocess"}, ["beside"]),
        ({"devices_retired": 1}, ["retired"]),
        ({"devices": "retired"}, ["retired"]),
        ({"sample": {"processes": 2}}, ["shared"]),
        ({"sample": {"processes": None}}, []),
        ({"sample": {"health": "Alarm"}}, ["unhealthy"]),
        ({"latency_drift": 0.30, "latency_drift_health": "Warning"}, ["throttled"]),
        ({"latency_drift": 0.10, "latency_drift_health": "Warning"}, []),
        ({"latency_drift": 0.30}, []),
        ({"seconds": 2.0, "batches": 9, "clips_taken_up": 1}, ["short", "few", "resumed"]),
    ],
)
def test_each_fault_is_a_reason(changes: dict[str, Any], expected: list[str]) -> None:
    """One fault, one reason; at the limit itself there is none."""
    assert expected == _told(_snapshot(**changes))


def test_a_cpu_runtime_is_no_fallback_where_a_cpu_was_asked_for() -> None:
    """Only a target of chips can fall back."""
    cpu = _snapshot(runtime="openvino")
    asked = Snapshot(1, cpu.workspace, cpu.run, Settings(infer=InferSettings(target="cpu")), samples=cpu.samples)
    assert [] == _told(asked)


def test_what_nobody_measured_is_said_and_no_reason(words: Words) -> None:
    """A cached inference has no devices in this run; that is told, and the verdict stands on what is known."""
    found = verdict(_snapshot(devices="", load_seconds=None))
    assert found is not None
    assert found.valid
    assert ("unseen", "warm") == found.unknown
    assert "not known" in text_of(verdict_rows(found, Look(words, 120))[1])


def test_a_drift_without_a_cause_is_a_doubt(words: Words) -> None:
    """Still significant; device, share and hottest reading are told."""
    drift: dict[str, Any] = {"latency_drift": 0.34, "latency_drift_device": "npu:1", "latency_drift_temp_c": 71.0}
    found = verdict(_snapshot(**drift))
    assert found is not None
    assert (True, ["drift"]) == (found.valid, [one.key for one in found.doubts])
    told = text_of(verdict_rows(found, Look(words, 160))[1])
    assert [True] * 3 == [part in told for part in ("npu:1", "34 %", "71 °C")]


def test_without_a_measured_speed_there_is_no_verdict() -> None:
    """None, rather than a verdict either way."""
    assert verdict(_snapshot(clips_per_s=None)) is None
    assert verdict(Snapshot(1, Path("w"), Run())) is None


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [34, 56, 120])
def test_every_reason_has_words_and_a_mend(language: str, width: int) -> None:
    """In both languages and within the width; no key shows as itself."""
    worst = _snapshot(
        seconds=1.0,
        batches=1,
        runtime="openvino",
        clips_taken_up=3,
        latency_drift=0.5,
        latency_drift_device="npu:0",
        latency_drift_health="Warning",
        devices="retired",
        sample={"processes": 3, "health": "Warning"},
    )
    found = verdict(worst)
    assert found is not None
    rows = verdict_rows(found, Look(Words(language), width))
    text = "".join(map(text_of, rows))
    assert "verdict." not in text
    assert "_mend" not in text
    assert max(map(width_of, rows)) <= width
