"""Which server computes which shard, whatever happens to servers and answers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backends.cluster.shard_leases import (
    GiveShard,
    Kill,
    LeasedServer,
    Shard,
    ShardLeases,
    ShardLimits,
    SkipVideo,
    StartServer,
    Step,
    cut,
)
from backends.core.messages import line

REASON = line("it ended")


def gives(steps: list[Step]) -> list[tuple[str, tuple[int, ...]]]:
    """Which shard went to which server."""
    return [(step.server, step.shard.videos) for step in steps if isinstance(step, GiveShard)]


def leases(servers: int, shards: list[Shard]) -> ShardLeases:
    """All servers have joined."""
    made = ShardLeases([f"s{number}" for number in range(servers)], shards)
    made.begin(0.0)
    for name in made.servers:
        made.joined(name, 0.0)
    return made


def flight(server: LeasedServer) -> list[tuple[int, ...]]:
    return [shard.videos for shard in server.flight.values()]


def test_each_server_has_two_shards_in_flight() -> None:
    """One is decoded while the other is computed; the rest waits."""
    made = leases(2, cut(20, 2, 4))
    assert [[(0, 1, 2, 3), (4, 5, 6, 7)], [(8, 9, 10, 11), (12, 13, 14, 15)]] == [
        flight(server) for server in made.servers.values()
    ]


def test_shards_cover_every_video_once() -> None:
    """Whatever their size, which is between 4 and 1024 where nobody set it."""
    for count, servers in ((1, 3), (80, 3), (1530, 4), (650_000, 64)):
        shards = cut(count, servers)
        assert list(range(count)) == [video for shard in shards for video in shard.videos]
        assert max(len(shard.videos) for shard in shards) <= 1024


def test_a_lost_server_gives_its_shards_back_and_its_late_answer_is_dropped() -> None:
    """What comes under a lease that has ended does not count."""
    made = leases(2, [Shard((0,)), Shard((1,))])
    lease = next(iter(made.servers["s0"].flight))
    steps = made.lost("s0", REASON, 1.0, blame=False)
    assert [(0,), (1,)] == sorted(flight(made.servers["s1"]))
    assert any(isinstance(step, StartServer) for step in steps)
    made.joined("s0", 2.0)
    assert (None, []) == made.answered("s0", lease, 2.0)
    assert 1 == made.late


def test_a_shard_that_failed_two_servers_is_halved_down_to_the_one_video() -> None:
    """The others count; the one that ends every server is skipped by name."""
    made = leases(2, [Shard((0, 1, 2, 3))])
    skipped: list[int] = []
    done: set[int] = set()
    for _ in range(100):
        if made.finished:
            break
        name, server = next((name, server) for name, server in made.servers.items() if server.flight)
        lease, shard = next(iter(server.flight.items()))
        if 2 in shard.videos:
            steps = made.refused(name, lease, REASON, 0.0)
            skipped += [step.video for step in steps if isinstance(step, SkipVideo)]
        else:
            done.update(shard.videos)
            made.answered(name, lease, 0.0)
    assert ([2], {0, 1, 3}) == (skipped, done)


def test_a_server_that_fails_every_shard_does_not_take_them_all() -> None:
    """A full disk there, say: others try its shards, and after three of them it is left out."""
    made = leases(2, cut(80, 2, 4))
    counted = 0
    while not made.finished:
        for lease in list(made.servers["s0"].flight):
            steps = made.refused("s0", lease, REASON, 0.0)
            assert not any(isinstance(step, SkipVideo) for step in steps)
        lease = next(iter(made.servers["s1"].flight))
        shard, _ = made.answered("s1", lease, 0.0)
        counted += len(shard.videos) if shard else 0
    assert (80, "left_out") == (counted, made.servers["s0"].state)


def test_an_excluded_server_gives_its_shards_to_the_others_and_may_come_back() -> None:
    """As Space in the console has it."""
    made = leases(2, [Shard((0,)), Shard((1,))])
    assert [(0,), (1,)] == flight(made.servers["s0"])
    assert [("s1", (0,)), ("s1", (1,))] == gives(made.left_out("s0", REASON, 1.0))
    assert any(isinstance(step, StartServer) for step in made.taken_in("s0", 2.0))
    assert () == made.taken_in("s0", 2.0)


def test_a_silent_server_is_ended_and_started_again_a_few_times() -> None:
    """Then it stays away, and the run ends where no other is left."""
    made = ShardLeases(["s0"], [Shard((0,))], ShardLimits(start_s=10, silent_s=5, starts=2))
    made.begin(0.0)
    assert [] == made.tick(9.0)
    made.heard("s0", 9.0)
    made.joined("s0", 9.0)
    assert [] == made.tick(13.0)
    assert {Kill, StartServer} < {type(step) for step in made.tick(15.0)}
    made.heard("s0", 16.0)
    assert StartServer not in {type(step) for step in made.tick(22.0)}
    assert made.failure is made.servers["s0"]


def test_a_server_that_differs_gets_nothing() -> None:
    """It is shown with its reason."""
    made = ShardLeases(["s0", "s1"], [Shard((0,))])
    made.begin(0.0)
    made.left_out("s0", REASON, 1.0)
    assert [("s1", (0,))] == gives(made.joined("s1", 1.0))
    assert "left_out" == made.servers["s0"].state


@given(st.data())
def test_whatever_happens_every_video_counts_once(data: st.DataObject) -> None:
    """Answers, refusals, losses and late answers in any order."""
    count, servers = data.draw(st.integers(1, 30)), data.draw(st.integers(1, 4))
    limits = ShardLimits(starts=1000)
    made = ShardLeases([f"s{n}" for n in range(servers)], cut(count, servers, data.draw(st.integers(1, 8))), limits)
    counted: list[int] = []
    old: list[tuple[str, int]] = []
    made.begin(0.0)

    def do(steps: list[Step]) -> None:
        counted.extend(step.video for step in steps if isinstance(step, SkipVideo))

    for turn in range(400):
        if made.finished:
            break
        name = data.draw(st.sampled_from(sorted(made.servers))) if turn < 100 else sorted(made.servers)[turn % servers]
        server = made.servers[name]
        what = data.draw(st.sampled_from(("answer", "refuse", "lose", "late"))) if turn < 100 else "answer"
        if server.state == "starting":
            do(made.joined(name, 0.0))
        elif what == "lose":
            old += [(name, lease) for lease in server.flight]
            do(made.lost(name, REASON, 0.0, blame=data.draw(st.booleans())))
        elif what == "late" and old:
            shard, steps = made.answered(*old.pop(), 0.0)
            assert shard is None
            do(steps)
        elif server.flight:
            lease = next(iter(server.flight))
            old.append((name, lease))
            if what == "refuse":
                do(made.refused(name, lease, REASON, 0.0))
            else:
                shard, steps = made.answered(name, lease, 0.0)
                assert shard is not None
                counted.extend(shard.videos)
                do(steps)
    assert list(range(count)) == sorted(counted)
