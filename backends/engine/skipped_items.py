"""Everything that a run's stages skipped, by name, out of the journals; the catalog is made from it.

A run's state names the first 200 of a stage. The rest are in the journal of the run in which the stage worked: for a
cached stage that is an earlier one. Where that journal is gone, the 200 are all there is.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from backends.core.catalog_pages import SkippedEntry
from backends.core.codec import DecodeError
from backends.core.events import ItemSetAside, from_json
from backends.core.run_state import Run, StageRun
from backends.engine.folders import Folders
from backends.engine.journal import read_state

_LAST = "SELECT max(seq) FROM events WHERE substr(body, 1, ?) = ?"
_SAID = "SELECT body FROM events WHERE substr(body, 1, ?) = ? AND seq > ? ORDER BY seq"


def each_skipped(folders: Folders, run: Run) -> Iterator[SkippedEntry]:
    """What the stages of `run` skipped, as far as it is known by name, stage by stage. Never raises."""
    for stage in run.stages:
        named = stage.set_aside or (stage.outcome.set_aside if stage.outcome else ())
        journal = None if stage.set_aside_count <= len(named) else _journal(folders, run, stage)
        given = 0
        for entry in _journalled(journal, stage.name) if journal else ():
            given += 1
            yield entry
        if not given:
            yield from (SkippedEntry(stage.name, one.item, one.reason) for one in named)


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


def _journalled(journal: Path, stage: str) -> Iterator[SkippedEntry]:
    """What the stage's last attempt skipped; a stage that is resumed reports all of it again."""
    started, said = (f'{{"kind":"{kind}","stage":{json.dumps(stage)},' for kind in ("StageStarted", "ItemSetAside"))
    address = f"{journal.resolve().as_uri()}?mode=ro"
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(address, uri=True, timeout=1)) as db:
        begun = db.execute(_LAST, (len(started), started)).fetchone()[0] or 0
        for (body,) in db.execute(_SAID, (len(said), said, begun)):
            with contextlib.suppress(DecodeError):
                event = from_json(body)
                if isinstance(event, ItemSetAside):
                    yield SkippedEntry(event.stage, event.item, event.reason)
