"""What a stage may read of others, by the plan and the run so far. Pure; the supervisor asks it for each child."""

from backends.core.events import Outcome
from backends.core.plan import Plan, Reads, Stage
from backends.core.run_state import Run
from backends.core.stage_request import Upstream
from backends.engine.artifacts import declared
from backends.engine.folders import Folders


def settled_outcomes(run: Run) -> dict[str, tuple[Outcome, str]]:
    """Outcome and fingerprint of each stage that has one."""
    return {one.name: (one.outcome, one.fingerprint) for one in run.stages if one.outcome is not None}


def followed(stage: Stage, run: Run) -> list[str]:
    """Stages that run, and that `stage` is to follow."""
    return [name for name in stage.follows if run.stage(name).state == "running"]


def all_upstream(stage: Stage, plan: Plan, run: Run, folders: Folders) -> dict[str, Upstream]:
    """What `stage` may read now of each stage that it depends on and that has something to read."""
    found: dict[str, Upstream] = {}
    for name in stage.after:
        other, reads = run.stage(name), stage.reads.get(name, Reads())
        folder = folders.artifact(name, other.fingerprint)
        if other.outcome is not None:
            found[name] = Upstream(folder, declared(other.outcome, reads), reads)
        elif name in followed(stage, run):
            growing = Outcome(outputs=plan.stage(name).grows)
            found[name] = Upstream(folder, declared(growing, reads), reads, is_growing=True)
    return found
