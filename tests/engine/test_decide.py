"""What `decide` says, with no clock, no disk and no process."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from backends.core.events import (
    Outcome,
    RunStarted,
    StageBlocked,
    StageFailed,
    StageFinished,
    StageSkipped,
    StageStarted,
    StageStopped,
)
from backends.core.messages import line
from backends.core.plan import Plan, Stage
from backends.core.run_state import Run, fold
from backends.engine.stage_scheduler import Block, End, RunStage, Skip, decide, wanted

WHERE = Path("/nowhere")
WHY = line("because")


def plan(*stages: Stage, parallel: int = 2, targets: tuple[str, ...] = ()) -> Plan:
    return Plan(WHERE, stages, parallel=parallel, targets=targets)


def stage(name: str, *after: str, skip: bool = False) -> Stage:
    return Stage(name, "x:y", 1, after, skip=WHY if skip else None)


def folded(plan: Plan, *events: object) -> Run:
    run = fold(Run(), RunStarted("r", tuple(s.name for s in plan.stages), 1))
    for event in events:
        run = fold(run, event)  # type: ignore[arg-type]
    return run


def test_starts_what_hangs_on_nothing() -> None:
    """At first the stages without predecessors are settled, as many as may run at once."""
    p = plan(stage("a"), stage("b"), stage("c"), stage("d", "a"))
    assert (RunStage("a"), RunStage("b")) == decide(p, folded(p))


def test_room_is_for_all_that_is_busy() -> None:
    """A busy stage takes one of the places, and is not settled twice."""
    p = plan(stage("a"), stage("b"), stage("c"))
    assert (RunStage("b"),) == decide(p, folded(p), frozenset({"a"}))
    assert () == decide(p, folded(p), frozenset({"a", "b"}))


def test_goes_on_behind_finished_and_skipped_stages() -> None:
    """A stage is ready once all it hangs on are done, cached or skipped."""
    p = plan(stage("a"), stage("b", skip=True), stage("c", "a", "b"))
    run = folded(p, StageFinished("a", 1, Outcome(), 1.0))
    assert (Skip("b", WHY),) == decide(p, run)
    assert (RunStage("c"),) == decide(p, fold(run, StageSkipped("b", WHY)))


def test_a_failure_blocks_what_hangs_on_it_and_nothing_else() -> None:
    """Behind a failed stage all is blocked, by name; the rest goes on; the run ends as failed."""
    p = plan(stage("a"), stage("b", "a"), stage("c", "b"), stage("d"))
    run = folded(p, StageFailed("a", 1, WHY))
    actions = decide(p, run)
    assert Block("b", line("blocked by {stage}", stage="a")) in actions
    assert RunStage("d") in actions
    run = fold(fold(run, StageBlocked("b", WHY)), StageFinished("d", 1, Outcome(), 1.0))
    assert (Block("c", line("blocked by {stage}", stage="b")),) == decide(p, run)
    end = decide(p, fold(run, StageBlocked("c", WHY)))
    assert (End("failed", line("{stages} failed", stages=("a",))),) == end


def test_stopping_starts_nothing_and_ends_once_nothing_is_busy() -> None:
    """After a request to stop nothing new begins; the run is stopped when the last stage has let go."""
    p = plan(stage("a"), stage("b"))
    run = folded(p, StageStarted("a", 1, WHY, 7))
    assert () == decide(p, run, frozenset({"a"}), stopping=True)
    (end,) = decide(p, fold(run, StageStopped("a", 1)), stopping=True)
    assert isinstance(end, End)
    assert "stopped" == end.state


def test_targets_pull_only_what_they_hang_on() -> None:
    """A target is brought up to date with its predecessors; the others are blocked as not asked for."""
    p = plan(stage("a"), stage("b", "a"), stage("c"), targets=("b",))
    assert frozenset({"a", "b"}) == wanted(p)
    assert Block("c", line("not requested in this run")) in decide(p, folded(p))


def test_a_resumed_run_takes_up_what_was_cut_off() -> None:
    """What was running, stopped or failed when the supervisor died waits again; what was done stays done."""
    p = plan(stage("a"), stage("b"), stage("c", "a"))
    run = folded(p, StageFinished("a", 1, Outcome(), 1.0), StageStarted("b", 1, WHY, 7))
    again = fold(run, RunStarted("r", ("a", "b", "c"), 2, resumed=True))
    assert (RunStage("b"), RunStage("c")) == decide(p, again)
    assert 1 == again.resumed


def test_a_stage_follows_what_runs_once_all_else_is_settled() -> None:
    """It takes no place of `parallel`, waits for what it cannot follow, and follows nothing where that is 1."""
    follower = replace(stage("c", "a", "b"), follows=("a",))
    p = plan(stage("a"), stage("b"), follower, stage("d"), parallel=2)
    busy = frozenset({"a"})
    run = folded(p, StageStarted("a", 1, WHY, 7))
    assert RunStage("c") not in decide(p, run, busy)
    run = fold(run, StageFinished("b", 1, Outcome(), 1.0))
    assert (RunStage("c"), RunStage("d")) == decide(p, run, busy)
    assert () == decide(p, fold(run, StageStarted("d", 1, WHY, 9)), busy | {"c", "d"})
    alone = replace(p, parallel=1)
    assert () == decide(alone, run, busy)
    assert (RunStage("c"),) == decide(alone, fold(run, StageFinished("a", 1, Outcome(), 1.0)))[:1]


def test_a_blocked_follower_waits_again_in_the_next_run() -> None:
    """What it followed failed: it has no process any more, and a resumed run begins it again."""
    p = plan(stage("a"), replace(stage("b", "a"), follows=("a",)))
    run = folded(p, StageStarted("a", 1, WHY, 7), StageStarted("b", 1, WHY, 8))
    run = fold(fold(run, StageFailed("a", 1, WHY)), StageBlocked("b", WHY))
    assert ("waiting", None, True) == (run.stage("b").state, run.stage("b").pid, run.stage("b").blocked)
    assert "failed" == decide(p, run)[0].state  # type: ignore[union-attr]
    assert not fold(run, RunStarted("r", ("a", "b"), 2, resumed=True)).stage("b").blocked
