"""The frames stage: each video to a folder of JPEG files, as the guide's `generate_video_jpgs.py` does with ffmpeg.

It knows folders, threads and records; what a frame looks like is `decode`'s. A video's folder appears under its name
once it is whole, and a record of it follows, so that an attempt that was cut off anywhere is taken up again.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Container, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec import Struct

from backends.core.codec import DecodeError, dumps, loads
from backends.core.errors import InputError, Stopped
from backends.core.events import Outcome
from backends.core.files import make_folder, write_whole
from backends.core.messages import line, os_reason
from backends.data.annotation import read_annotation
from backends.data.archives import Unpacking, find_archives
from backends.data.datasets import read_lists
from backends.data.decode import UnreadableVideoError, jpegs
from backends.data.video_files import Source, find_videos
from backends.worker.job import Job

SIZE = 240
"""Pixels of a frame's shorter side, as the guide's script has it."""


class Made(Struct, frozen=True):
    """The record of a video whose frames are there."""

    label: str
    id: str
    frames: int
    width: int
    height: int
    bytes: int
    """Of all its JPEG files."""
    sha256: str
    """Of its JPEG files, one after the other."""
    source: tuple[int, int]
    """The video file's size, and its time of change in nanoseconds."""


class Place(Struct, frozen=True):
    """Where frames go. `own`: the folder is the stage's; otherwise a person's, and what we did not make stays."""

    frames: Path
    records: Path
    parts: Path
    unpacked: Path
    """Where archives are unpacked while their frames are made."""
    own: bool


def run(job: Job) -> Outcome:
    """Stage `frames`: `job.inputs["videos"]` to `frames/<class>/<video>/image_%05d.jpg` and `frames.json`."""
    place = Place(job.out / "frames", job.out / "made.jsonl", job.out / "parts", job.out / "unpacked", own=True)
    made = extract(job, _given(job, "videos"), place)
    index = {"videos": [{"class": m.label, "id": m.id, "frames": m.frames, "width": m.width, "height": m.height}
                        for m in made]}  # fmt: skip
    write_whole(job.out / "frames.json", json.dumps(index, separators=(",", ":")).encode("ascii"))
    return _outcome(made, {"frames": "frames", "index": "frames.json"})


def step_frames(job: Job) -> Outcome:
    """`step frames VIDEOS DESTINATION`: as the guide's script, into `DESTINATION/<class>/<video>/`.

    Params: `video_path` (or `dir_path`), `output_path` (or `dst_path`; else `job.out`), `size` (240). Folders that are
    there and were not made by this step are left as they are, and named.
    """
    videos = _given(job, "videos", "video_path", "dir_path")
    target = Path(str(job.params.get("output_path") or job.params.get("dst_path") or job.out)).absolute()
    parts, unpacked = target / ".r3d-parts", target / ".r3d-unpacked"
    place = Place(target, target / ".r3d-frames.jsonl", parts, unpacked, own=False)
    return _outcome(extract(job, videos, place), {"frames": str(target)})


def _given(job: Job, name: str, *options: str) -> Path:
    path = next((job.params[option] for option in options if job.params.get(option)), job.inputs.get(name))
    if path is None:
        raise InputError("no folder of videos is given", hint="give one: videos under [dataset] in r3d.toml")
    return Path(str(path)).absolute()


def _outcome(made: list[Made], outputs: Mapping[str, str]) -> Outcome:
    digest = hashlib.sha256()
    for m in made:
        digest.update(f"{m.label}/{m.id} {m.frames} {m.width}x{m.height} {m.sha256}\n".encode("utf-8", "replace"))
    classes, frames = len({m.label for m in made}), sum(m.frames for m in made)
    figures = {"classes": classes, "videos": len(made), "frames": frames, "bytes": sum(m.bytes for m in made)}
    return Outcome(figures=figures, outputs=outputs, digest=digest.hexdigest())


