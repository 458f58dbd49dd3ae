"""The annotate stage: the guide's json from an annotation, from HMDB51's split files, or from the frame folders alone.

It knows no pixels: a video is its id, its label and how many frame files it has.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from backends.core.errors import InputError
from backends.core.events import Outcome
from backends.core.files import make_folder, write_whole
from backends.core.messages import N_, line, os_reason
from backends.data.annotation import (
    Annotation,
    Skipped,
    Video,
    annotation_pieces,
    name_trouble,
    read_annotation,
    short,
)
from backends.data.archive_tools import Keeper
from backends.data.archives import Unpacking
from backends.data.class_names import HMDB51, read_class_names
from backends.data.split_files import read_splits
from backends.worker.job import Job

EXAMPLE = "<class>/<video>/image_00001.jpg"


@dataclass(frozen=True, slots=True)
class Made:
    """An annotation, and how many of its subset's videos have no frames."""

    annotation: Annotation
    missing: int | None
    """None: there was no folder of frames to look in."""
    unlisted: int = 0
    """Entries and videos that are not in the annotation for what is wrong with them; they count as set aside."""


def run(job: Job) -> Outcome:
    """Stage `annotate`: `annotation.json` in the guide's form.

    Params: `subset`, `split`, `classes` (None: unknown). Inputs: `annotation` or `splits` (a folder or its archive) or
    neither, `frames` unless the frames stage ran, `labels` (a file of class names) where one is given.
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
    """`step annotate SPLITS FRAMES DESTINATION`: as the guide's `hmdb51_json.py`, writes `hmdb51_<n>.json` there.

    Params: `dir_path` (the split files), `video_path` (the frame folders), `dst_dir_path` (else `job.out`), `split`
    (1, 2 or 3; None or 0: all three, as the script does).
    """
    splits, frames = _path(job, "dir_path", "splits"), _path(job, "video_path", "frames")
    if splits is None or frames is None:
        hint = N_("give the folder of split files, then the folder of frames")
        raise InputError("the split files or the frames are not given", hint=hint)
    target = Path(str(job.params.get("dst_dir_path") or job.out)).absolute()
    make_folder(target)
    splits = _unpacked(job, splits)
    outcome = Outcome()
    numbers = [int(job.params["split"])] if job.params.get("split") else [1, 2, 3]
    for done, split in enumerate(numbers):
        job.progress(done, len(numbers), "files")
        job.check_stop()
        made = _from_splits(splits, split, frames, "validation")
        for item in made.annotation.set_aside:
            job.set_aside(item.item, item.reason)
        videos = len(made.annotation.subset("validation"))
        outcome = _write(made, target / f"hmdb51_{split}.json", target, videos)
        job.note(line("{path}: {videos} videos", path=str(target / f"hmdb51_{split}.json"),
                      videos=len(made.annotation.videos)))  # fmt: skip
    job.progress(len(numbers), len(numbers), "files")
    outputs = {f"annotation_{split}": str(target / f"hmdb51_{split}.json") for split in numbers}
    return Outcome(outcome.figures, outputs, outcome.digest)


def _path(job: Job, option: str, name: str) -> Path | None:
    value = job.params.get(option) or job.inputs.get(name)
    return Path(str(value)).absolute() if value else None


def _make(job: Job, subset: str) -> Made:
    upstream = job.upstream.get("frames")
    frames = upstream.path("frames") if upstream else job.inputs.get("frames")
    if path := job.inputs.get("annotation"):
        annotation = read_annotation(path)
        if labels := job.inputs.get("labels"):
            annotation = _relabelled(annotation, read_class_names(labels), labels)
        missing = None if frames is None else _count_missing(annotation, frames, subset)
        return Made(annotation, missing, len(annotation.skipped_in(subset)))
    if frames is None:
        raise InputError("no frames are given", hint="give videos or frames under [dataset] in r3d.toml")
    if path := job.inputs.get("splits"):
        return _from_splits(_unpacked(job, path), int(job.params.get("split") or 1), frames, subset)
    job.note(line("no annotation is given: every video found in {path} is taken, with its folder's name as its label",
                  path=str(frames)), "warning")  # fmt: skip
    labels = job.inputs.get("labels")
    annotation = _from_folders(frames, subset, read_class_names(labels) if labels else None, job.params.get("classes"))
    broken = upstream.outcome.set_aside_count if upstream else 0
    return Made(annotation, 0, len(annotation.set_aside) + broken)


def _unpacked(job: Job, splits: Path) -> Path:
    """The folder of split files, whether it was given or its archive."""
    keeper = Keeper(job.workspace, job.check_stop)
    return Unpacking(job.scratch / "unpacked", keeper, job.set_aside).splits(splits)


def _write(made: Made, path: Path, root: Path, videos: int) -> Outcome:
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


# --- an annotation that is given -------------------------------------------------------------------------------------


def _count_missing(annotation: Annotation, frames: Path, subset: str) -> int:
    """Videos of the subset without a frame folder: one listing a class, not one question a video."""
    _check_folder(frames)
    videos = annotation.subset(subset)
    missing = 0
    by_label: dict[str, list[str]] = {}
    for video in videos:
        by_label.setdefault(video.label, []).append(video.id)
    for label, names in by_label.items():  # one listing at a time: all together are all names
        missing += len(set(names) - _folders(frames / label))
    if videos and missing == len(videos):
        _refuse_frames(frames, videos[0])
    return missing


def _check_folder(frames: Path) -> None:
    if not frames.is_dir():
        raise InputError(
            "{path}: no folder of frames", hint="it must hold {example}", path=str(frames), example=EXAMPLE
        )


def _refuse_frames(frames: Path, video: Video) -> None:
    raise InputError(
        "{path}: none of the subset's videos has a folder of frames here",
        hint="it must hold {example}, such as {first}",
        path=str(frames),
        example=EXAMPLE,
        first=f"{video.label}/{video.id}",
    )


def _folders(path: Path) -> frozenset[str]:
    """Names of the folders in a folder, hidden ones left out; none where it is not there."""
    try:
        with os.scandir(path) as found:
            return frozenset(e.name for e in found if not e.name.startswith(".") and e.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()
    except OSError as error:
        reason = os_reason(error)
        raise InputError("{path}: {reason}", hint="make it readable", path=str(path), reason=reason) from None


def _count(folder: Path) -> int:
    """Frame files as the guide's script counts them: names with `image` in them that are not hidden."""
    try:
        with os.scandir(folder) as found:
            return sum("image" in e.name and not e.name.startswith(".") for e in found)
    except (FileNotFoundError, NotADirectoryError):
        return 0


