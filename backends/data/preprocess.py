"""The stage `preprocess`: the annotated videos, or their frames, to a clip store, resumed at the video."""

import contextlib
import json
import os
import shutil
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path

from msgspec.structs import replace

from backends.core.codec import decode
from backends.core.events import Outcome
from backends.core.files import make_folder, write_whole
from backends.core.messages import N_, InputError, StageError, line, os_reason, size
from backends.data.annotation import Annotation, Video, annotation_pieces, read_annotation
from backends.data.clip_extraction import Extracted
from backends.data.clip_store import REMOTE, ClipIndex, read_index
from backends.data.clip_writer import ClipWriter, borrow
from backends.data.data_specs import LABELS, PreprocessParams, StepParams, clip_count
from backends.data.datasets import named
from backends.data.guide_files import bins_of_store, durable, write_info
from backends.data.video_clips import (
    ClipTask,
    Make,
    bin_of_frames,
    extract,
    extract_apart,
    of_frames,
    of_growing_frames,
    of_video,
    outcomes,
)
from backends.data.video_sources import find_sources
from backends.device.clip_format import ClipHeader
from backends.worker.job import Job

COUNTED = "annotation.json"
"""The annotation with the segments that were open, for the guide's scripts over a kept folder of frames."""
SYNC_S = 5.0
"""Seconds of work that a power loss may cost; a kill costs only the videos at hand."""


def run(job: Job) -> Outcome:
    """Make the clip store (and the guide's files where asked) for the subset's videos."""
    params = decode(PreprocessParams, dict(job.params))
    annotation = job.upstream["annotate"].path("annotation") if "annotate" in job.upstream else job.inputs["annotation"]
    root = job.inputs.get("videos") or job.inputs["frames"]
    whole = read_annotation(annotation)
    videos, labels = subset(whole, annotation, params.subset), whole.labels
    if "videos" not in job.inputs and not root.is_dir():
        raise InputError("{path}: no such folder", hint="give the folder of frames in r3d.toml", path=str(root))
    write_whole(job.out / LABELS, json.dumps(labels).encode("ascii"))
    maker = _Maker(job, params, videos)
    if job.like is not None and borrow(job.like / "store", job.out / "store"):
        job.note(line("the same clips were made before: their store is used again"))
    (job.out / "store" / REMOTE).unlink(missing_ok=True)  # from here on its clips are made here
    with ClipWriter.open_or_resume(job.out / "store", header(params), maker.checked) as writer:
        if writer.damaged:
            text = line("{n} videos of an earlier attempt are damaged and are done again", n=len(writer.damaged))
            job.note(text, "warning")
        maker.make(writer, root)
        index = writer.finish(video.id for video in videos)
    outputs = {"store": "store", "labels": LABELS, **write_counted(job, whole, index)}
    if params.write_bins:
        _write_bins(job, params)
        outputs |= {"bins": "bins", "info": "hmdb51.info"}
    return Outcome(maker.figures(index), outputs, index.digest)


def write_counted(job: Job, annotation: Annotation, index: ClipIndex) -> dict[str, str]:
    """The annotation with open segments closed where their frames were counted, as an output; nothing where none is.

    A video without clips keeps its own.
    """
    if not any(video.is_open for video in annotation.videos):
        return {}
    segments = {video.id: video.segment for video in index.videos}
    closed = (
        replace(video, end=segments[video.id][1]) if video.is_open and video.id in segments else video
        for video in annotation.videos
    )
    counted = Annotation(annotation.labels, tuple(closed), annotation.set_aside)
    write_whole(job.out / COUNTED, annotation_pieces(counted))
    return {"annotation": COUNTED}


def subset(annotation: Annotation, path: Path, name: str) -> tuple[Video, ...]:
    """The subset's videos in the annotation's order; InputError, naming the annotation's `path`, where it has none."""
    videos = annotation.subset(name)
    if not videos:
        there = ", ".join(sorted({video.subset for video in annotation.videos})[:10])
        text = N_("{path}: no video of subset {subset}; it has {there}")
        hint = N_("give one of these as the subset")
        raise InputError(text, hint=hint, path=str(path), subset=name, there=there or "none")
    return videos


def header(params: PreprocessParams) -> ClipHeader:
    """What the store's clips share."""
    return ClipHeader(params.mean, params.std, 3, params.clip_frames, params.size, params.size)


