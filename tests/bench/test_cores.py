"""How work scales with cores: what is measured, and the model that is made of it."""

from __future__ import annotations

import pytest

from bench.cores import WAYS, Scaling, bench_cores, model_s

QUIET = lambda _: None  # noqa: E731


def test_the_model_divides_the_work_until_the_one_that_hands_it_out_is_the_limit() -> None:
    """A hundred frames of 10 ms at an efficiency of 0.8; 1 ms of each is one process's."""
    scaling = Scaling(100, {1: (1.0,), 2: (0.625,)}, (1.0,), (0.1,))
    assert pytest.approx(0.8) == scaling.efficiency
    assert pytest.approx(10.0 / (4 * 0.8)) == model_s(1000, scaling, 4)
    assert pytest.approx(1.0) == model_s(1000, scaling, 64)


def test_every_way_is_measured_with_one_worker_and_two() -> None:
    """Frames a second, work and the part of one thread, and the model, which is marked as one."""
    report = bench_cores(None, 10, 1, QUIET)
    found = {figure.name: figure for figure in report.figures}
    for way in WAYS:
        assert 0.85 == found[f"{way.name}_2"].wanted
        assert 0 < (found[f"{way.name}_serial_us"].value or 0) < (found[f"{way.name}_work_us"].value or 0)
        assert str(found[f"{way.name}_64_s"].what).startswith("model: ")
    assert any("are a model" in str(note) for note in report.notes)
