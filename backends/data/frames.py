"""The frames stage: videos to folders of JPEG files, as the reference's `generate_video_jpgs.py` makes them by ffmpeg.

In a run it makes what the run uses: the subset's videos, up to the last frame of the last clip that counts.
`step frames` makes all. A video's folder appears under its name once it is whole, and a record of it follows, so that
an attempt that was cut off anywhere is resumed.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from msgspec import Struct

from backends.core.codec import dumps
from backends.core.events import Outcome
from backends.core.files import make_folder, stamp_of, write_whole
from backends.core.messages import N_, InputError, line
from backends.data.annotation import read_annotation
from backends.data.archives import Unpacking
from backends.data.data_specs import FRAMES_GROW, INDEX, RECORDS, frames_used
from backends.data.datasets import read_lists
from backends.data.datasets.class_folders import subset_by_share
from backends.data.frame_pool import (
    Failed,
    VideoFrames,
    VideoTask,
    holds,
    link_frames,
    make_all,
    part_folders,
    read_records,
)
from backends.data.video_files import Source
from backends.data.video_sources import find_sources
from backends.worker.job import Job

SIZE = 240
"""Pixels of a frame's shorter side, as the reference's script has it."""


class Place(Struct, frozen=True):
    """Where frames go. `is_own`: the folder is the stage's; otherwise a person's, and what we did not make stays."""

    frames: Path
    records: Path
    parts: Path
    unpacked: Path
    """Where archives are unpacked while their frames are made."""
    is_own: bool


class Needed:
    """Which videos are wanted, and how many frames of each."""

    def __init__(self, job: Job, labels: Mapping[str, str], wanted: Mapping[str, int | None] | None = None) -> None:
        self.labels = labels
        """Class folder of each video that is listed, by its id."""
        self._wanted = wanted
        self._share, self._subset = job.params.get("share"), str(job.params.get("subset") or "validation")
        self._limit = _limit(job, 1)

    def __len__(self) -> int:
        return len(self._wanted or ())

    def takes(self, source: Source) -> bool:
        """Whether a video is of the subset; without lists the share of the videos decides, or all are."""
        if self._wanted is not None:
            return source.id in self._wanted
        return subset_by_share(source.label, source.id, self._share, self._subset) == self._subset

    def limit(self, source: Source) -> int | None:
        """How many frames are needed; None: all."""
        wanted = self._wanted.get(source.id) if self._wanted is not None else None
        return self._limit if wanted is None else wanted


def run(job: Job) -> Outcome:
    """Stage `frames`: `job.inputs["videos"]` to `frames/<class>/<video>/image_%05d.jpg` and `frames.json`.

    Params: `size`; `subset`, `split`, `share` and `clips` (frames, stride and most clips of a video) decide what is
    needed; without `clips` it is everything.
    """
    place = Place(job.out / "frames", job.out / RECORDS, job.out / "parts", job.out / "unpacked", is_own=True)
    (job.out / INDEX).unlink(missing_ok=True)  # who follows takes it for the end
    made = extract(job, _given(job, "videos"), place)
    index = [{"class": one.label, "id": one.id, "frames": one.frames, "files": one.written, "width": one.width,
              "height": one.height} for one in made]  # fmt: skip
    write_whole(job.out / INDEX, json.dumps({"videos": index}, separators=(",", ":")).encode("ascii"))
    return _outcome(made, dict(FRAMES_GROW))


def step_frames(job: Job) -> Outcome:
    """`step frames VIDEOS DESTINATION`: as the reference's script, into `DESTINATION/<class>/<video>/`.

    Params: `video_path` (or `dir_path`), `output_path` (or `dst_path`; else `job.out`), `size` (240), `fps` (-1: the
    video's own), `n_jobs` (processes; -1: one a core). Folders that are there and were not made by this step are left
    as they are, and named.
    """
    videos = _given(job, "videos", "video_path", "dir_path")
    target = Path(str(job.params.get("output_path") or job.params.get("dst_path") or job.out)).absolute()
    parts, unpacked = target / ".r3d-parts", target / ".r3d-unpacked"
    place = Place(target, target / ".r3d-frames.jsonl", parts, unpacked, is_own=False)
    return _outcome(extract(job, videos, place), {"frames": str(target)})


def _given(job: Job, name: str, *options: str) -> Path:
    path = next((job.params[option] for option in options if job.params.get(option)), job.inputs.get(name))
    if path is None:
        raise InputError("no folder of videos is given", hint="give one: videos under [dataset] in r3d.toml")
    return Path(str(path)).absolute()


def _outcome(made: list[VideoFrames], outputs: Mapping[str, str]) -> Outcome:
    digest = hashlib.sha256()
    for one in made:
        text = f"{one.label}/{one.id} {one.frames} {one.written} {one.width}x{one.height} {one.sha256}\n"
        digest.update(text.encode("utf-8", "replace"))
    classes, files = len({one.label for one in made}), sum(one.written for one in made)
    figures = {"classes": classes, "videos": len(made), "frames": files, "bytes": sum(one.bytes for one in made)}
    return Outcome(figures=figures, outputs=outputs, digest=digest.hexdigest())


def extract(job: Job, root: Path, place: Place) -> list[VideoFrames]:
    """Make the frames that are needed of every video under `root` and are not there yet; all records, sorted.

    `root` is a folder of videos, of archives, or an archive.
    """
    needed, skipped = _needed(job), job.set_aside_count
    found = find_sources(job, root, place.unpacked, needed.labels)
    sources = [source for source in found if needed.takes(source)]
    skipped = job.set_aside_count - skipped
    if found and not sources:
        text = N_("{path}: none of the subset's {n} videos is among its {found}")
        hint = N_("see that the annotation or the lists are those of these videos, and dataset.subset")
        raise InputError(text, hint=hint, path=str(root), n=len(needed), found=len(found))
    order = {name: place for place, name in enumerate(needed.labels)}
    sources.sort(key=lambda source: order.get(source.id, len(order)))  # as annotated: preprocess waits for them so
    make_folder(place.frames)
    shutil.rmtree(place.parts, ignore_errors=True)
    made = _Extraction(job, place, needed, sources).run()
    shutil.rmtree(place.parts, ignore_errors=True)
    shutil.rmtree(place.unpacked, ignore_errors=True)
    if not made:
        raise InputError(
            "{path}: none of its {n} videos could be used",
            hint="the list of skipped videos gives the reason of each",
            path=str(root),
            n=len(sources) + skipped,
        )
    return sorted(made, key=lambda one: (one.label, one.id))


def _needed(job: Job) -> Needed:
    """By the annotation, the lists, or neither; what is wrong in them is the annotate stage's to report."""
    subset, is_limited = str(job.params.get("subset") or "validation"), "clips" in job.params
    if path := job.inputs.get("annotation"):
        videos = read_annotation(path).videos
        wanted = {one.id: _last(job, one.first, one.end) for one in videos if one.subset == subset}
        return Needed(job, {one.id: one.label for one in videos}, wanted if is_limited else None)
    if path := job.inputs.get("splits"):
        folder = Unpacking(job.scratch / "unpacked", job.check_stop, lambda *_: None).splits(path)
        listed = read_lists(folder, int(job.params.get("split") or 1))[1].videos
        labels = {one.id: one.folder for one in listed}
        return Needed(job, labels, {one.id: None for one in listed if one.subset == subset} if is_limited else None)
    return Needed(job, {})


def _last(job: Job, first: int, end: int) -> int | None:
    """Frame files that a segment [first, end) needs; None where it has no frames, or everything is made."""
    limit = _limit(job, first)
    return None if limit is None or end <= first else min(end - (first > 0), limit + (first == 0))


def _limit(job: Job, first: int) -> int | None:
    """The number of the last frame that a clip may use, of a segment that begins at `first`; None: no limit."""
    if (clips := job.params.get("clips")) is None:
        return None
    return frames_used(first, int(clips["frames"]), int(clips["stride"]), int(clips["most"])) - 1


class _Extraction:
    """One attempt: what is there, what an artifact of another subset has, and what is left to make."""

    def __init__(self, job: Job, place: Place, needed: Needed, sources: list[Source]) -> None:
        self._job, self._place, self._needed, self._sources = job, place, needed, sources
        self._size, self._fps = int(job.params.get("size") or SIZE), max(0, int(job.params.get("fps") or 0))
        self._records = read_records(place.records)
        self._made: list[VideoFrames] = []
        self._skipped = self._before = self._files = 0
        self._begun = time.monotonic()

    def run(self) -> list[VideoFrames]:
        """The records of those videos that gave frames; the others are skipped by name; Stopped on request."""
        jobs = int(self._job.params.get("n_jobs") or 0)
        workers = max(jobs, 0) or int(self._job.tuning.get("workers") or 0) or len(os.sched_getaffinity(0))
        with _appending(self._place.records) as self._record:
            tasks = list(self._tasks())
            self._before = len(self._made)
            if self._before:
                text = line("{n} of {total} videos were there already", n=self._before, total=len(self._sources))
                self._job.note(text)
            self._progress()
            for task, made in make_all(tasks, workers, self._job.check_stop):
                self._take(task, made)
        return self._made

    def _tasks(self) -> Iterator[VideoTask]:
        """What is left; frames that another artifact of the same videos has are linked from there."""
        like = self._job.like
        others = read_records(like / RECORDS) if like is not None else {}
        parts = part_folders(self._place.parts)
        for source in self._sources:
            target = self._place.frames / source.label / source.id
            limit, key = self._needed.limit(source), (source.label, source.id)
            record, other = self._records.get(key), others.get(key)
            if record is not None and _fits(source, record, limit) and holds(target, record):
                self._made.append(record)
            elif like is not None and other is not None and _borrowed(like, source, other, limit, target):
                self._keep(other)
            elif not self._place.is_own and record is None and target.exists():
                reason = line("its folder of frames is there and is not ours: move it away to have it made")
                self._job.set_aside(source.name, reason)
                self._skipped += 1
            else:
                yield VideoTask(source.path, *key, next(parts), target, self._size, self._fps, limit)

    def _keep(self, record: VideoFrames) -> None:
        self._record(record)
        self._made.append(record)

    def _take(self, task: VideoTask, made: VideoFrames | Failed) -> None:
        if isinstance(made, Failed):
            self._job.set_aside(task.name, made.reason, is_temporary=made.is_temporary)
            self._skipped += 1
            self._record(VideoFrames(task.label, task.id, 0, 0, 0, 0, "", (0, 0)))  # who follows need not wait for it
        else:
            self._keep(made)
            self._files += made.written
        self._progress()

    def _progress(self) -> None:
        seconds = time.monotonic() - self._begun
        done = len(self._made) + self._skipped
        rate = (done - self._before) / seconds if done > self._before else None
        figures = {"frames_per_s": round(self._files / seconds, 1)} if self._files else {}
        self._job.progress(done, len(self._sources), "videos", rate=rate, figures=figures)


def _fits(source: Source, record: VideoFrames, limit: int | None) -> bool:
    """Whether a record is of this very video file, and has as many frames as are needed."""
    try:
        enough = record.written >= min(record.frames, record.frames if limit is None else limit)
        return enough and record.source == stamp_of(source.path)
    except OSError:
        return False


def _borrowed(like: Path, source: Source, other: VideoFrames, limit: int | None, target: Path) -> bool:
    """Link the frames of a finished artifact; whether it has what is needed, and that could be done."""
    folder = like / "frames" / source.label / source.id
    if not _fits(source, other, limit) or not holds(folder, other):
        return False
    shutil.rmtree(target, ignore_errors=True)
    return link_frames(folder, target)


@contextmanager
def _appending(path: Path) -> Iterator[Callable[[VideoFrames], None]]:
    """A function that appends a record; a line that an earlier attempt left unfinished is ended first."""

    def record(made: VideoFrames) -> None:
        file.write(dumps(made).encode("ascii") + b"\n")
        file.flush()

    file: IO[bytes]
    with open(path, "ab") as file:
        if file.tell():
            file.write(b"\n")
        yield record
        os.fsync(file.fileno())
