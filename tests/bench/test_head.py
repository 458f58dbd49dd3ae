"""What several servers cost their head, measured small: the parts run, and sizes are those of the data set."""

from __future__ import annotations

from bench.head import Shape, engine_cores, fold_s, stage_cost


def test_a_clip_costs_its_scores_its_checksum_and_its_share_of_names() -> None:
    """On the wire, words of the servers and pings among them."""
    cost = stage_cost(Shape(videos=8, clips=5.5, classes=51, servers=2, shards=2), shard_s=0.05)
    assert 4 * 51 < cost.clip_bytes < 500
    assert cost.shard_s > 0


def test_the_engine_is_watched_while_its_stage_reports() -> None:
    """Every server was seen at work before; the share is one of a core."""
    assert 0 <= engine_cores(3, 8, seconds=0.3) < 2


def test_folding_a_tick_takes_time() -> None:
    """Processor time of one."""
    assert 0 < fold_s(8, ticks=100) < 0.01
