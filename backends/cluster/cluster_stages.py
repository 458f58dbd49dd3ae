"""The stages preprocess and infer where `[cluster]` is set: what servers computed, in the files of one machine.

`preprocess` has the servers decode and infer in one pass, and writes the index of their clips; `infer` takes the rows
that came with it. Index and rows have the digests of one machine, so that what depends on them is the same.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from backends.ascend.compile import chip_of
from backends.cluster.cluster_run import ClusterRun, ClusterWork, make_carrier
from backends.cluster.shard_protocol import ModelFile, ServerSetup, ShardVideo, VideoResult, model_file
from backends.cluster.spool import Spool
from backends.core.codec import DecodeError, decode, dumps, loads
from backends.core.events import Outcome
from backends.core.files import write_whole
from backends.core.messages import N_, InputError, StageError, line
from backends.core.processes import SIMULATED
from backends.core.settings import ClusterSettings
from backends.data.annotation import Video, read_annotation
from backends.data.clip_store import REMOTE, ClipIndex, VideoClips, read_index
from backends.data.clip_writer import write_index
from backends.data.data_specs import LABELS, PreprocessParams
from backends.data.preprocess import header, subset, write_counted
from backends.data.score_rows import RowsWriter
from backends.data.score_rows_reader import check_rows
from backends.data.video_clips import clips_of_frames, read_video
from backends.data.video_sources import find_sources
from backends.device.clip_format import shard_path
from backends.inference.infer import ROWS, Params, Tuning
from backends.models.clip_logits import spread
from backends.worker.job import Job

SPOOL, WORK = "spool", "work.json"
NO_FILE = line("no video file found")
Sources = Mapping[tuple[str, str], Path]


class ClusterTuning(Struct, frozen=True):
    """What the plan hands to both stages. None of it decides what they give."""

    cluster: ClusterSettings
    root: Path
    """The folder of videos, or of their frames."""
    is_of_frames: bool = False
    clips: PreprocessParams = field(default_factory=PreprocessParams)
    infer: Params = field(default_factory=Params)
    devices: Tuning = field(default_factory=Tuning)
    verify_clips: int = 0
    """Clips that the verify stage compares on: they are made on the head as well."""
    workers: int = 0
    silent_s: float = 30.0


def preprocess(job: Job) -> Outcome:
    """Stage `preprocess`: the index of the clips of the subset's videos; beside it the rows, in the spool."""
    params, tuning = decode(PreprocessParams, dict(job.params)), _tuning(job)
    annotation = job.upstream["annotate"].path("annotation")
    whole = read_annotation(annotation)
    videos = subset(whole, annotation, params.subset)
    sources = _sources(job, tuning, videos)
    wanted = [ShardVideo(sources[one.label, one.id], one) for one in videos if (one.label, one.id) in sources]
    spool, work = _computed(job, tuning, job.out / SPOOL, wanted)
    index = _write_store(job, params, (spool.result(one.id) or VideoResult(one, reason=NO_FILE) for one in videos))
    if not index.videos:
        hint = N_("see what was skipped, and why")
        raise StageError("none of the {n} videos could be used", hint=hint, n=len(videos))
    _make_sample(job, index, params, tuning, sources)
    write_whole(job.out / LABELS, json.dumps(whole.labels).encode("ascii"))
    figures = {
        "videos": len(index.videos),
        "clips": index.clip_count,
        "clips_before_cut": sum(video.clips_before_cut for video in index.videos),
        "servers": work.servers,
        "clips_per_s": work.clips / work.seconds if work.clips else None,
    }
    outputs = {"store": "store", "labels": LABELS, "spool": SPOOL, **write_counted(job, whole, index)}
    return Outcome(figures, outputs, index.digest)


