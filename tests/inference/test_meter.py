"""Rates and latencies from times that are passed in."""

from __future__ import annotations

import pytest

from backends.inference.running_accuracy import Meter


def test_nothing_is_known_before_the_first_batch() -> None:
    """A figure that nobody measured is None, never zero."""
    meter = Meter()
    assert [None] * 5 == [meter.rate(9), meter.mean(9), meter.latency_s, meter.p95_s, meter.utilisation(9)]
    meter.begin(10.0)
    assert (None, None) == (meter.rate(11.0), meter.mean(11.0))


def test_a_steady_device_has_its_steady_rate() -> None:
    """Ten clips a second for a minute, computed in 0.8 of the time."""
    meter = Meter()
    meter.begin(0.0)
    for second in range(1, 61):
        meter.add(float(second), 10, 0.8)
    assert pytest.approx((10.0, 10.0, 0.8)) == (meter.rate(60.0), meter.mean(60.0), meter.utilisation(60.0))
    assert (0.8, 0.8) == (meter.latency_s, meter.p95_s)


def test_the_live_rate_forgets_and_the_mean_does_not() -> None:
    """After a change of pace the live rate is the new one within seconds."""
    meter = Meter()
    meter.begin(0.0)
    for tick in range(1, 101):
        meter.add(0.1 * tick, 10, 0.1)
    for tick in range(1, 21):
        meter.add(10.0 + tick, 10, 1.0)
    assert pytest.approx(10.0) == meter.rate(30.0)
    assert pytest.approx(1200 / 30) == meter.mean(30.0)


def test_the_rate_of_a_silent_device_falls() -> None:
    """While nothing comes the rate goes down instead of standing still."""
    meter = Meter()
    meter.begin(0.0)
    for second in range(1, 11):
        meter.add(float(second), 10, 1.0)
    assert meter.rate(11.0) == meter.rate(10.0)
    assert (meter.rate(40.0) or 99) < 2.5


def test_latencies_are_those_of_the_recent_batches() -> None:
    """What is older than the window is forgotten, slow or fast."""
    meter = Meter(window=3)
    for at, seconds in enumerate([9.0, 1.0, 2.0, 1.0, 4.0, 1.0]):
        meter.add(float(at), 10, seconds)
    assert (1.0, 4.0) == (meter.latency_s, meter.p95_s)


def test_p95_sees_the_slow_ones() -> None:
    """One slow batch in ten shows in the p95 and not in the median."""
    meter = Meter()
    for n in range(1, 101):
        meter.add(float(n), 10, 5.0 if n % 10 == 0 else 0.5)
    assert (0.5, 5.0) == (meter.latency_s, meter.p95_s)
