"""The annotate stage: an annotation in the reference's form from a given one, from a data set's lists, or from folders.

It reads no pixels: a video is its id, its label and how many frames it has.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from backends.core.events import Outcome, Skipped
from backends.core.files import make_folder, write_whole
from backends.core.messages import N_, InputError, Line, line
from backends.data.annotation import (
    OPEN_END,
    Annotation,
    Video,
    annotation_pieces,
    name_problem,
    read_annotation,
    short,
)
from backends.data.archives import Unpacking
from backends.data.class_names import read_class_names
from backends.data.datasets import Dataset, Lists, known_lists, list_names, named, read_lists
from backends.data.datasets.class_folders import subset_by_share
from backends.data.datasets.hmdb51 import HMDB51
from backends.data.video_files import EXAMPLE, Source, count_frames, folder_names
from backends.data.video_sources import find_sources
from backends.worker.job import Job


class Annotated(Struct, frozen=True):
    """An annotation, and how many of its subset's videos have no frames."""

    annotation: Annotation
    missing: int | None
    """None: there was no folder of frames to look in."""
    unlisted: int = 0
    """Entries and videos of the subset that are not in the annotation for what is wrong with them."""


class Frames:
    """How many frames each video has, as their folders hold."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise InputError("{path}: no folder of frames", hint="it must hold {example}", path=str(folder),
                             example=EXAMPLE)  # fmt: skip
        self.folder = folder

    is_counted = True

    def count(self, label: str, video: str) -> int | None:
        """Frames of a video; None where it has no folder."""
        return count_frames(self.folder / label / video)

    def classes(self) -> Mapping[str, Collection[str]]:
        """The video folders of each class folder that holds some."""
        return {name: videos for name in folder_names(self.folder) if (videos := folder_names(self.folder / name))}


class UncountedFrames(Frames):
    """Videos whose frames nobody has counted: preprocess does, and closes their segments."""

    is_counted = False

    def __init__(self, folder: Path, sources: Iterable[Source]) -> None:
        self.folder = folder
        self._ids: dict[str, set[str]] = {}
        for source in sources:
            self._ids.setdefault(source.label, set()).add(source.id)

    def count(self, label: str, video: str) -> int | None:  # noqa: ARG002 - all are there
        return OPEN_END - 1

    def classes(self) -> Mapping[str, Collection[str]]:
        return self._ids


def run(job: Job) -> Outcome:
    """Stage `annotate`: `annotation.json` in the reference's form.

    Params: `subset`, `split`, `classes` (None: unknown), `share` (of videos in the subset, where nothing lists them).
    Inputs: `annotation` or `splits` (a folder of lists or its archive) or neither; `frames` where a folder of them is
    given, else `videos` where nothing lists them; `labels` (a file of class names) where one is given.
    """
    subset = str(job.params.get("subset") or "validation")
    made = _make(job, subset)
    skipped = made.annotation.skipped_in(subset)
    for item in skipped:
        job.set_aside(item.item, item.reason)
    if others := len(made.annotation.set_aside) - len(skipped):
        job.note(line("{n} entries of other subsets cannot be used", n=others), "warning")
    videos = len(made.annotation.subset(subset))
    _check_subset(made.annotation, subset, videos)
    if made.missing:
        text = line("{missing} of {videos} videos of the subset have no frames", missing=made.missing, videos=videos)
        job.note(text, "warning")
    return _write(made, job.out / "annotation.json", job.out, videos)


def step_annotate(job: Job) -> Outcome:
    """`step annotate LISTS FRAMES DESTINATION`: as the reference's `hmdb51_json.py` and its like.

    Params: `dir_path` (the lists), `video_path` (the frame folders), `dst_dir_path` (a folder, or the json itself; else
    `job.out`), `split` (None or 0: all that there are, as the scripts do), `dataset` (None: what is recognised).
    """
    given, frames = _path(job, "dir_path", "splits"), _path(job, "video_path", "frames")
    if given is None or frames is None:
        hint = N_("give the folder of lists, then the folder of frames")
        raise InputError("the lists or the frames are not given", hint=hint)
    folder = _unpacked(job, given)
    dataset = named(str(job.params["dataset"])) if job.params.get("dataset") else known_lists(folder)
    splits = dataset.splits(list_names(folder))
    wanted = (int(job.params["split"]),) if job.params.get("split") else splits or (1,)
    target = Path(str(job.params.get("dst_dir_path") or job.out)).absolute()
    paths = [target] if target.suffix == ".json" else [target / dataset.json_name(split) for split in wanted]
    make_folder(paths[0].parent)
    outcome = Outcome()
    for done, (split, path) in enumerate(zip(wanted, paths, strict=False)):
        job.progress(done, len(wanted), "files")
        job.check_stop()
        made = _from_lists(read_lists(folder, split, dataset)[1], Frames(frames), "validation")
        for item in made.annotation.set_aside:
            job.set_aside(item.item, item.reason)
        outcome = _write(made, path, path.parent, len(made.annotation.subset("validation")))
        job.note(line("{path}: {videos} videos", path=str(path), videos=len(made.annotation.videos)))
    job.progress(len(wanted), len(wanted), "files")
    outputs = {f"annotation_{split}": str(path) for split, path in zip(wanted, paths, strict=False)}
    return Outcome(outcome.figures, outputs, outcome.digest)


def _path(job: Job, option: str, name: str) -> Path | None:
    value = job.params.get(option) or job.inputs.get(name)
    return Path(str(value)).absolute() if value else None


def _make(job: Job, subset: str) -> Annotated:
    given = job.inputs.get("frames")
    frames = Frames(given) if given else None
    labels = job.inputs.get("labels")
    if path := job.inputs.get("annotation"):
        annotation = read_annotation(path)
        if labels:
            annotation = _relabelled(annotation, read_class_names(labels), labels)
        missing = None if frames is None else _count_missing(annotation, frames, subset)
        return Annotated(annotation, missing, len(annotation.skipped_in(subset)))
    if frames is None:
        frames = _uncounted(job)
    if path := job.inputs.get("splits"):
        dataset, lists = read_lists(_unpacked(job, path), int(job.params.get("split") or 1))
        job.note(_taken_for(path, dataset, lists))
        return _from_lists(lists, frames, subset)
    if job.params.get("share") is None:
        text = N_("no annotation is given: every video found in {path} is taken, with its folder's name as its label")
        job.note(line(text, path=str(frames.folder)), "warning")
    order = read_class_names(labels) if labels else None
    annotation = _from_folders(frames, subset, order, job.params.get("classes"), job.params.get("share"))
    return Annotated(annotation, 0, len(annotation.skipped_in(subset)) + job.set_aside_count)


def _uncounted(job: Job) -> Frames:
    """The videos themselves; where lists name them, they are looked for when they are decoded."""
    root = job.inputs.get("videos")
    if "splits" in job.inputs:
        return UncountedFrames(job.out, ())
    if root is None:
        raise InputError("no frames are given", hint="give videos or frames under [dataset] in r3d.toml")
    unpacked = job.scratch / "videos"
    try:
        return UncountedFrames(root, find_sources(job, root, unpacked, {}))
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)


def _taken_for(path: Path, dataset: Dataset, lists: Lists) -> Line:
    text = N_("{path}: lists of {title}, {classes} classes")
    return line(text, path=str(path), title=dataset.title, classes=len(lists.labels))


def _unpacked(job: Job, lists: Path) -> Path:
    """The folder of lists, whether it was given or its archive."""
    return Unpacking(job.scratch / "unpacked", job.check_stop, job.set_aside).splits(lists)


def _write(made: Annotated, path: Path, root: Path, videos: int) -> Outcome:
    annotation, digest = made.annotation, hashlib.sha256()

    def pieces() -> Iterator[bytes]:
        for piece in annotation_pieces(annotation):
            digest.update(piece)
            yield piece

    write_whole(path, pieces())
    figures = {
        "classes": len(annotation.labels),
        "videos": len(annotation.videos),
        "subset_videos": videos,
        "missing": made.missing,
        "unlisted": made.unlisted,
    }
    return Outcome(figures, {"annotation": path.relative_to(root).as_posix()}, digest.hexdigest())


def _check_subset(annotation: Annotation, subset: str, videos: int) -> None:
    if videos:
        return
    others = Counter(video.subset for video in annotation.videos)
    there = ", ".join(f"{short(ascii(name))} ({count})" for name, count in others.most_common(5)) or "-"
    hint = N_("choose one of those that are there: {there}")
    raise InputError("the annotation has no video of the subset {subset}", hint=hint, subset=subset, there=there)


def _refuse_frames(frames: Frames, video: Video) -> None:
    raise InputError(
        "{path}: none of the subset's videos has a folder of frames here",
        hint="it must hold {example}, such as {first}",
        path=str(frames.folder),
        example=EXAMPLE,
        first=f"{video.label}/{video.id}",
    )


# --- an annotation that is given -------------------------------------------------------------------------------------


def _count_missing(annotation: Annotation, frames: Frames, subset: str) -> int:
    """Videos of the subset without a frame folder: one listing a class, not one question a video."""
    videos = annotation.subset(subset)
    missing = 0
    by_label: dict[str, list[str]] = {}
    for video in videos:
        by_label.setdefault(video.label, []).append(video.id)
    for label, names in by_label.items():  # one listing at a time: all together are all names
        missing += len(set(names) - folder_names(frames.folder / label))
    if videos and missing == len(videos):
        _refuse_frames(frames, videos[0])
    return missing


def _relabelled(annotation: Annotation, labels: tuple[str, ...], path: Path) -> Annotation:
    """The annotation with another list of classes; videos of classes that it does not have are skipped."""
    known = frozenset(labels)
    kept = tuple(video for video in annotation.videos if video.label in known)
    if not kept:
        hint = N_("its names must be those of the annotation")
        raise InputError("{path}: none of its classes is in the annotation", hint=hint, path=str(path))
    return Annotation(labels, kept, (*annotation.set_aside, *_unlisted(annotation.videos, known)))


def _unlisted(videos: Iterable[Video], known: frozenset[str]) -> Iterable[Skipped]:
    for video in videos:
        if video.label not in known:
            reason = line("the label {label} is not in the list of labels", label=short(ascii(video.label)))
            yield Skipped(video.id, reason, subset=video.subset)


# --- lists of a data set, and folders --------------------------------------------------------------------------------


def _from_lists(lists: Lists, frames: Frames, subset: str) -> Annotated:
    """What the reference's script makes of the lists. Where it ends with an error at a video without a folder, the
    video is listed here without a segment: it counts for the accuracy of all videos."""
    videos = []
    missing: list[Video] = []
    for entry in lists.videos:
        count = frames.count(entry.folder, entry.id)
        first, end = (0, 0) if count is None else (1, count + 1)
        videos.append(video := Video(entry.id, entry.label, entry.subset, first, end))
        if not video.frames and video.subset == subset:
            missing.append(video)
    if missing and not any(video.subset == subset and video.frames for video in videos):
        _refuse_frames(frames, missing[0])
    annotation = Annotation(lists.labels, tuple(videos), lists.skipped)
    return Annotated(annotation, len(missing) if frames.is_counted else None, len(annotation.skipped_in(subset)))


def _from_folders(
    frames: Frames, subset: str, labels: tuple[str, ...] | None, classes: object, share: float | None
) -> Annotation:
    """Every video found, in the order of class and name. Classes are sorted by name where no file orders them."""
    videos_of = frames.classes()
    names = sorted(videos_of)
    if not names:
        raise InputError("{path}: no frames", hint="it must hold {example}", path=str(frames.folder), example=EXAMPLE)
    if labels is None:
        labels = HMDB51 if classes in (None, 51) and set(names) <= set(HMDB51) else tuple(names)
    found: dict[str, Video] = {}
    twice: set[str] = set()
    skipped: list[Skipped] = []
    for label in names:
        for identity in sorted(videos_of[label]):
            problem = name_problem(identity) or name_problem(label)
            count = frames.count(label, identity)
            if not problem and label not in labels:
                problem = line("the label {label} is not in the list of labels", label=short(ascii(label)))
            if problem or not count:
                reason = problem or line("it has no frames")
                skipped.append(Skipped(short(f"{label}/{identity}"), reason, subset=subset))
            elif identity in found:
                twice.add(identity)
            else:
                its = subset_by_share(label, identity, share, subset)
                found[identity] = Video(identity, label, its, 1, count + 1)
    skipped += (Skipped(name, line("the id stands in more than one class"), subset=subset) for name in sorted(twice))
    usable = tuple(name for name in labels if not name_problem(name))
    videos = tuple(video for video in found.values() if video.id not in twice)
    return Annotation(usable, videos, tuple(skipped))
