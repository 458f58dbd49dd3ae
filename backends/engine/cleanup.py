"""What in `.r3d` nothing needs any more, and its removal. It touches runs and artifacts alone, and follows no link.

Needed is what the latest runs point at, the latest run that was evaluated, and what the present settings would take
from the cache or take up; where that is unknown for a stage, the stage's latest artifact. Everything else that has
the shape of our own runs and artifacts may go. What a person put there or wrote there stays.
"""

import contextlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from backends.core.command_reports import CleanupPlan, Garbage
from backends.core.messages import N_, InputError, Line, line, os_reason
from backends.core.plan import Plan
from backends.core.processes import leftovers
from backends.core.run_state import Run
from backends.engine import lock
from backends.engine.artifacts import Cache, remove_folder
from backends.engine.folders import Folders
from backends.engine.journal import is_readable, read_state
from backends.engine.planner import walk

RUN = re.compile(r"\d{8}-\d{6}-\d{4,}")
FINGERPRINT = re.compile(r"[0-9a-f]{20}")
YOUNG_S = 3600.0
"""Seconds for which a run's folder without a plan may still be about to begin."""

Artifact = tuple[str, str]
"""A stage's name and a fingerprint."""


def look(folders: Folders, plan: Plan | None, keep: int) -> CleanupPlan:
    """What may go where the latest `keep` runs stay, at least one. `plan`: the present settings', None where unknown.

    BusyError, naming the holder, while an engine works there; InputError where `.r3d` is a link.
    """
    if lock.owner(folders):
        raise lock.busy(folders)
    _refuse_odd(folders)
    return _found(folders, plan, keep) if folders.root.is_dir() else CleanupPlan()


def _found(folders: Folders, plan: Plan | None, keep: int) -> CleanupPlan:
    kept = _kept(folders, keep)
    waste = [*_runs(folders, {run_id for run_id, _ in kept}, keep), *_rest(folders)]
    notes = [line("{path} is a link: nothing behind it is looked at", path=str(path)) for path in _links(folders)]
    blind = [run_id for run_id, run in kept if run is None]
    if blind:
        notes.append(line("the journal of run {run} cannot be read: no artifact is removed", run=blind[0]))
    else:
        runs = (run for _, run in kept if run is not None)
        needed = {(stage.name, stage.fingerprint) for run in runs for stage in run.stages if stage.fingerprint}
        needed |= _current(folders, plan)
        waste += _artifacts(folders, _with_origins(Cache(folders), needed))
    return CleanupPlan(tuple(waste), tuple(run_id for run_id, _ in kept), tuple(notes))


def remove(folders: Folders, plan: Plan | None, keep: int, agreed: frozenset[Path]) -> CleanupPlan:
    """Remove what may go and was agreed to, while no engine can start; gives what went, and notes of what did not."""
    _refuse_odd(folders)
    for _ in leftovers(folders.workspace):
        text, hint = (
            N_("{path}: processes of an engine that died still work here"),
            N_("r3d-tui run ends them and goes on"),
        )
        raise InputError(text, hint=hint, path=str(folders.workspace))
    lock.check_writable(folders.workspace)
    held = lock.WorkspaceLock(folders, "clean")
    try:
        found = _found(folders, plan, keep)
        went, notes = [], list(found.notes)
        for waste in (one for one in found.waste if one.path in agreed):
            problem = _remove(folders, waste.path)
            if problem is None:
                went.append(waste)
            else:
                notes.append(line("{path}: {reason}", path=str(waste.path), reason=problem))
    finally:
        held.release()
    return CleanupPlan(tuple(went), found.kept_runs, tuple(notes))


def _refuse_odd(folders: Folders) -> None:
    for path in (folders.root, folders.trash):
        if path.is_symlink():
            text, hint = N_("{path} is a link"), N_("nothing is removed behind links; remove by hand what may go there")
            raise InputError(text, hint=hint, path=str(path))


def _links(folders: Folders) -> Iterator[Path]:
    artifacts = folders.root / "artifacts"
    for path in (folders.runs, artifacts, *(_listed(artifacts) if not artifacts.is_symlink() else ())):
        if path.is_symlink():
            yield path


def _listed(folder: Path) -> list[Path]:
    """What a folder holds, sorted; nothing where it is a link or not there."""
    if folder.is_symlink():
        return []
    with contextlib.suppress(OSError):
        return sorted(folder.iterdir())
    return []


