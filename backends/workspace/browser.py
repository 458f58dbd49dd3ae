"""A look into what a workspace's runs made: the catalog of a run, and one clip's pixels. The API hands both out.

The catalog is derived: `.r3d/runs/<id>/catalog.db` is written by who first asks for it, and again where what it was
made from has changed (docs/decisions/0014-catalog.md).
"""

from __future__ import annotations

import contextlib
import csv
import errno
import hashlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from backends.core.catalog_pages import ClipFrames, VideoEntry
from backends.core.codec import DecodeError, dumps, loads
from backends.core.events import ItemSetAside
from backends.core.messages import InputError, Line, line
from backends.core.plan import Plan
from backends.core.processes import our_environment, python_command
from backends.core.run_state import Run
from backends.data.annotation import read_annotation
from backends.data.catalog import SqlCatalog, key_of, memory_catalog, write_catalog
from backends.data.clip_store import ClipStore, VideoClips, each_video
from backends.engine.folders import Folders
from backends.engine.journal import read_state
from backends.engine.run_results import each_skipped, output

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CATALOG = "catalog.db"
LARGE = 8 << 20
"""Bytes to read from which a catalog is made in a process of its own: beside it the console answers keys at once."""
_NO_REASON = Line("")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def open_catalog(workspace: Path, run_id: str = "", *, keep: bool = True) -> SqlCatalog:
    """The catalog of a run, or of the latest one that made clips. InputError where there is none.

    It is made first where it is not there: seconds for hundreds of thousands of videos. Without `keep`, on a full disk
    and in a workspace of somebody else's it is made in memory, for this process alone.
    """
    sources = _Sources(Folders(workspace.resolve()), run_id)
    earlier = partial(open_catalog, workspace, keep=keep)
    if key_of(sources.catalog) != sources.key:
        try:
            sources.write(keep=keep, beside=sources.bytes > LARGE)
        except (OSError, sqlite3.Error):
            return _of(sources.run, memory_catalog(sources.videos(), sources.skipped(), earlier))
    return _of(sources.run, SqlCatalog.open(sources.catalog, earlier))


def _of(run: Run, catalog: SqlCatalog) -> SqlCatalog:
    catalog.run_id = run.id
    return catalog


class _Sources:
    def __init__(self, folders: Folders, run_id: str) -> None:
        self._folders = folders
        self.run, self._folder = _run(folders, run_id)
        self.catalog = self._folder / CATALOG
        self._store, self._predictions, self._annotation = (
            output(folders, self.run, name) for name in ("store", "predictions", "annotation")
        )

    @property
    def key(self) -> str:
        """Changes with everything that the catalog is made from."""
        stages = [(one.name, one.fingerprint, one.state, one.set_aside_count, one.outcome and one.outcome.digest)
                  for one in self.run.stages]  # fmt: skip
        return hashlib.sha256(dumps(stages).encode()).hexdigest()

    @property
    def bytes(self) -> int:
        """To be read."""
        paths = (self._predictions, self._annotation, self._store and self._store / "index.jsonl")
        return sum(path.stat().st_size for path in paths if path and path.is_file())

    def write(self, *, keep: bool = True, beside: bool = False) -> None:
        """Write the file whole, where it is to be kept; `beside`: in a process of its own."""
        if not keep:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        if beside:
            command = python_command("backends.workspace.browser", str(self._folders.workspace), self.run.id)
            done = subprocess.run(
                command, env=our_environment(), stdin=subprocess.DEVNULL, capture_output=True, check=False
            )
            if done.returncode:
                raise OSError(done.stderr.decode("utf-8", "replace")[-400:])
            return
        part = self.catalog.with_name(f".{CATALOG}.{os.getpid()}.part")
        part.unlink(missing_ok=True)
        try:
            with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as db:
                write_catalog(db, self.key, self.videos(), self.skipped())
            with open(part, "rb") as file:
                os.fsync(file.fileno())
            part.replace(self.catalog)
        finally:
            part.unlink(missing_ok=True)

    def skipped(self) -> Iterator[ItemSetAside]:
        return each_skipped(self._folders, self.run)

    def videos(self) -> Iterator[VideoEntry]:
        """The listed videos in the annotation's order, as far as the run got, and clips that nobody listed."""
        skipped: dict[str, ItemSetAside] = {}
        for entry in self.skipped():
            skipped.setdefault(entry.item, entry)
        clips = {video.id: video for video in each_video(self._store)} if self._store else {}
        for one in self._listed():
            yield _entry(one, clips.pop(one.video, None), skipped.get(one.video))
        for name, video in clips.items():
            yield _entry(VideoEntry(name, video.label), video, skipped.get(name))

    def _listed(self) -> Iterator[VideoEntry]:
        if self._predictions and self._predictions.is_file():
            yield from _predicted(self._predictions)
        elif self._annotation and self._annotation.is_file():
            for video in read_annotation(self._annotation).subset(self._subset()):
                frames = None if video.is_open else video.frames or None
                end = 0 if video.is_open else video.end
                yield VideoEntry(video.id, video.label, frames, first=video.first, end=end)

    def _subset(self) -> str:
        with contextlib.suppress(OSError, DecodeError, StopIteration):
            plan = loads(Plan, self._folders.run(self.run.id).plan.read_text(encoding="utf-8"))
            return next(str(one.params["subset"]) for one in plan.stages if one.params.get("subset"))
        return "validation"


