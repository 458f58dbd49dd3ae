"""Where a workspace stands: which pane matters now, what failed, what its fix is. Pure; panes and keys go by it."""

import errno
import math
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal

from backends.core.client import Snapshot
from backends.core.command_reports import Overview, proposed
from backends.core.messages import Line
from backends.core.plan import Plan, Stage
from backends.core.run_state import Run, StageRun
from r3d_tui.views.look import elapsed, left, share, stages

Phase = Literal["setup", "ready", "running", "failed", "done"]
MODEL = ("export", "simplify", "compile", "verify")


def phase_of(snapshot: Snapshot | None) -> Phase:
    """The phase; `failed` also while other stages go on, for a failure is what wants somebody."""
    if snapshot is None or (snapshot.settings is None and not snapshot.run.id):
        return "setup"
    if failed_stage(snapshot) is not None:
        return "failed"
    if snapshot.run.state == "running" and snapshot.alive:
        return "running"
    return "done" if snapshot.report is not None and snapshot.run.state == "done" else "ready"


def unmade(snapshot: Snapshot) -> bool:
    """There is no r3d.toml, rather than one that cannot be read."""
    return snapshot.settings is None and snapshot.problem.facts.get("reason") in (None, Line(os.strerror(errno.ENOENT)))


def failed_stage(snapshot: Snapshot) -> StageRun | None:
    """The first stage that failed in the latest run."""
    return next((stage for stage in snapshot.run.stages if stage.state == "failed"), None)


def fix_of(snapshot: Snapshot | None) -> tuple[str, str] | None:
    """The setting and its value that would fix what failed; None where the fix is not a setting."""
    failed = failed_stage(snapshot) if snapshot is not None else None
    return proposed(failed.hint) if failed is not None else None


def fix_before(overview: Overview | None) -> tuple[str, str] | None:
    """The same for the first contradiction that a setting solves, before anything ran."""
    return next(filter(None, map(proposed, overview.contradictions)), None) if overview is not None else None


def blocked_by(snapshot: Snapshot, name: str) -> tuple[str, ...]:
    """The stages that wait for `name`, as far as they have not been done, in the plan's order."""
    if snapshot.plan is None or name not in {stage.name for stage in snapshot.plan.stages}:
        return tuple(stage.name for stage in snapshot.run.stages if stage.blocked)
    waiting = snapshot.plan.dependants(frozenset((name,))) - {name}
    return tuple(stage.name for stage in stages(snapshot) if stage.name in waiting and not stage.settled)


def running_stages(snapshot: Snapshot) -> tuple[StageRun, ...]:
    return tuple(stage for stage in snapshot.run.stages if stage.state == "running")


def infer_runs(snapshot: Snapshot) -> bool:
    return any(map(computes, running_stages(snapshot)))


def computes(stage: StageRun) -> bool:
    """Devices compute in it: infer, and over several servers preprocess, whose rows of devices are then servers."""
    return stage.name == "infer" or "decoding_share" in stage.live


def main_stage(found: Sequence[StageRun]) -> StageRun:
    """Of stages that run, the one that a person watches: where devices compute, else the last in the plan."""
    return next(filter(computes, found), found[-1])


SURE = 0.1
"""Share of a stage from which its rate tells more than what it took before."""


def durations(earlier: Iterable[Run]) -> dict[str, float]:
    """Seconds that each stage took when it last ran to its end; `earlier` are runs, latest first."""
    found: dict[str, float] = {}
    for run in earlier:
        for stage in run.stages:
            if stage.state == "done" and stage.seconds is not None:
                found.setdefault(stage.name, stage.seconds)
    return found


def whole_left(snapshot: Snapshot, took: Mapping[str, float], now: float) -> float | None:
    """Seconds until the last stage ends; None where one that is to run never ran here."""
    needed = {}
    for stage in snapshot.run.stages:
        if not (stage.settled or stage.blocked or stage.state == "failed"):
            if (seconds := _needed(stage, took, now)) is None:
                return None
            needed[stage.name] = seconds
    running = {stage.name for stage in running_stages(snapshot)}
    return forecast(snapshot.plan, needed, running) if snapshot.plan is not None else None


def forecast(plan: Plan, needed: Mapping[str, float], running: Collection[str] = ()) -> float:
    """Seconds until stages that need so many have all ended, those that run and then as many beside each other as the
    plan allows. One that follows another ends no earlier than that.
    """
    known = {stage.name for stage in plan.stages if stage.name in running or stage.name not in needed}
    begins, ends = dict.fromkeys(known, 0.0), {name: needed.get(name, 0.0) for name in known}
    free = sorted([*(ends[name] for name in running if name in ends), *[0.0] * plan.parallel])[-max(1, plan.parallel) :]
    waiting = [stage for stage in plan.stages if stage.name not in ends]

    def begin(stage: Stage) -> float:
        before = ((begins if name in stage.follows else ends).get(name, math.inf) for name in stage.after)
        return max([0.0 if stage.follows else free[0], *before])

    while waiting:
        stage = min(waiting, key=begin)  # the first in the plan's order of those that can begin first
        waiting.remove(stage)
        begins[stage.name] = begin(stage)
        ends[stage.name] = max([begins[stage.name] + needed[stage.name], *(ends[name] for name in stage.follows)])
        if not stage.follows:
            free = sorted([*free[1:], ends[stage.name]])
    return max(ends.values(), default=0.0)


def _needed(stage: StageRun, took: Mapping[str, float], now: float) -> float | None:
    rest, known = left(stage), took.get(stage.name)
    if rest is not None and (known is None or (share(stage) or 0.0) >= SURE):
        return rest
    if known is None:
        return None
    return max(0.0, known - (elapsed(stage, now) or 0.0)) if stage.state == "running" else known


def running_left(snapshot: Snapshot) -> float | None:
    """Seconds until the stages that run now end at their present rates."""
    return max((rest for rest in map(left, running_stages(snapshot)) if rest is not None), default=None)
