"""The bench of the loop: what it says is what happened. Equality is tested here, speed is not."""

from __future__ import annotations

import pytest

from bench.null_loop import HMDB51, PUBLISHED, bench_layouts, bench_loop, sample


def test_a_sample_is_spread_as_hmdb51() -> None:
    """A whole sample is exactly HMDB51's validation; a part of it has nearly the same mean."""
    whole = sample(1530)
    assert HMDB51 == {size: whole.count(size) for size in HMDB51}
    assert abs(sum(sample(153)) / 153 - 8492 / 1530) < 0.3


def test_packing_saves_the_padding() -> None:
    """The same clips in fewer batches; the ratio is of chip time, slot for slot."""
    packed, guide, ratio = bench_layouts(videos=20, latency_s=0.01)
    assert packed.clips == guide.clips == sum(sample(20))
    assert (-(-packed.clips // 10), 20) == (packed.batches, guide.batches)
    assert pytest.approx(packed.chip_s / guide.chip_s) == ratio


def test_the_latency_is_the_published_one() -> None:
    """At batch 10 a batch of a 310P takes 12.58 ms, and no batch is faster than that."""
    run = bench_loop("310P", videos=8, devices=2)
    assert 10 / PUBLISHED["310P"] == run.latency_s
    assert run.compute_s >= run.chip_s == run.batches * run.latency_s
    assert 0 < run.busy <= 1
    assert run.host_s_per_clip > 0
