"""Stages that follow others, reading what grows: real engine, real processes, killed on purpose."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from backends.core.client import RunRequest
from backends.core.plan import Plan, Stage
from backends.engine import cleanup
from backends.engine.folders import Folders

if TYPE_CHECKING:
    from tests.engine.conftest import Bench

ITEMS = 12


def growing(fixed: Path, pause: float = 0.05, items: int = ITEMS) -> Stage:
    """A stage whose output may be read while it grows."""
    params = {"items": items, "fixed": str(fixed)}
    return Stage("a", "toys:grow", 1, (), params, {"pause": pause}, grows={"items": "items.txt"})


def following(follows: tuple[str, ...] = ("a",)) -> Stage:
    """A stage that copies it line by line."""
    return Stage("b", "toys:follow", 1, ("a",), follows=follows)


def copied(bench: Bench) -> list[str]:
    """The lines of the only finished copy, each behind the attempt that wrote it."""
    stage = bench.client.snapshot().run.stage("b")
    return (Folders(bench.workspace).artifact("b", stage.fingerprint) / "copy.txt").read_text().splitlines()


def until_copied(bench: Bench, lines: int) -> None:
    """Wait until the follower has copied so many lines somewhere."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        found = [path.read_text() for path in bench.workspace.glob(".r3d/artifacts/b/*/copy.txt")]
        if any(text.count("\n") >= lines for text in found):
            return
        time.sleep(0.01)
    raise AssertionError(f"no {lines} lines")


def test_a_follower_runs_beside_and_is_done_after(bench: Bench, tmp_path: Path) -> None:
    """It begins while the other runs, ends after it, and has the key that it has without following."""
    (tmp_path / "fixed").touch()
    bench.stages = (growing(tmp_path / "fixed"), following(), Stage("c", "toys:add", 1, ("b",)))
    bench.client.start(RunRequest())
    both = bench.wait(lambda s: ["running", "running"] == list(bench.states(s).values())[:2])
    assert "follows a" == str(both.run.stage("b").reason)
    done = bench.wait(lambda s: s.run.state == "done" and not s.alive)
    assert {"a": "done", "b": "done", "c": "done"} == bench.states(done)
    outcome = done.run.stage("b").outcome
    assert outcome is not None
    assert {"items": ITEMS, "followed": True} == outcome.figures
    assert [f"1 {n}" for n in range(ITEMS)] == copied(bench)
    assert 1 == len(list(bench.workspace.glob(".r3d/artifacts/b/*")))
    bench.stages = (bench.stages[0], following(()), bench.stages[2])
    assert {"a": "cached", "b": "cached", "c": "cached"} == bench.states(bench.run())


def test_one_stage_at_a_time_follows_nothing(bench: Bench, tmp_path: Path) -> None:
    """`engine.parallel = 1` means it: the second begins once the first is done."""
    (tmp_path / "fixed").touch()
    bench.parallel, bench.stages = 1, (growing(tmp_path / "fixed", 0.0), following())
    outcome = bench.run().run.stage("b").outcome
    assert outcome is not None
    assert outcome.figures["followed"] is False


def test_where_an_earlier_result_may_hold_it_is_waited_for(bench: Bench, tmp_path: Path) -> None:
    """The first stage is made again and gives the same: the second is cached, and nothing was computed twice."""
    (tmp_path / "fixed").touch()
    bench.stages = (growing(tmp_path / "fixed"), following())
    bench.run()
    bench.stages = (growing(tmp_path / "fixed", items=ITEMS), following())
    (path,) = bench.workspace.glob(".r3d/artifacts/a/*/items.txt")
    path.write_text("0\n")
    assert {"a": "done", "b": "cached"} == bench.states(bench.run())


def test_a_failure_of_what_is_followed_blocks_and_keeps_what_was_done(bench: Bench, tmp_path: Path) -> None:
    """The follower ends as blocked, by name; the next run goes on from its lines."""
    bench.stages = (growing(tmp_path / "fixed"), following())
    failed = bench.run()
    assert ({"a": "failed", "b": "waiting"}, "failed") == (bench.states(failed), failed.run.state)
    assert failed.run.stage("b").blocked
    assert "blocked by a" == str(failed.run.stage("b").reason)
    (tmp_path / "fixed").touch()
    assert {"a": "done", "b": "done"} == bench.states(bench.run(RunRequest("rerun")))
    rows = copied(bench)
    assert [str(n) for n in range(ITEMS)] == [row.split()[1] for row in rows]
    assert "1" == rows[0].split()[0]


