"""What a run brings up to date, and for each stage its cache key, whether it runs, and why: the one walk of a plan.

The client narrows a plan and previews it, the supervisor asks for one stage at a time, cleanup keeps what it names.
"""

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from backends.core.client import Preview, RunRequest
from backends.core.events import Outcome
from backends.core.messages import InputError, R3dError, line
from backends.core.plan import Plan, Reads, Stage
from backends.core.run_state import Run
from backends.core.stage_request import Upstream
from backends.engine.artifacts import Cache, Decision, declared, read_digest
from backends.engine.folders import Folders
from backends.engine.stage_scheduler import wanted

Settled = Mapping[str, tuple[Outcome, str]]
"""Outcome and fingerprint of each stage that has one."""


def narrowed(plan: Plan, request: RunRequest, last: Run) -> Plan:
    """The plan for a request, where `last` is the latest run. Raises InputError for names that are no stages."""
    for name in (*request.stages, request.first, request.last):
        if name is not None and name not in {stage.name for stage in plan.stages}:
            names = ", ".join(stage.name for stage in plan.stages)
            raise InputError("unknown stage: {name}", hint="one of {names}", name=name, names=names)
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
        raise InputError("nothing failed in run {run}", hint="name a stage to run it again", run=last.id)


def to_reset(old: Plan, new: Plan, run: Run) -> frozenset[str]:
    """The stages of a run on `old` that run again where it goes on by `new`: those that failed or were blocked, those
    that `new` changes, and what reads of either; not what only comes after them. InputError where it cannot go on.
    """
    if tuple(stage.name for stage in old.stages) != tuple(stage.name for stage in new.stages):
        raise InputError("the plan has other stages now", hint="stop the run, then start it again")
    found = {stage.name for stage in run.stages if stage.state == "failed" or stage.blocked}
    for stage in new.stages:
        reads = {name for name, what in stage.reads.items() if what != Reads()}
        if replace(stage, tuning={}) != replace(old.stage(stage.name), tuning={}) or reads & found:
            found.add(stage.name)
    return frozenset(found)


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


def decide_stage(cache: Cache, stage: Stage, settled: Settled, *, forced: bool = False) -> Decision:
    """What becomes of a stage whose dependencies are settled. Raises InputError where an input is missing."""
    key, watched = cache.key(stage, upstream_digests(stage, settled))
    return replace(cache.judge(stage, key, forced=forced), key=key, watched=watched)


def upstream_digests(stage: Stage, settled: Settled, running: Mapping[str, str] | None = None) -> dict[str, str]:
    """What the stage reads of others, for its key; of one that is `running` its fingerprint stands in."""
    reads_of = {name: stage.reads.get(name, Reads()) for name in stage.after}
    found = {name: f"following {mark}" for name, mark in (running or {}).items() if reads_of[name].in_key}
    for name, reads in reads_of.items():
        if name in settled and name not in found and (digest := read_digest(reads, *settled[name])):
            found[name] = digest
    return found


def decide_following(
    cache: Cache, stage: Stage, settled: Settled, running: Mapping[str, str], *, forced: bool = False
) -> Decision | None:
    """What becomes of a stage beside those that it follows, `running` by their fingerprints. Its key is provisional.

    None: an earlier result may hold, which is known once they are settled. Raises InputError as `decide_stage`.
    """
    key, watched = cache.key(stage, upstream_digests(stage, settled, running))
    if not forced and cache.may_hold(key, frozenset(running)):
        return None
    reason = line("follows {stages}", stages=tuple(running))
    return Decision("run", reason, key, stale=forced, watched=watched)


def walk(cache: Cache, plan: Plan, accept: frozenset[str] = frozenset()) -> Iterator[tuple[Stage, Decision]]:
    """Every stage of the plan, and what becomes of it. Stages named in `accept` are accepted where they can be."""
    asked, settled, open_ended = wanted(plan), dict[str, tuple[Outcome, str]](), set[str]()
    for stage in plan.stages:
        if stage.name not in asked:
            decision = Decision("skip", line("not requested in this run"))
        elif stage.skip is not None:
            decision = Decision("skip", stage.skip)
        else:
            decision = _decide(cache, plan, stage, settled, open_ended, accept)
            if decision.action != "cached" and stage.name not in settled:
                open_ended.add(stage.name)
        yield stage, decision


def _decide(
    cache: Cache,
    plan: Plan,
    stage: Stage,
    settled: dict[str, tuple[Outcome, str]],
    open_ended: set[str],
    accept: frozenset[str],
) -> Decision:
    forced = stage.name in plan.force
    before = [name for name in stage.after if name in open_ended]
    if before and not forced and cache.latest(stage.name) is None:
        return Decision("run", line("not built yet"))
    if before and not forced:
        return Decision("unknown", line("only if {stage} changes", stage=before[0]))
    try:
        decision = decide_stage(cache, stage, settled, forced=forced)
    except R3dError as error:
        return Decision("run", error.line)
    assert decision.key is not None
    if before:  # forced: its key is not known yet
        return replace(decision, key=None)
    key = decision.key
    if decision.action == "run" and not forced and stage.name in accept and cache.accept(stage, key):
        decision = decide_stage(cache, stage, settled)
    if decision.outcome is not None:
        settled[stage.name] = (decision.outcome, key.fingerprint)
        return decision
    if stage.fresh:  # what it gives is the same every time: what depends on it is not stale by it
        if manifest := cache.manifest(stage.name, key.fingerprint) or cache.latest(stage.name):
            settled[stage.name] = (manifest.outcome, manifest.key.fingerprint)
        return decision
    return replace(decision, acceptable=not forced and cache.acceptable(stage, key) is not None)


def preview(cache: Cache, plan: Plan, accept: frozenset[str] = frozenset()) -> tuple[Preview, ...]:
    """What a run would do, stage by stage, and why. Nothing is started, and nothing is written but remembered digests
    and, for stages named in `accept`, that their earlier artifact counts as it is.
    """
    return tuple(
        Preview(stage.name, decision.action, decision.reason, acceptable=decision.acceptable)
        for stage, decision in walk(cache, plan, accept)
    )
