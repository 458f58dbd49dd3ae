"""What a run would do, stage by stage, and why. Nothing is started, and nothing is written but remembered digests and,
for stages named in `accept`, that their earlier artifact counts as it is.
"""

from __future__ import annotations

from backends.core.client import Preview
from backends.core.errors import R3dError
from backends.core.messages import line
from backends.core.plan import Plan, Stage
from backends.engine.artifacts import Cache
from backends.engine.folders import Folders
from backends.engine.stage_scheduler import wanted


def preview(folders: Folders, plan: Plan, accept: frozenset[str] = frozenset()) -> tuple[Preview, ...]:
    """One line for each stage; `unknown` is what hangs on one that will run: it runs if that gives something new."""
    cache, asked = Cache(folders), wanted(plan)
    digests: dict[str, str] = {}
    open_ended: set[str] = set()
    found = []
    for stage in plan.stages:
        if stage.name not in asked:
            found.append(Preview(stage.name, "skip", line("not asked for in this run")))
        elif stage.skip is not None:
            found.append(Preview(stage.name, "skip", stage.skip))
        else:
            found.append(_look(cache, plan, stage, digests, open_ended, accept))
    return tuple(found)


def _look(
    cache: Cache, plan: Plan, stage: Stage, digests: dict[str, str], open_ended: set[str], accept: frozenset[str]
) -> Preview:
    forced = stage.name in plan.force
    before = [name for name in stage.after if name in open_ended]
    if before and not forced:
        open_ended.add(stage.name)
        return Preview(stage.name, "unknown", line("runs if {stage} gives something new", stage=before[0]))
    try:
        upstream = {name: digests[name] for name in stage.after if name in digests}
        ingredients = cache.ingredients(stage, upstream)
    except R3dError as error:
        open_ended.add(stage.name)
        return Preview(stage.name, "run", error.line)
    verdict = cache.judge(stage, ingredients, forced=forced)
    if verdict.outcome is None and not forced and stage.name in accept and cache.accept(stage, ingredients):
        verdict = cache.judge(stage, ingredients)
    if verdict.outcome is not None:
        digests[stage.name] = verdict.outcome.digest or verdict.fingerprint
        return Preview(stage.name, "cached", verdict.reason)
    if stage.fresh:  # its digest is the same every time: what hangs on it is not stale by it
        manifest = cache.manifest(stage.name, ingredients.fingerprint) or cache.latest(stage.name)
        digests[stage.name] = manifest.outcome.digest if manifest else ""
        return Preview(stage.name, "run", verdict.reason)
    open_ended.add(stage.name)
    acceptable = not forced and cache.acceptable(stage, ingredients) is not None
    return Preview(stage.name, "run", verdict.reason, acceptable=acceptable)
