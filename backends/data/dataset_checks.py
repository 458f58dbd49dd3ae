"""What is wrong with a data set, found by names and lists alone, before any frame is made: for `check` and `init`.

Each row is a `Finding`; one in the state `missing` is a contradiction that no run gets past.
"""

import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from msgspec import Struct

from backends.core.messages import N_, InputError, Line, line
from backends.core.needs import Finding
from backends.core.settings import VIDEO_SUFFIXES, DatasetSettings, Settings
from backends.data.annotation import read_annotation, short
from backends.data.archives import is_archive
from backends.data.class_names import read_class_names
from backends.data.datasets import known_lists, list_names, read_lists
from backends.data.datasets.hmdb51 import HMDB51
from backends.data.video_files import EXAMPLE, NOT_TAKEN, first_videos, folder_names, frame_names, suffix

NAMES = ("labels", "class folders", "classes", "videos", "frames")
"""Names of the rows."""

SAMPLED = 5
"""Classes of which a folder is looked into."""


class Labelling(Struct, frozen=True):
    """What gives the labels, and what it lists."""

    title: Line
    labels: tuple[str, ...]
    """In class order."""
    folders: Counter[str]
    """Videos of the subset by class folder."""
    subsets: tuple[str, ...]


def read_labelling(dataset: DatasetSettings) -> Labelling | None:
    """None where neither an annotation nor lists are given, or lists lie in an archive. InputError as they raise it.

    An annotation of 650,000 videos takes seconds, and several checks ask: one that is the same file is read once.
    """
    given = dataset.annotation or dataset.splits
    try:
        stamp = given.stat().st_mtime_ns if given else 0
    except OSError:
        stamp = -1  # the reading reports it
    return _read_labelling(dataset, stamp)


@lru_cache(maxsize=2)
def _read_labelling(dataset: DatasetSettings, _stamp: int) -> Labelling | None:
    if dataset.annotation is not None:
        annotation = read_annotation(dataset.annotation)
        title, labels = line("annotation {name}", name=dataset.annotation.name), annotation.labels
        listed = [(video.subset, video.label) for video in annotation.videos]
    elif dataset.splits is not None and not is_archive(dataset.splits):
        found, lists = read_lists(dataset.splits, dataset.split)
        title, labels = line("lists of {title}", title=found.title), lists.labels
        listed = [(video.subset, video.folder) for video in lists.videos]
    else:
        return None
    if dataset.labels != "auto":
        labels = read_class_names(Path(dataset.labels))
    folders = Counter(folder for subset, folder in listed if subset == dataset.subset)
    return Labelling(title, labels, folders, tuple(sorted({subset for subset, _ in listed})))


def dataset_findings(settings: Settings) -> tuple[Finding, ...]:
    """All rows of the settings' data set; nothing raises."""
    try:
        return tuple(_findings(settings))
    except InputError as error:
        return (Finding("labels", "missing", error.line, error.hint),)


def described(dataset: DatasetSettings) -> tuple[Line, ...]:
    """What each input was recognised as, for `init`. InputError where it is of no known form."""
    found = []
    if dataset.splits is not None and not is_archive(dataset.splits):
        lists = known_lists(dataset.splits)
        found.append(line("{path}: {what}", path=str(dataset.splits), what=lists.described(list_names(dataset.splits))))
    if dataset.annotation is not None:
        labels = len(read_annotation(dataset.annotation).labels)
        text = N_("{path}: an ActivityNet-style annotation of {n} classes")
        found.append(line(text, path=str(dataset.annotation), n=labels))
    root = dataset.frames or dataset.videos
    if root is not None and root.is_dir() and not dataset.splits and not dataset.annotation:
        text = N_("{path}: {n} class folders; every video is taken, with its folder's name as its label")
        found.append(line(text, path=str(root), n=len(folder_names(root))))
    return tuple(found)


def _findings(settings: Settings) -> Iterator[Finding]:
    dataset = settings.dataset
    root = dataset.frames or dataset.videos
    labelling = read_labelling(dataset)
    if labelling is not None:
        yield _labels(labelling, dataset.subset)
        if root is not None and root.is_dir():
            yield from _class_folders(labelling, root, frames=dataset.frames is not None)
        yield from _classes(labelling, settings.model.classes)
    if dataset.frames is not None and dataset.frames.is_dir():
        yield from _frame_names(dataset.frames)
    elif dataset.videos is not None and dataset.videos.is_dir():
        yield from _suffixes(dataset.videos)