def extract(job: Job, root: Path, place: Place) -> list[Made]:
    """Make the frames of every video under `root` that are not there yet; all records, sorted by class and id.

    `root` is a folder of videos, of archives, or an archive.
    """
    found = find_videos(_roots(job, root, place), lambda: _known(job))
    for item in found.set_aside:
        job.set_aside(item.item, item.reason)
    make_folder(place.frames)
    shutil.rmtree(place.parts, ignore_errors=True)
    records = _records(place.records)
    made: list[Made] = []
    todo: list[Source] = []
    for source in found.videos:
        record = records.get((source.label, source.id))
        if record is not None and _holds(place.frames / source.label / source.id, record, source):
            made.append(record)
        else:
            todo.append(source)
    if made:
        job.note(line("{n} of {total} videos were there already", n=len(made), total=len(found.videos)))
    made += _Extraction(job, place, records, len(made), len(found.videos)).run(todo)
    shutil.rmtree(place.parts, ignore_errors=True)
    shutil.rmtree(place.unpacked, ignore_errors=True)
    if not made:
        raise InputError(
            "{path}: none of its {n} videos could be used",
            hint="the list of videos set aside says why of each",
            path=str(root),
            n=len(found.videos) + len(found.set_aside),
        )
    return sorted(made, key=lambda m: (m.label, m.id))


def _roots(job: Job, given: Path, place: Place) -> list[Path]:
    """The folders to look for videos in: the one that is given, and those that its archives were unpacked to."""

    def told(done: int, total: int, name: str) -> None:
        job.progress(done, total, "archives", note=line("unpacking {name}", name=name) if name else None)

    if not find_archives(given):
        return [given]
    unpacking = Unpacking(place.unpacked, job.check_stop, job.set_aside)
    roots = unpacking.roots(given, told)
    return [given, *roots] if given.is_dir() else [_unwrapped(job, roots[0]), *roots[1:]]


def _unwrapped(job: Job, root: Path) -> Path:
    """The only folder of an archive where that is no class of the annotation: it merely holds the videos."""
    there = list(root.iterdir())
    labels = set(_known(job).values()) if len(there) == 1 and there[0].is_dir() else set()
    return there[0] if labels and there[0].name not in labels else root


def _known(job: Job) -> dict[str, str]:
    """Id to label as the annotation or the split files have it; empty where neither is given."""
    if annotation := job.inputs.get("annotation"):
        return {video.id: video.label for video in read_annotation(annotation).videos}
    if splits := job.inputs.get("splits"):
        unpacking = Unpacking(job.scratch / "unpacked", job.check_stop, lambda *_: None)
        folder = unpacking.splits(splits)  # what is wrong in it is the annotate stage's to say
        return {video.id: video.folder for video in read_lists(folder, int(job.params.get("split", 1)))[1].videos}
    return {}


def _records(path: Path) -> dict[tuple[str, str], Made]:
    """The records of earlier attempts; a line that was cut off, or that is not ours, is passed over."""
    records: dict[tuple[str, str], Made] = {}
    with suppress(FileNotFoundError), open(path, "rb") as file:
        for text in file:
            with suppress(DecodeError, ValueError):
                record = loads(Made, text)
                records[record.label, record.id] = record
    return records


def _holds(folder: Path, record: Made, source: Source) -> bool:
    """Whether a folder holds what its record says, byte for byte, and was made of this very video file."""
    digest = hashlib.sha256()
    try:
        if (sum(1 for _ in folder.iterdir()), _stamp(source.path)) != (record.frames, record.source):
            return False
        for number in range(1, record.frames + 1):
            digest.update((folder / f"image_{number:05d}.jpg").read_bytes())
    except OSError:
        return False
    return digest.hexdigest() == record.sha256


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


