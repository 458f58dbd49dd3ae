"""How long the run still takes: for the header. Pure; `screens.questions` asks what stages took before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from backends.core.client import Snapshot
from backends.core.run_state import Run, StageRun
from r3d_tui.views.look import elapsed, left, share
from r3d_tui.views.phase import running_stages

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
    """Seconds until the last stage ends, along what depends on what; None where one that is to run never ran here."""
    after = {stage.name: stage.after for stage in snapshot.plan.stages} if snapshot.plan is not None else {}
    ends: dict[str, float] = {}
    for stage in snapshot.run.stages:  # in the plan's order: what it depends on comes before it
        needed = 0.0 if stage.settled or stage.blocked else _needed(stage, took, now)
        if needed is None or stage.name not in after:
            return None
        ends[stage.name] = needed + max((ends.get(name, 0.0) for name in after[stage.name]), default=0.0)
    return max(ends.values(), default=None)


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