def _kept(folders: Folders, keep: int) -> list[tuple[str, Run | None]]:
    """The runs that stay, latest first: so many, and the latest that has an accuracy. None: it cannot be read."""
    found: list[tuple[str, Run | None]] = []
    scored = False
    for number, folder in enumerate(folders.all_runs()):
        if number >= max(1, keep) and scored:
            break
        run = read_state(folder.journal)
        if not is_readable(run):
            run = None
        has_score = run is not None and run.state == "done" and "top1" in run.figures_with("top1")
        if number < max(1, keep) or (has_score and not scored):
            found.append((folder.id, run if run is not None or folder.journal.exists() else Run(id=folder.id)))
        scored = scored or has_score
    return found


def _runs(folders: Folders, kept: set[str], keep: int) -> Iterator[Garbage]:
    began = {folder.id for folder in folders.all_runs()}
    for path in _ours(_listed(folders.runs), RUN):
        if path.name in began - kept:
            reason = line("an earlier run than the latest {n}", n=max(1, keep))
        elif path.name not in began and time.time() - path.stat().st_mtime > YOUNG_S:
            reason = line("a run that never began")
        else:
            continue
        yield Garbage(path.relative_to(folders.root), "run", _size(path), reason)


def _rest(folders: Folders) -> Iterator[Garbage]:
    trash = folders.trash
    if trash.is_dir() and _listed(trash):
        yield Garbage(Path(folders.trash.name), "rest", _size(trash), line("left by a removal that was cut off"))


def _artifacts(folders: Folders, needed: set[Artifact]) -> Iterator[Garbage]:
    cache = Cache(folders)
    for stage in _listed(folders.root / "artifacts"):
        for path in _ours(_listed(stage), FINGERPRINT):
            if (stage.name, path.name) in needed:
                continue
            if cache.manifest(stage.name, path.name) is None:
                reason = line("never finished, and the present settings would not resume it")
            else:
                reason = line("no run that stays and no present setting uses it")
            yield Garbage(path.relative_to(folders.root), "artifact", _size(path), reason)


def _ours(paths: list[Path], shape: re.Pattern[str]) -> Iterator[Path]:
    for path in paths:
        if shape.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
            yield path


def _current(folders: Folders, plan: Plan | None) -> set[Artifact]:
    """What the present settings would take from the cache or resume; a stage's latest where that is open."""
    cache = Cache(folders)
    found: set[Artifact] = set()
    names = {path.name for path in _listed(folders.root / "artifacts")} if plan is None else set()
    for stage, decision in walk(cache, replace(plan, targets=(), force=())) if plan is not None else ():
        if decision.key is not None:
            found.add((stage.name, decision.key.fingerprint))
        if decision.action not in ("cached", "skip"):
            names.add(stage.name)
    return found | {(name, latest.key.fingerprint) for name in names if (latest := cache.latest(name))}


def _with_origins(cache: Cache, needed: set[Artifact]) -> set[Artifact]:
    """And the artifacts that these point at: those that were accepted in their place."""
    found, pending = set(needed), list(needed)
    while pending:
        stage, fingerprint = pending.pop()
        manifest = cache.manifest(stage, fingerprint)
        if manifest is None:
            continue
        others = {manifest.accepted_from} | {
            path.split("/")[1]
            for path in manifest.outcome.outputs.values()
            if path.startswith("../") and "/" in path[3:]
        }
        more = {(stage, other) for other in others if other} - found
        found |= more
        pending += more
    return found


def _size(path: Path) -> int:
    """What the disk gives back: allocated bytes of what has no other name, links themselves, not what they lead to."""
    total, pending = 0, [str(path)]
    while pending:
        with contextlib.suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                    continue
                with contextlib.suppress(OSError):
                    stat = entry.stat(follow_symlinks=False)
                    total += stat.st_blocks * 512 if stat.st_nlink == 1 else 0
    return total


def _remove(folders: Folders, path: Path) -> str | Line | None:
    """Remove one. Gives what the system had against it."""
    place = folders.root / path
    try:
        remove_folder(folders, place)
    except OSError as error:
        return os_reason(error)
    if path.parts[0] == "artifacts":
        with contextlib.suppress(OSError):
            place.parent.rmdir()  # a stage that has none left
    return None