class _Extraction:
    """One attempt's work: videos side by side in threads (the codecs let go of the interpreter)."""

    def __init__(self, job: Job, place: Place, ours: Container[tuple[str, str]], before: int, total: int) -> None:
        self._job, self._place, self._ours = job, place, ours
        self._size = int(job.params.get("size") or SIZE)
        self._done = self._before = before
        self._total = total
        self._frames = 0
        self._numbers = itertools.count()
        self._halt = threading.Event()
        self._lock = threading.Lock()
        self._begun = time.monotonic()

    def run(self, todo: list[Source]) -> list[Made]:
        """The records of those videos that gave frames; the others are set aside; Stopped on request."""
        workers = int(self._job.tuning.get("workers") or 0) or len(os.sched_getaffinity(0))
        made: list[Made] = []
        waiting: dict[Future[Made], Source] = {}
        self._tell()
        with _appending(self._place.records) as record, ThreadPoolExecutor(workers, "frames") as pool:
            try:
                for source in todo:
                    waiting[pool.submit(self._video, source)] = source
                    while len(waiting) >= 2 * workers:
                        made += self._collect(waiting, record)
                while waiting:
                    made += self._collect(waiting, record)
            except BaseException:
                self._halt.set()
                pool.shutdown(cancel_futures=True)
                raise
        return made

    def _collect(self, waiting: dict[Future[Made], Source], record: Callable[[Made], None]) -> list[Made]:
        """What ended within half a second."""
        made = []
        for future in wait(waiting, 0.5, FIRST_COMPLETED).done:
            source = waiting.pop(future)
            try:
                one = future.result()
            except UnreadableVideoError as error:
                self._job.set_aside(source.name, error.reason)
            else:
                record(one)
                made.append(one)
            self._done += 1
        self._tell()
        self._job.check_stop()
        return made

    def _tell(self) -> None:
        seconds = time.monotonic() - self._begun
        fresh = self._done - self._before
        rate = fresh / seconds if fresh else None
        figures = {"frames_per_s": round(self._frames / seconds, 1)} if self._frames else {}
        self._job.progress(self._done, self._total, "videos", rate=rate, figures=figures)

    def _video(self, source: Source) -> Made:
        """Write one video's frames aside, and move them to their place once they are whole."""
        target = self._place.frames / source.label / source.id
        if not self._place.own and (source.label, source.id) not in self._ours and target.exists():
            reason = line("its folder of frames is there and is not ours: move it away to have it made")
            raise UnreadableVideoError(reason)
        part = self._place.parts / str(next(self._numbers))
        part.mkdir(parents=True)
        try:
            made = self._write(source, part)
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                shutil.rmtree(target)
            part.rename(target)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        return made

    def _write(self, source: Source, part: Path) -> Made:
        stamp = _check_file(source.path)
        digest = hashlib.sha256()
        number = size = width = height = 0
        for number, jpeg in enumerate(jpegs(source.path, self._size), 1):
            if self._job.stopping or self._halt.is_set():
                raise Stopped
            with open(part / f"image_{number:05d}.jpg", "wb") as file:
                file.write(jpeg.data)
            digest.update(jpeg.data)
            size, width, height = size + len(jpeg.data), jpeg.width, jpeg.height
            with self._lock:
                self._frames += 1
        return Made(source.label, source.id, number, width, height, size, digest.hexdigest(), stamp)


def _check_file(path: Path) -> tuple[int, int]:
    """The stamp of a video file that can be opened at all; a pipe would be waited for without end."""
    try:
        stamp = _stamp(path)
        if not path.is_file():
            raise UnreadableVideoError(line("it is not a file"))
        with open(path, "rb"):
            pass
    except OSError as error:
        raise UnreadableVideoError(line("{reason}", reason=os_reason(error))) from None
    if not stamp[0]:
        raise UnreadableVideoError(line("the file is empty"))
    return stamp


@contextmanager
def _appending(path: Path) -> Iterator[Callable[[Made], None]]:
    """A function that appends a record; a line that an earlier attempt left unfinished is ended first."""
    with open(path, "ab") as file:
        if file.tell():
            file.write(b"\n")

        def record(made: Made) -> None:
            file.write(dumps(made).encode("ascii") + b"\n")
            file.flush()

        yield record
        os.fsync(file.fileno())
