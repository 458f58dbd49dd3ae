"""The client's own small rules."""

from __future__ import annotations

from backends.engine.client import next_id


def test_run_ids_sort_by_age_even_within_a_second_and_over_a_clock_that_goes_back() -> None:
    """A new id is always behind the latest."""
    ids = [next_id("20261123-060000", "")]
    for stamp in ("20261123-060000", "20261123-060001", "20261123-055959", "20261123-060001"):
        ids.append(next_id(stamp, ids[-1]))
    assert sorted(ids) == ids
    assert len(set(ids)) == len(ids)