def infer(job: Job) -> Outcome:
    """Stage `infer`: the rows that came with the clips; another model's are computed by a pass of their own."""
    params, tuning = decode(Params, dict(job.params)), _tuning(job)
    store = job.upstream["preprocess"].path("store")
    index = read_index(store, crc=True)
    made = job.upstream["preprocess"].path(SPOOL) if job.upstream["preprocess"].has(SPOOL) else None
    videos = [Video(one.id, one.label, "", *one.segment) for one in index.videos]
    known = Spool(made / pass_name(_model(job), params)) if made is not None else None
    if known is not None and all(one.id in known for one in videos):
        spool, work = known, _read_work(known)
    else:
        sources = _sources(job, tuning, videos)
        wanted = [ShardVideo(sources[one.label, one.id], one) for one in videos if (one.label, one.id) in sources]
        spool, work = _computed(job, tuning, job.out / SPOOL, wanted)
    rows = _write_rows(job, index, spool, work)
    label = " simulated" if os.environ.get(SIMULATED) else ""
    figures = {
        "runtime": work.runtime + label,
        "runtime_version": work.runtime_version + label or None,
        "devices": work.devices,
        "servers": work.servers,
        "clips": rows,
        "batch": params.batch,
        "layout": params.layout,
        "seconds": None,
        "clips_per_s": None,  # of inference alone nobody measured it: the servers decode at the same time
        "pass_seconds": work.seconds,
        "pass_clips_per_s": work.clips / work.seconds if work.clips else None,
        "videos": len(videos),
    }
    return Outcome(figures, {"rows": ROWS}, check_rows(job.out / ROWS).digest)


def _tuning(job: Job) -> ClusterTuning:
    return decode(ClusterTuning, dict(job.tuning))


def _model(job: Job) -> ModelFile:
    compiled = job.upstream.get("compile")
    source = compiled or job.upstream.get("simplify")
    if source is None:
        raise InputError("no model to run inference with", hint=N_("run the stages before this one"))
    path = source.path("om" if compiled else "onnx")
    model = model_file(path)
    return replace(model, soc_version=chip_of(path) or "") if compiled else model


def pass_name(model: ModelFile, params: Params) -> str:
    """What decides the rows, as the name of a folder."""
    return hashlib.sha256(dumps((model.sha256, params)).encode()).hexdigest()[:20]


def _sources(job: Job, tuning: ClusterTuning, videos: Sequence[Video]) -> Sources:
    """By label and id the video's file, or its folder of frames, whether or not that is there."""
    if tuning.is_of_frames:
        return {(one.label, one.id): tuning.root / one.label / one.id for one in videos}
    found = find_sources(job, tuning.root, job.scratch / "unpacked", {one.id: one.label for one in videos})
    return {(source.label, source.id): source.path for source in found}


def _computed(job: Job, tuning: ClusterTuning, folder: Path, videos: Sequence[ShardVideo]) -> tuple[Spool, ClusterWork]:
    """The spool with a result of every video. What earlier attempts got back for this model is kept."""
    model, infer = _model(job), tuning.infer
    spool = Spool(folder / pass_name(model, infer))
    if len(spool):
        job.note(line("{n} videos came back before", n=len(spool)))
    if not videos:
        return spool, _read_work(spool)
    setup = ServerSetup(
        "",
        tuning.clips,
        model,
        infer.target,
        infer.runtime,
        infer.batch,
        tuning.cluster.scratch,
        next((one.path for one in videos if one.path.exists()), videos[0].path),
        tuning.devices.devices,
        infer.options,
        tuning.devices.acl_python,
        tuning.workers,
        tuning.silent_s,
        is_of_frames=tuning.is_of_frames,
    )
    carrier = make_carrier(tuning.cluster, job.workspace)
    run = ClusterRun(job, carrier, spool, setup, tuning.cluster.servers, tuning.cluster.shard_videos)
    work = run.run(videos)
    if work.clips:
        write_whole(spool.folder / WORK, dumps(work).encode("ascii"))
    return spool, _read_work(spool)