class _Maker:
    """One attempt: which videos were there, are made, are skipped; and how fast."""

    def __init__(self, job: Job, params: PreprocessParams, videos: tuple[Video, ...]) -> None:
        self._job, self._params, self._videos = job, params, videos
        self._missing = self._found = self._taken = self._made = 0
        self._seconds = 0.0
        self._away: list[Extracted] = []

    def checked(self, done: int, total: int) -> None:
        """Progress of comparing what an earlier attempt left with its checksums."""
        self._job.check_stop()
        note = line("checking what an earlier attempt left")
        self._job.progress(done, total, "videos", note=note)

    def make(self, writer: ClipWriter, root: Path) -> None:
        """Append every video that the store does not hold yet."""
        todo = [video for video in self._videos if writer.get(video.id) is None]
        self._found = len(self._videos) - len(todo)
        self._room(writer.folder, todo)
        begun = synced = time.monotonic()
        with contextlib.closing(self._extracted(todo, root)) as extracted:
            for made in extracted:
                self._take(made, writer)
                self._seconds = time.monotonic() - begun
                self._tell()
                if time.monotonic() - synced > SYNC_S:
                    writer.sync()
                    synced = time.monotonic()
                self._job.check_stop()
        for made in self._away:  # away for the whole time: then the engine sees that the input changed, or it never was
            self._job.set_aside(made.video.id, made.reason, is_temporary=os.path.lexists(made.missing))
        if writer.empty:
            hint = N_("see what was skipped; frames are expected as <class>/<video>/image_00001.jpg")
            if "videos" in self._job.inputs:
                hint = N_("see what was skipped; see that the annotation or the lists are those of these videos")
            text = N_("{root}: none of the {n} videos could be used")
            raise StageError(text, hint=hint, root=str(root), n=len(self._videos))

    def _extracted(self, todo: Sequence[Video], root: Path) -> Generator[Extracted, None, None]:
        """Of a folder of frames that is given, or of the videos: by the frames stage's folder, or decoded here."""
        if not todo:
            return  # archives are not unpacked for nothing
        if "videos" not in self._job.inputs:
            yield from self._made_by(partial(of_frames, root), todo)
            return
        sources = cache(partial(self._sources, root))
        frames = self._job.upstream.get("frames")
        try:
            if frames is None or not frames.has("records"):
                yield from self._made_by(of_video, todo, sources())
                return
            make = partial(of_growing_frames, frames.path("frames"), frames.path("index"), frames.path("records"))
            with contextlib.closing(self._made_by(make, todo)) as extracted:
                for made in extracted:
                    yield made if made.clips is not None else self._decoded(made.video, sources())
        finally:
            shutil.rmtree(self._job.out / "unpacked", ignore_errors=True)

    def _made_by(
        self, make: Make, todo: Sequence[Video], sources: Mapping[tuple[str, str], Path] | None = None
    ) -> Generator[Extracted, None, None]:
        workers, check = _workers(self._job), self._job.check_stop
        return extract(todo, self._params, make, self._job.out / "parts", workers=workers, sources=sources, check=check)

    def _decoded(self, video: Video, sources: Mapping[tuple[str, str], Path]) -> Extracted:
        """Not in this process: the frames stage may have skipped it because it crashes a decoder."""
        source, part = sources.get((video.label, video.id)), self._job.out / "parts" / "apart.u8"
        return extract_apart(ClipTask(video, self._params, part, source), self._job.check_stop)

    def _sources(self, root: Path) -> dict[tuple[str, str], Path]:
        """Files by label and id; archives are unpacked."""
        labels = {video.id: video.label for video in self._videos}
        found = find_sources(self._job, root, self._job.out / "unpacked", labels)
        return {(source.label, source.id): source.path for source in found}

    def figures(self, index: ClipIndex) -> dict[str, int | float | None]:
        """What the stage says of itself. `clips_per_s` is of this attempt; None where it made nothing."""
        return {
            "videos": len(index.videos),
            "clips": index.clip_count,
            "clips_before_cut": sum(video.clips_before_cut for video in index.videos),
            "missing": self._missing,
            "bytes": index.clip_count * index.header.clip_bytes,
            "clips_per_s": self._rate(self._made),
        }

    def _take(self, made: Extracted, writer: ClipWriter) -> None:
        self._taken += 1
        video = made.video
        if made.clips is None:
            self._missing += made.is_absent
            if made.missing:
                self._away.append(made)  # whether it is back is to be seen at the end
            else:
                self._job.set_aside(video.id, made.reason, is_temporary=made.is_temporary)
            return
        segment, data = (video.first, video.end), made.clips.data
        writer.append(video.id, video.label, segment, made.clips_before_cut, data)
        self._made += len(made.clips)

    def _tell(self) -> None:
        clips_per_s = self._rate(self._made)
        figures = {"clips": self._made, "clips_per_s": clips_per_s, "set_aside": self._job.set_aside_count}
        done, rate = self._found + self._taken, self._rate(self._taken)
        self._job.progress(done, len(self._videos), "videos", rate=rate, figures=figures)

    def _rate(self, count: int) -> float | None:
        return count / self._seconds if self._made and self._seconds > 0 else None

    def _room(self, folder: Path, todo: Sequence[Video]) -> None:
        """StageError at once where the disk cannot hold what is to come."""
        cap, frames, stride = self._params.max_clips, self._params.clip_frames, self._params.clip_stride
        counts = (1 if v.is_open else clip_count(v.first, v.end, frames, stride) for v in todo)
        needed = sum(min(count, cap) for count in counts) * header(self._params).clip_bytes
        if self._params.write_bins:
            needed += len(self._videos) * cap * 4 * header(self._params).clip_bytes
        free = shutil.disk_usage(folder).free
        if free < needed:
            text = N_("{folder}: {needed} are needed and {free} are free")
            hint = N_("free some space there, or make the workspace on a larger disk")
            raise StageError(text, hint=hint, folder=str(folder), needed=size(needed), free=size(free))