def test_a_failed_follower_does_not_stop_what_it_follows(bench: Bench, tmp_path: Path) -> None:
    """The first stage goes on to its end, and the run has failed."""
    (tmp_path / "fixed").touch()
    bench.stages = (growing(tmp_path / "fixed", 0.02), Stage("b", "toys:crash", 1, ("a",), follows=("a",)))
    assert {"a": "done", "b": "failed"} == bench.states(bench.run())


def test_a_stop_stops_both_and_the_next_run_resumes_both(bench: Bench, tmp_path: Path) -> None:
    """Stopped on request, not blocked; no line is copied twice."""
    (tmp_path / "fixed").touch()
    bench.stages = (growing(tmp_path / "fixed"), following())
    bench.client.start(RunRequest())
    until_copied(bench, 2)
    bench.client.stop()
    stopped = bench.wait(lambda s: s.run.state == "stopped" and not s.alive)
    assert {"a": "stopped", "b": "stopped"} == bench.states(stopped)
    assert {"a": "done", "b": "done"} == bench.states(bench.run())
    assert [str(n) for n in range(ITEMS)] == [row.split()[1] for row in copied(bench)]


def test_killed_children_are_resumed_while_they_follow(bench: Bench, tmp_path: Path) -> None:
    """First the follower is killed, then the followed: one run, one copy of each line, by two attempts."""
    (tmp_path / "fixed").touch()
    bench.stages = (growing(tmp_path / "fixed", 0.1), following())
    bench.client.start(RunRequest())
    until_copied(bench, 2)
    for name in ("b", "a"):
        pid = bench.client.snapshot().run.stage(name).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        bench.wait(lambda s, name=name: s.run.stage(name).attempt == 2)  # type: ignore[misc]
    assert {"a": "done", "b": "done"} == bench.states(bench.wait(lambda s: s.run.state == "done" and not s.alive))
    rows = copied(bench)
    assert [str(n) for n in range(ITEMS)] == [row.split()[1] for row in rows]
    assert {"1", "2"} == {row.split()[0] for row in rows}


def test_a_killed_engine_loses_no_line(bench: Bench, tmp_path: Path) -> None:
    """The next run goes on with what both had; also where the first stage had ended and the second had not."""
    (tmp_path / "fixed").touch()
    bench.stages = (growing(tmp_path / "fixed", 0.1), following())
    bench.client.start(RunRequest())
    until_copied(bench, 3)
    os.kill(bench.engine(), signal.SIGKILL)
    bench.wait(lambda s: not s.alive)
    assert {"a": "done", "b": "done"} == bench.states(bench.run())
    rows = copied(bench)
    assert [str(n) for n in range(ITEMS)] == [row.split()[1] for row in rows]
    assert rows[0].startswith("1 ")
    assert set() == bench.pids()


def test_what_was_made_while_following_is_found_once_the_other_is_cached(bench: Bench, tmp_path: Path) -> None:
    """A follower that was cut off behind the end of the other goes on from its provisional folder."""
    (tmp_path / "fixed").touch()
    bench.stages = (growing(tmp_path / "fixed"), Stage("b", "toys:follow_slowly", 1, ("a",), follows=("a",)))
    bench.client.start(RunRequest())
    bench.wait(lambda s: s.run.stage("a").state == "done" and s.run.stage("b").state == "running")
    os.kill(bench.engine(), signal.SIGKILL)
    bench.wait(lambda s: not s.alive)
    bench.stages = (bench.stages[0], following())
    assert {"a": "cached", "b": "done"} == bench.states(bench.run())
    assert {"1"} == {row.split()[0] for row in copied(bench)}


def test_a_provisional_folder_that_nobody_goes_on_from_is_removed_by_clean(bench: Bench, tmp_path: Path) -> None:
    """What a follower made before it was cut off goes once the stage was done otherwise; its result stays."""
    (tmp_path / "fixed").touch()
    bench.stages = (growing(tmp_path / "fixed"), following())
    bench.client.start(RunRequest())
    until_copied(bench, 1)
    bench.client.stop()
    bench.wait(lambda s: not s.alive)
    (provisional,) = bench.workspace.glob(".r3d/artifacts/b/*")
    for expected in ("done", "cached"):
        bench.stages = (bench.stages[0], following(()))
        assert expected == bench.states(bench.run())["b"]
    folders, plan = Folders(bench.workspace), Plan(bench.workspace, (bench.stages[0], following()))
    agreed = frozenset(waste.path for waste in cleanup.look(folders, plan, 1).waste)
    assert provisional.relative_to(folders.root) in agreed
    cleanup.remove(folders, plan, 1, agreed)
    assert not provisional.exists()
    assert {"a": "cached", "b": "cached"} == bench.states(bench.run())