# --- split files and frame folders -----------------------------------------------------------------------------------


def _from_splits(folder: Path, split: int, frames: Path, subset: str) -> Made:
    """What `hmdb51_json.py` makes; it ends with an error at a video without frames, here such a video is skipped."""
    _check_folder(frames)
    splits = read_splits(folder, split)
    videos: list[Video] = []
    aside = [Skipped(one.item, one.reason) for one in splits.set_aside]
    lost: Counter[str] = Counter()
    there = lru_cache(maxsize=None)(_folders)
    first: Video | None = None
    for entry in splits.videos:
        path = frames / entry.label / entry.id
        count = _count(path) if entry.id in there(frames / entry.label) else 0
        video = Video(entry.id, entry.label, entry.subset, 1, count + 1)
        if count:
            videos.append(video)
            continue
        lost[entry.subset] += 1
        first = first or video
        aside.append(Skipped(entry.id, line("it has no frames"), entry.subset))
    if first is not None and not any(video.subset == subset for video in videos) and lost[subset]:
        _refuse_frames(frames, first)
    annotation = Annotation(splits.labels, tuple(videos), tuple(aside))
    return Made(annotation, lost[subset], len(annotation.skipped_in(subset)))


# --- frame folders alone ---------------------------------------------------------------------------------------------


def _from_folders(frames: Path, subset: str, labels: tuple[str, ...] | None, classes: object) -> Annotation:
    """Every video found, in the order of class and name."""
    _check_folder(frames)
    names = sorted(name for name in _folders(frames) if _folders(frames / name))
    if not names:
        raise InputError("{path}: no frames", hint="it must hold {example}", path=str(frames), example=EXAMPLE)
    if labels is None:
        labels = HMDB51 if classes in (None, 51) and set(names) <= set(HMDB51) else tuple(names)
    found: dict[str, Video] = {}
    twice: set[str] = set()
    aside: list[Skipped] = []
    for label in names:
        for identity in sorted(_folders(frames / label)):
            trouble = name_trouble(identity) or name_trouble(label)
            count = _count(frames / label / identity)
            if not trouble and label not in labels:
                trouble = line("the label {label} is not in the list of labels", label=short(ascii(label)))
            if trouble or not count:
                reason = trouble or line("it has no frames")
                aside.append(Skipped(short(f"{label}/{identity}"), reason, subset))
            elif identity in found:
                twice.add(identity)
            else:
                found[identity] = Video(identity, label, subset, 1, count + 1)
    aside += (Skipped(identity, line("the id stands in more than one class"), subset) for identity in sorted(twice))
    usable = tuple(name for name in labels if not name_trouble(name))
    videos = tuple(video for video in found.values() if video.id not in twice)
    return Annotation(usable, videos, tuple(aside))


# --- another list of classes -----------------------------------------------------------------------------------------


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
            yield Skipped(video.id, reason, video.subset)
