"""What a run found, read from its artifacts, and copies of it elsewhere. It knows outputs by name, no stage."""

import contextlib
import filecmp
import json
import os
import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from backends.core.codec import DecodeError, decode, loads, unseal
from backends.core.events import ItemSetAside, from_json
from backends.core.files import write_whole
from backends.core.messages import N_, InputError, os_reason
from backends.core.plan import Plan
from backends.core.run_state import Run, StageRun
from backends.core.settings import Settings
from backends.core.values import Report
from backends.engine.folders import Folders
from backends.engine.journal import read_state

EXPORTS = ("val", "predictions", "text", "report")
"""Outputs that a person takes along."""


def output(folders: Folders, run: Run, name: str) -> Path | None:
    """The file that a settled stage of the run gave under that name; None where no stage did."""
    for stage in run.stages:
        if stage.settled and stage.outcome is not None and name in stage.outcome.outputs:
            return folders.artifact(stage.name, stage.fingerprint) / stage.outcome.outputs[name]
    return None


def read_report(folders: Folders, run: Run) -> Report | None:
    """The run's report; None where it has none or it cannot be read."""
    path = output(folders, run, "report")
    with contextlib.suppress(OSError, DecodeError):
        return loads(Report, path.read_bytes()) if path else None
    return None


def read_settings(folders: Folders, run_id: str) -> Settings | None:
    """The settings of a run, from the stage that its plan gave all of them to; None where none did or it is damaged."""
    with contextlib.suppress(OSError, ValueError):
        plan = unseal(Plan, folders.run(run_id).plan.read_bytes(), needs_seal=False)
        found = next((stage.params["settings"] for stage in plan.stages if "settings" in stage.params), None)
        return None if found is None else decode(Settings, found)
    return None


def export(folders: Folders, run: Run, folder: Path) -> tuple[Path, ...]:
    """Copy what a person takes along; see `core.client.Client.export`."""
    sources = [path for name in EXPORTS if (path := output(folders, run, name)) is not None and path.is_file()]
    if not sources:
        raise InputError("run {run} has no result to export", hint="let it run to its evaluate stage", run=run.id)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        pairs = [(source, folder / source.name) for source in sources]
        for source, target in pairs:
            if os.path.lexists(target) and not (target.is_file() and filecmp.cmp(source, target, shallow=False)):
                text, hint = N_("{path}: there already, with another content"), N_("name another folder")
                raise InputError(text, hint=hint, path=str(target))
        for source, target in pairs:
            if not target.exists():
                with source.open("rb") as file:
                    write_whole(target, iter(partial(file.read, 1 << 20), b""))
    except OSError as error:
        text, hint = N_("{path}: {reason}"), N_("name a folder that can be written")
        raise InputError(text, hint=hint, path=str(folder), reason=os_reason(error)) from None
    return tuple(target for _, target in pairs)


_LAST = "SELECT max(seq) FROM events WHERE substr(body, 1, ?) = ?"
_SAID = "SELECT body FROM events WHERE substr(body, 1, ?) = ? AND seq > ? ORDER BY seq"


def each_skipped(folders: Folders, run: Run) -> Iterator[ItemSetAside]:
    """What the stages of `run` skipped, as far as it is known by name, stage by stage. Never raises."""
    for stage in run.stages:
        named = stage.set_aside or (stage.outcome.set_aside if stage.outcome else ())
        journal = None if stage.set_aside_count <= len(named) else _journal(folders, run, stage)
        given = 0
        for entry in _journalled(journal, stage.name) if journal else ():
            given += 1
            yield entry
        if not given:
            yield from (ItemSetAside(stage.name, one.item, one.reason) for one in named)


def _journal(folders: Folders, run: Run, stage: StageRun) -> Path | None:
    """The journal in which a stage worked: for a cached one that of the latest run in which it did."""
    if stage.state != "cached":
        return folders.run(run.id).journal
    for folder in folders.all_runs():
        earlier = read_state(folder.journal)
        for one in earlier.stages if earlier is not None else ():
            if (one.name, one.fingerprint, one.state) == (stage.name, stage.fingerprint, "done"):
                return folder.journal
    return None


def _journalled(journal: Path, stage: str) -> Iterator[ItemSetAside]:
    """What the stage's last attempt skipped; a stage that is resumed reports all of it again."""
    started, said = (f'{{"kind":"{kind}","stage":{json.dumps(stage)},' for kind in ("StageStarted", "ItemSetAside"))
    address = f"{journal.resolve().as_uri()}?mode=ro"
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(address, uri=True, timeout=1)) as db:
        begun = db.execute(_LAST, (len(started), started)).fetchone()[0] or 0
        for (body,) in db.execute(_SAID, (len(said), said, begun)):
            with contextlib.suppress(DecodeError):
                event = from_json(body)
                if isinstance(event, ItemSetAside):
                    yield event
