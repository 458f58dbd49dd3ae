"""Given a plan and what the run is so far, what next. Pure: no clock, no disk, no process.

The supervisor's loop is: call `decide`, do what it returns, write down what happened, ask again; until it says End.
"""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from backends.core.messages import Line, line
from backends.core.plan import Plan, Stage
from backends.core.run_state import Run, StageRun


class RunStage(Struct, frozen=True):
    """Look whether the stage is up to date, and start it where it is not."""

    stage: str


class Skip(Struct, frozen=True):
    """Write down that the stage does not apply."""

    stage: str
    reason: Line


class Block(Struct, frozen=True):
    """Write down that the stage will not be reached."""

    stage: str
    reason: Line


class End(Struct, frozen=True):
    state: Literal["done", "failed", "stopped"]
    reason: Line


Action = RunStage | Skip | Block | End


def wanted(plan: Plan) -> frozenset[str]:
    """The stages that the plan is to bring up to date: its targets and all they depend on."""
    if not plan.targets:
        return frozenset(stage.name for stage in plan.stages)
    found = set(plan.targets)
    for stage in reversed(plan.stages):
        if stage.name in found:
            found.update(stage.after)
    return frozenset(found)


def decide(plan: Plan, run: Run, busy: frozenset[str] = frozenset(), *, stopping: bool = False) -> tuple[Action, ...]:
    """What to do now. `busy` names the stages that are being settled at this moment.

    Nothing is to do while those go on and no other may start. End comes alone, once every stage is settled or cannot be
    reached any more.
    """
    actions = [] if stopping else _next(plan, run, busy)
    if actions or busy:
        return tuple(actions)
    return (_end(run, stopping),)


def _next(plan: Plan, run: Run, busy: frozenset[str]) -> list[Action]:
    states = {stage.name: stage for stage in run.stages}
    unsettled = {name for name, stage in states.items() if not stage.settled}
    following = [stage for stage in plan.stages if stage.name in busy and not unsettled.isdisjoint(stage.after)]
    free = max(1, plan.parallel) - len(busy) + len(following)
    asked = wanted(plan)
    actions: list[Action] = []
    for stage in plan.stages:
        mine = states.get(stage.name)
        if mine is None or mine.state != "waiting" or mine.blocked or stage.name in busy:
            continue
        if stage.name not in asked:
            actions.append(Block(stage.name, line("not requested in this run")))
        elif stage.skip is not None:
            actions.append(Skip(stage.name, stage.skip))
        elif culprit := _culprit(stage, run):
            actions.append(Block(stage.name, line("blocked by {stage}", stage=culprit)))
        elif unsettled.isdisjoint(stage.after) and free > 0:
            actions.append(RunStage(stage.name))
            free -= 1
        elif plan.parallel > 1 and _may_follow(stage, states):
            actions.append(RunStage(stage.name))
    return actions


def _may_follow(stage: Stage, states: Mapping[str, StageRun]) -> bool:
    """Whether all that it depends on is settled, or running and to be followed; that takes no place of `parallel`."""
    before = [states[name] for name in stage.after if name in states and not states[name].settled]
    return bool(before) and all(one.state == "running" and one.name in stage.follows for one in before)


def _culprit(stage: Stage, run: Run) -> str | None:
    """The stage that keeps this one from being reached."""
    for other in run.stages:
        if other.name in stage.after and (other.state == "failed" or other.blocked):
            return other.name
    return None


def _end(run: Run, stopping: bool) -> End:
    failed = [stage.name for stage in run.stages if stage.state == "failed"]
    if failed:
        return End("failed", line("{stages} failed", stages=tuple(failed)))
    if stopping or any(stage.state == "stopped" for stage in run.stages):
        return End("stopped", line("stopped on request"))
    return End("done", Line(""))
