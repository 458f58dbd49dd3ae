"""The model of several servers: more servers are never slower, and what bounds them is the longest part."""

from __future__ import annotations

from bench.head import HeadCost
from bench.servers import SIZES, times

HEAD = HeadCost(0.1, 2840)


def test_more_servers_are_bound_by_what_they_share() -> None:
    """Decoding on few, the one store on many; the head never."""
    found = [times(servers, 0.3, 0.7e6, HEAD).longest for servers in SIZES]
    assert ("decoding", "storage") == (found[0][0], found[-1][0])
    assert [seconds for _, seconds in found] == sorted((seconds for _, seconds in found), reverse=True)


def test_slow_chips_are_named() -> None:
    """Where decoding costs next to nothing."""
    assert "chips" == times(1, 1e-4, 1e5, HEAD).longest[0]