def _labels(found: Labelling, subset: str) -> Finding:
    if not found.folders:
        text, there = N_("{title}: no video of the subset {subset}"), ", ".join(map(short, found.subsets)) or "-"
        hint = line("set dataset.subset to one of {there}", there=there)
        return Finding("labels", "missing", line(text, title=found.title, subset=subset), hint)
    text = N_("{title}: {classes} classes, {videos} videos of {subset}")
    classes, videos = len(found.labels), found.folders.total()
    return Finding("labels", "met", line(text, title=found.title, classes=classes, videos=videos, subset=subset))


def _class_folders(found: Labelling, root: Path, *, frames: bool) -> Iterator[Finding]:
    """Labels without a folder; one that a folder misses by a space or by case alone is a mistake of names."""
    there = folder_names(root)
    missing = [name for name in found.folders if name not in there]
    near = {_loose(name): name for name in there if name not in found.folders}
    pairs = [(near[_loose(name)], name) for name in missing if _loose(name) in near]
    if pairs:
        text = N_("{n} folders in {path} differ from their label by spaces or case: {folder} is not {label}")
        folder, label = repr(short(pairs[0][0])), repr(pairs[0][1])
        cause = line(text, n=len(pairs), path=str(root), folder=folder, label=label)
        yield Finding("class folders", "missing", cause, line("rename the folders to the labels"))
    elif missing and len(missing) == len(found.folders) and (frames or there):
        text = N_("none of the {n} classes has a folder in {path}")
        example = EXAMPLE if frames else "<class>/<video>.avi"
        hint = line("it must hold {example}, such as {label}", example=example, label=short(missing[0]))
        yield Finding("class folders", "missing", line(text, n=len(missing), path=str(root)), hint)
    elif missing and there:
        text = N_("{n} of {all} classes have no folder in {path}, such as {label}")
        cause = line(text, n=len(missing), all=len(found.folders), path=str(root), label=short(missing[0]))
        yield Finding("class folders", "warning", cause, line("their videos count as not recognised"))


def _loose(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).casefold()


def _classes(found: Labelling, wanted: int | None) -> Iterator[Finding]:
    """The setting against the labels; some of HMDB51's classes with a model of all 51 is well."""
    labels = len(found.labels)
    if wanted is None or wanted == labels or (wanted == len(HMDB51) and set(found.labels) <= set(HMDB51)):
        return
    text = N_("model.classes is {wanted}, but {title} has {labels} classes")
    fix = N_("set {setting} = {value}, or give the annotation that the model was trained with")
    hint = line(fix, setting="model.classes", value=str(labels))
    yield Finding("classes", "missing", line(text, wanted=wanted, title=found.title, labels=labels), hint)


def _frame_names(root: Path) -> Iterator[Finding]:
    """How the first video of some classes names its frames."""
    for folder in first_videos(root, SAMPLED):
        try:
            names = frame_names(folder)
            found = next((path.name for path in sorted(folder.iterdir())), None)
        except OSError:
            continue
        if names is not None:
            first = names.name(1)
            text = (
                N_("named {first}") if first == "image_00001.jpg" else N_("named {first}, not image_00001.jpg as usual")
            )
            yield Finding("frames", "met", line(text, first=first))
            return
        if found is not None:
            text = N_("{folder}: {found} is not the name of a numbered frame")
            hint = line("name them image_00001.jpg, img_00001.jpg, frame000001.jpg or 00001.jpg, from 0 or 1")
            yield Finding("frames", "missing", line(text, folder=str(folder), found=short(found)), hint)
            return


def _suffixes(root: Path) -> Iterator[Finding]:
    """Whether there are videos of a kind that is read, in the first classes."""
    kinds: Counter[str] = Counter()
    for folder in (root, *(root / name for name in sorted(folder_names(root))[:SAMPLED])):
        try:
            kinds.update(suffix(path.name) for path in folder.iterdir() if not path.name.startswith("."))
        except OSError:
            continue
    other = sorted(kind for kind in kinds if kind in NOT_TAKEN)
    if other:
        taken = ", ".join(sorted(VIDEO_SUFFIXES))
        hint = line("convert them to one of {taken}", taken=taken)
        text = line("videos of the kind {kinds} are not read", kinds=", ".join(other))
        yield Finding("videos", "warning" if kinds.keys() & VIDEO_SUFFIXES else "missing", text, hint)