def _write_bins(job: Job, params: PreprocessParams) -> None:
    """The guide's files, out of the store; a file of an earlier attempt is kept where it has the same bytes."""
    index, folder = read_index(job.out / "store"), job.out / "bins"
    folder.mkdir(exist_ok=True)
    with _writing(folder):
        written = bins_of_store(job.out / "store", index, folder, params, _workers(job), job.check_stop)
        for done, _ in enumerate(written, start=1):
            job.progress(done, len(index.videos), "videos", note=line("writing the guide's .bin files"))
    write_info(job.out / "hmdb51.info", ((video.id, video.clips_before_cut) for video in index.videos))


def _workers(job: Job) -> int:
    """Processes; 0: one a core."""
    return int(job.tuning.get("workers", 0))


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """What the disk refuses is one line that says what to do."""
    try:
        yield
    except OSError as error:
        reason, hint = os_reason(error), N_("make room there and run again: what is done is kept")
        raise StageError("{path}: {reason}", hint=hint, path=str(error.filename or folder), reason=reason) from error


def step_preprocess(job: Job) -> Outcome:
    """Write `<video id>.bin` for each of the subset's videos that has frames, and the info file.

    A `.bin` is float32 (10, 3, 16, 112, 112): clips beyond ten cut, fewer than ten padded with zeros. Videos without
    frames, or with frames that cannot be used, are skipped and not in the info file.
    """
    given, params = decode(StepParams, dict(job.params)), PreprocessParams()
    _check(given)
    annotation = read_annotation(given.annotation_path)
    for entry in annotation.skipped_in(given.subset):
        job.set_aside(entry.item, entry.reason)
    videos = subset(annotation, given.annotation_path, given.subset)
    for folder in (given.output_path, given.info_path.absolute().parent):
        make_folder(folder)
    begun, clips, info = time.monotonic(), 0, []
    tasks = [ClipTask(video, params, given.output_path / f"{video.id}.bin") for video in videos]
    make = partial(bin_of_frames, given.video_path)
    with (
        _writing(given.output_path),
        durable(given.output_path) as sync,
        contextlib.closing(outcomes(tasks, _workers(job), make, job.check_stop)) as made_bins,
    ):
        for done, (task, made) in enumerate(made_bins, start=1):
            if made.reason.template:
                job.set_aside(task.video.id, made.reason, is_temporary=made.is_temporary)
            else:
                sync(task.part.name)
                info.append((task.video.id, made.clips_before_cut))
                clips += min(made.clips_before_cut, params.max_clips)
            rate = done / (time.monotonic() - begun)
            job.progress(done, len(videos), "videos", rate=rate, figures={"clips": clips})
    if not info:
        hint = N_("frames are expected as <class>/<video>/image_00001.jpg")
        raise StageError("{path}: no video could be used", hint=hint, path=str(given.video_path))
    write_info(given.info_path, info)
    before, seconds = sum(count for _, count in info), time.monotonic() - begun
    return Outcome({"videos": len(info), "clips": clips, "clips_before_cut": before, "clips_per_s": clips / seconds})


def _check(given: StepParams) -> None:
    if given.inference_batch_size != 1:
        raise InputError(
            "--inference_batch_size={n}: only 1 can be written",
            hint="1 gives a .bin a video, of ten clips: the batch of 10 that the guide's model and ais_bench read",
            n=given.inference_batch_size,
        )
    named(given.dataset)  # refuses one that is not known; frames and json have the same form in all
    if not given.video_path.is_dir():
        hint = N_("give the folder of frames, <class>/<video>/image_00001.jpg")
        raise InputError("--video_path={path}: no such folder", hint=hint, path=str(given.video_path))