def _run(folders: Folders, run_id: str) -> tuple[Run, Path]:
    for folder in folders.all_runs():
        if run_id in ("", folder.id) and (run := read_state(folder.journal)):
            store = output(folders, run, "store")
            if run_id or (store and store.is_dir()):
                return run, folder.path
    if run_id:
        raise InputError("unknown run {run}", hint="`r3d-tui runs` lists them", run=run_id)
    raise InputError("no run here has made clips yet", hint="run the preprocess stage")


def _entry(one: VideoEntry, clips: VideoClips | None, skipped: ItemSetAside | None) -> VideoEntry:
    stage, reason = (skipped.stage, skipped.reason) if skipped else ("", one.reason)
    if clips is None:
        return replace(one, stage=stage, reason=reason) if skipped else one
    first, end = clips.segment
    frames, count, before = (end - first if end > first else None), clips.clips, clips.clips_before_cut
    return VideoEntry(one.video, one.label, frames, count, before, first, end, one.predicted, one.score, stage, reason)


def _predicted(path: Path) -> Iterator[VideoEntry]:
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        rows = csv.reader(file)
        head = {name: place for place, name in enumerate(next(rows, ()))}
        places = [head.get(name, -1) for name in ("video", "class", "label_1", "score_1", "reason")]
        cells, width = itemgetter(*places), len(head) + 1
        for row in rows:
            row.extend([""] * (width - len(row)))  # what a short row has not is empty, and what is last
            name, label, best, score, why = cells(row)
            reason = line("{reason}", reason=_plain(why)) if why else _NO_REASON
            predicted, number = _plain(best) or None, _number(score)
            yield VideoEntry(_plain(name), _plain(label), predicted=predicted, score=number, reason=reason)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _plain(field: str) -> str:
    """Without the quote that keeps a spreadsheet from taking a field for a formula."""
    return field[1:] if field[:1] == "'" and field[1:2] in _FORMULA else field


def clip_frames(workspace: Path, video: str, clip: int, side: int, run_id: str = "") -> ClipFrames:
    """The frames of clip `clip` (from 0) of a video, at most `side` pixels wide and high: means of what they cover.

    They are those of a run, by default of the latest one that made clips.

    InputError where the store has no such clip, StageError where it is damaged.
    """
    import numpy as np

    folders = Folders(workspace)
    store = ClipStore.open_one(_store(folders, run_id), video)
    place = store.videos[0] if store else None
    if store is None or place is None or not 0 <= clip < place.clips:
        raise InputError("{video} has no clip {n}", hint="choose another", video=video, n=clip + 1)
    pixels = np.moveaxis(store.clip(place.first + clip), 0, -1)
    frames, height, width, _ = pixels.shape
    small = _scaled(_scaled(pixels.astype(np.float64), 1, side), 2, side)
    data = np.rint(small).astype(np.uint8)
    return ClipFrames(video, clip, frames, min(side, height), min(side, width), data.tobytes())


def _scaled(pixels: NDArray[np.float64], axis: int, side: int) -> NDArray[np.float64]:
    """At most `side` along an axis, each the mean of the pixels that it covers."""
    import numpy as np

    whole = pixels.shape[axis]
    count = max(1, min(side, whole))
    edges = np.arange(count) * whole // count
    sizes = np.diff(np.append(edges, whole))
    shape = [1] * pixels.ndim
    shape[axis] = count
    scaled: NDArray[np.float64] = np.add.reduceat(pixels, edges, axis=axis) / sizes.reshape(shape)
    return scaled


def _store(folders: Folders, run_id: str) -> Path:
    store = output(folders, _run(folders, run_id)[0], "store")
    if store is None or not store.is_dir():
        raise InputError("the clips of run {run} are gone", hint="run the preprocess stage", run=run_id)
    return store


if __name__ == "__main__":
    _Sources(Folders(Path(sys.argv[1])), sys.argv[2]).write()
