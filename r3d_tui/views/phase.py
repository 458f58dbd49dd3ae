"""Where a workspace stands: which pane matters now, what failed, what its fix is. Pure; panes and keys go by it."""

from __future__ import annotations

from typing import Literal

from backends.core.client import Snapshot
from backends.core.command_reports import proposed
from backends.core.run_state import StageRun
from r3d_tui.views.look import stages

Phase = Literal["setup", "ready", "running", "failed", "done"]
DATA = ("check", "frames", "annotate", "preprocess")
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


def failed_stage(snapshot: Snapshot) -> StageRun | None:
    """The first stage that failed in the latest run."""
    return next((stage for stage in snapshot.run.stages if stage.state == "failed"), None)


def fix_of(snapshot: Snapshot | None) -> tuple[str, str] | None:
    """The setting and its value that would fix what failed; None where the fix is not a setting."""
    failed = failed_stage(snapshot) if snapshot is not None else None
    return proposed(failed.hint) if failed is not None else None


def blocked_by(snapshot: Snapshot, name: str) -> tuple[str, ...]:
    """The stages that wait for `name`, as far as they have not been done, in the plan's order."""
    if snapshot.plan is None or name not in {stage.name for stage in snapshot.plan.stages}:
        return tuple(stage.name for stage in snapshot.run.stages if stage.blocked)
    waiting = snapshot.plan.dependants(frozenset((name,))) - {name}
    return tuple(stage.name for stage in stages(snapshot) if stage.name in waiting and not stage.settled)


def running_stages(snapshot: Snapshot) -> tuple[StageRun, ...]:
    return tuple(stage for stage in snapshot.run.stages if stage.state == "running")


def infer_runs(snapshot: Snapshot) -> bool:
    """Devices work on clips now."""
    return any(stage.name == "infer" for stage in running_stages(snapshot))
