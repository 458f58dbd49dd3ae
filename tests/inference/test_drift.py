"""Whether a device grew slower while it worked."""

from __future__ import annotations

import pytest

from backends.core.values import DeviceSample
from backends.monitor.drift import LEAST, Drift, figures


def _drift(batches: int, first: float, last: float) -> Drift:
    drift = Drift()
    for number in range(batches):
        drift.add(first if number < batches / 2 else last)
    return drift


@pytest.mark.parametrize("batches", [LEAST, 191, 5000, 100_001])
def test_the_last_third_is_held_against_the_first(batches: int) -> None:
    """However many batches there were."""
    drift = _drift(batches, 0.010, 0.013)
    assert pytest.approx(0.3) == drift.share


def test_one_slow_batch_is_no_drift() -> None:
    """The middle of a third counts, not its mean."""
    drift = _drift(60, 0.01, 0.01)
    drift.add(5.0)
    assert pytest.approx(0.0) == drift.share


def test_few_batches_say_nothing() -> None:
    """None, not zero."""
    assert _drift(LEAST - 1, 1.0, 2.0).share is None
    assert {None} == set(figures({"npu:0": Drift()}, []).values())


def test_the_slowest_is_told_with_its_sensors() -> None:
    """Its own hottest reading and its own health, not another's."""
    samples = [
        DeviceSample("npu:0", 1.0, health="Alarm", temp_c=99.0),
        DeviceSample("npu:1", 1.0, health="OK", temp_c=71.0),
        DeviceSample("npu:1", 3.0, health="Warning", temp_c=88.0),
        DeviceSample("npu:1", 5.0, health="OK", temp_c=84.0),
    ]
    found = figures({"npu:0": _drift(90, 1.0, 1.05), "npu:1": _drift(90, 1.0, 1.5)}, samples)
    assert pytest.approx(0.5) == found.pop("latency_drift")
    expected = {"latency_drift_device": "npu:1", "latency_drift_temp_c": 88.0, "latency_drift_health": "Warning"}
    assert expected == found