def _read_work(spool: Spool) -> ClusterWork:
    """Of the attempt that computed last; it is for people alone."""
    try:
        return loads(ClusterWork, (spool.folder / WORK).read_bytes())
    except (OSError, DecodeError):
        return ClusterWork(0.0, 0, 0, 0, "", "")


def _write_store(job: Job, params: PreprocessParams, results: Iterable[VideoResult]) -> ClipIndex:
    """The index as one machine writes it; a mark says that its clips are elsewhere."""
    store = job.out / "store"
    shutil.rmtree(store, ignore_errors=True)
    store.mkdir()
    (store / REMOTE).touch()
    write_index(store, header(params), _index_rows(job, results), whole=True)
    return read_index(store, crc=True)


def _index_rows(job: Job, results: Iterable[VideoResult]) -> Iterator[tuple[VideoClips, Sequence[int]]]:
    first = 0
    for result in results:
        video = result.video
        if result.reason.template:
            job.set_aside(video.id, result.reason, is_temporary=result.is_temporary)
            continue
        segment, count = (video.first, video.end), len(result.crc)
        yield VideoClips(video.id, video.label, first, count, result.clips_before_cut, segment), result.crc
        first += count


def _make_sample(job: Job, index: ClipIndex, params: PreprocessParams, tuning: ClusterTuning, sources: Sources) -> None:
    """The clips that the verify stage compares on, made here, in their places; they must be those of the servers."""
    wanted, read = tuning.verify_clips, clips_of_frames if tuning.is_of_frames else read_video
    numbers = frozenset(spread(index.clip_count, wanted)) if wanted else frozenset()
    for video in (one for one in index.videos if numbers.intersection(one.numbers)):
        job.check_stop()
        made = read(sources[video.label, video.id], Video(video.id, video.label, "", *video.segment), params)
        for number in numbers.intersection(video.numbers):
            data = None if made.clips is None else made.clips[number - video.first].tobytes()
            _place(job.out / "store", index, number, data, video.id)


def _place(store: Path, index: ClipIndex, number: int, data: bytes | None, name: str) -> None:
    from backends.device.clip_kernels import crc32

    if data is None or crc32(data) != index.crc[number]:
        hint = N_("see that head and servers have one version of r3d-tui, and see the same videos")
        raise StageError("{video}: a server made other clips of it than the head", hint=hint, video=name)
    shard, place = divmod(number, index.header.shard_clips)
    descriptor = os.open(shard_path(store, shard), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.pwrite(descriptor, data, place * index.header.clip_bytes)
    finally:
        os.close(descriptor)


def _write_rows(job: Job, index: ClipIndex, spool: Spool, work: ClusterWork) -> int:
    """The rows of every video of the index, under the numbers that it gives its clips; how many."""
    places = {video.id: video for video in index.videos}
    path, writer = job.out / ROWS, None
    path.unlink(missing_ok=True)
    try:
        for result in _fitting(job, index, spool):
            scores = spool.scores(result.video.id)
            if writer is None:
                writer = RowsWriter.open_or_resume(path, scores.shape[1], work.runtime)
            writer.append(list(places[result.video.id].numbers), scores)
        if writer is None:
            raise StageError("no clip has scores", hint=N_("see what was skipped, and why"))
        writer.sync()
        return len(writer)
    finally:
        if writer is not None:
            writer.close()


def _fitting(job: Job, index: ClipIndex, spool: Spool) -> Iterable[VideoResult]:
    """The results of the index's videos. One without clips is skipped by name; other clips than the index's refuse."""
    for video in index.videos:
        job.check_stop()
        result = spool.result(video.id) or VideoResult(Video(video.id, video.label, ""), reason=NO_FILE)
        if result.reason.template:
            job.set_aside(video.id, result.reason, is_temporary=result.is_temporary)
        elif tuple(result.crc) != tuple(index.crc[number] for number in video.numbers):
            hint = N_("the video changed, or another version decoded it: r3d-tui rerun preprocess")
            raise StageError("{video}: its clips are not those of the clip store", hint=hint, video=video.id)
        else:
            yield result
