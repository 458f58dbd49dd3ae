"""Everything that a run's stages set aside, by name, out of the journals; an entry is read when it is looked at.

A run's state names the first 200 of a stage. The rest stand in the journal of the run in which the stage worked: for a
cached stage that is an earlier one. It refuses to guess: where that journal is gone, the 200 are all there is.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

from backends.core.clip_entries import AsideEntry
from backends.core.codec import DecodeError
from backends.core.events import ItemSetAside, from_json
from backends.core.lazy_sequence import Made
from backends.core.run_state import Run, StageRun
from backends.engine.folders import Folders
from backends.engine.journal import read_state

PAGE = 256
"""Entries read at once."""
PAGES = 8
"""Pages of a stage that are kept."""
Page = tuple[AsideEntry | None, ...]


class Asides(Made[AsideEntry]):
    """What was set aside, stage by stage: eight bytes an entry. Threads may share it."""

    def __init__(self, parts: Sequence[Sequence[AsideEntry]]) -> None:
        self._parts = [part for part in parts if len(part)]
        self._ends: list[int] = []
        for part in self._parts:
            self._ends.append(len(part) + (self._ends[-1] if self._ends else 0))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def _one(self, place: int) -> AsideEntry:
        part = bisect_right(self._ends, place)
        return self._parts[part][place - (self._ends[part - 1] if part else 0)]


class _Journalled(Made[AsideEntry]):
    """Of one stage, by the numbers of their events."""

    def __init__(self, journal: Path, stage: str, numbers: array[int]) -> None:
        self._journal, self._stage, self._numbers = journal, stage, numbers
        self._pages: dict[int, Page] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._numbers)

    def _one(self, place: int) -> AsideEntry:
        with self._lock:
            if (page := self._pages.get(place // PAGE)) is None:
                while len(self._pages) >= PAGES:
                    del self._pages[next(iter(self._pages))]
                page = self._pages[place // PAGE] = self._read(place // PAGE)
        return page[place % PAGE] or AsideEntry(self._stage, "")

    def _read(self, page: int) -> Page:
        numbers = self._numbers[page * PAGE : (page + 1) * PAGE]
        found: dict[int, AsideEntry] = {}
        with contextlib.suppress(sqlite3.Error), contextlib.closing(_opened(self._journal)) as db:
            query = "SELECT seq, body FROM events WHERE seq BETWEEN ? AND ? AND body LIKE ?"
            for seq, body in db.execute(query, (numbers[0], numbers[-1], '{"kind":"ItemSetAside",%')):
                with contextlib.suppress(DecodeError):
                    event = from_json(body)
                    if isinstance(event, ItemSetAside):
                        found[seq] = AsideEntry(event.stage, event.item, event.reason)
        return tuple(found.get(number) for number in numbers)


def read_asides(workspace: Path, run: Run) -> Asides:
    """What the stages of `run` set aside, as far as it is known by name. Never raises; call it in a thread."""
    folders = Folders(workspace)
    return Asides([_of_stage(folders, run, stage) for stage in run.stages])


def _of_stage(folders: Folders, run: Run, stage: StageRun) -> Sequence[AsideEntry]:
    kept = tuple(AsideEntry(stage.name, one.item, one.reason) for one in stage.set_aside)
    if stage.set_aside_count <= len(kept):
        return kept
    journal = folders.run(run.id).journal if stage.state != "cached" else _maker(folders, stage)
    numbers = _numbers(journal, stage.name) if journal is not None else array("q")
    return _Journalled(journal, stage.name, numbers) if journal is not None and len(numbers) > len(kept) else kept


def _maker(folders: Folders, stage: StageRun) -> Path | None:
    """The journal of the latest run in which a cached stage worked."""
    for folder in folders.all_runs():
        run = read_state(folder.journal)
        for one in run.stages if run is not None else ():
            if (one.name, one.fingerprint, one.state) == (stage.name, stage.fingerprint, "done"):
                return folder.journal
    return None


def _numbers(journal: Path, stage: str) -> array[int]:
    """The events of the stage's last attempt; a stage that is taken up again says all of them again."""
    numbers = array("q")
    query = "SELECT seq FROM events WHERE substr(body, 1, ?) = ? AND seq > ? ORDER BY seq"
    started, said = (f'{{"kind":"{kind}","stage":{json.dumps(stage)},' for kind in ("StageStarted", "ItemSetAside"))
    with contextlib.suppress(sqlite3.Error), contextlib.closing(_opened(journal)) as db:
        begun = max((row[0] for row in db.execute(query, (len(started), started, 0))), default=0)
        numbers.extend(row[0] for row in db.execute(query, (len(said), said, begun)))
    return numbers


def _opened(journal: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{journal.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=1)
