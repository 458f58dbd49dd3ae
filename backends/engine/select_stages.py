"""From what a person asked for (run, rerun, --from, --to) to the stages a plan has to bring up to date. Pure."""

from __future__ import annotations

from dataclasses import replace

from backends.core.client import RunRequest
from backends.core.errors import InputError
from backends.core.plan import Plan
from backends.core.run_state import Run


def narrowed(plan: Plan, request: RunRequest, last: Run) -> Plan:
    """The plan for a request, where `last` is the latest run. Raises InputError for names that are no stages."""
    for name in (*request.stages, request.first, request.last):
        if name is not None and name not in {stage.name for stage in plan.stages}:
            names = ", ".join(stage.name for stage in plan.stages)
            raise InputError("{name} is no stage", hint="one of {names}", name=name, names=names)
    force: frozenset[str] = frozenset()
    if request.force:
        force = frozenset(stage.name for stage in plan.stages)
    elif request.first:
        force = plan.dependants(frozenset((request.first,)))
    elif request.stages:
        force = plan.dependants(frozenset(request.stages))
    elif request.mode == "rerun":
        _refuse_needless(last)
    targets = (request.last,) if request.last else ()
    return replace(plan, targets=targets, force=tuple(stage.name for stage in plan.stages if stage.name in force))


def _refuse_needless(last: Run) -> None:
    """A rerun without names is for what failed, was stopped or was cut off; the cache keeps the rest."""
    if last.state == "new":
        raise InputError("nothing has run here yet", hint="r3d-tui run")
    if last.state == "done" and all(stage.settled for stage in last.stages):
        raise InputError("nothing failed in run {run}", hint="name a stage to run it anew", run=last.id)
