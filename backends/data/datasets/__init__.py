"""Data sets, one module each: what their lists look like, how videos and classes are named in them.

Whoever has a folder asks `known_lists`; the annotate stage reads the lists of what was recognised. A module of this
package that holds a subclass of `Dataset` is found by itself: there is no list to edit.
"""

import csv
import importlib
import pkgutil
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import ClassVar

from msgspec import Struct

from backends.core.events import Skipped
from backends.core.files import read_file
from backends.core.messages import N_, InputError, Line, line, os_reason
from backends.core.settings import VIDEO_SUFFIXES
from backends.data.annotation import name_problem, short

LARGEST_LIST = 256 << 20
"""Bytes of one list; the training list of Kinetics-700 has 30 MB."""

UNLABELLED = "test"
"""Folder of the frames of videos whose class the data set keeps to itself, as the reference has it."""


class ListedVideo(Struct, frozen=True):
    """One video of a list; `label` is empty where the list gives none."""

    id: str
    label: str
    subset: str

    @property
    def folder(self) -> str:
        """The class folder that its video and frames lie in."""
        return self.label or UNLABELLED


class Lists(Struct, frozen=True):
    labels: tuple[str, ...]
    """In class order: a class's number is its place here."""
    videos: tuple[ListedVideo, ...]
    """In the reference's order; each id once."""
    skipped: tuple[Skipped, ...] = ()


class Dataset(ABC):
    """What one data set knows; subclasses have no state."""

    name: ClassVar[str]
    """As in `step annotate --dataset=NAME`."""
    title: ClassVar[str]
    form: ClassVar[str]
    """What its lists are called, for a hint."""

    @abstractmethod
    def splits(self, names: Sequence[str]) -> tuple[int, ...]:
        """Numbers of the splits that a folder with files of these names has lists for; none: it is not this one."""

    @abstractmethod
    def read(self, folder: Path, split: int) -> Lists:
        """The lists of a split that the folder has. InputError for a list in another form."""

    @abstractmethod
    def json_name(self, split: int) -> str:
        """What the reference calls the annotation of a split."""

    def class_of(self, video: str) -> str | None:
        """The class that a video's name gives, for a video outside class folders; None where it gives none."""
        del video
        return None

    def described(self, names: Sequence[str]) -> Line:
        """What a folder was recognised as."""
        splits = ", ".join(map(str, self.splits(names)))
        return line("{title}, split {splits}", title=self.title, splits=splits)


@cache
def datasets() -> tuple[Dataset, ...]:
    """One of each data set in the package, by name."""
    modules = [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    kinds = [(kind, module) for module in modules for kind in vars(module).values() if isinstance(kind, type)]
    found = [kind() for kind, module in kinds if issubclass(kind, Dataset) and kind.__module__ == module.__name__]
    return tuple(sorted(found, key=lambda one: one.name))


def named(name: str) -> Dataset:
    """The data set of a name; InputError, with those that are known, where there is none."""
    known = {one.name: one for one in datasets()}
    if name in known:
        return known[name]
    raise InputError("--dataset={name}: not known", hint="one of {known}", name=name, known=", ".join(known))


def known_lists(folder: Path) -> Dataset:
    """The data set whose lists a folder holds; InputError, with the forms that are known, where it holds none."""
    names = list_names(folder)
    if found := next((one for one in datasets() if one.splits(names)), None):
        return found
    hint = N_("give the folder or the archive of the lists: {forms}")
    forms = "; ".join(f"{one.title}: {one.form}" for one in datasets())
    raise InputError("{path}: no lists of a known data set", hint=hint, path=str(folder), forms=forms)


def read_lists(folder: Path, split: int, dataset: Dataset | None = None) -> tuple[Dataset, Lists]:
    """The lists of one split. Split 1, the default, is also the only one of a data set that numbers its lists
    otherwise (Kinetics: by its classes).

    InputError where the lists are of no known form, or there are none of this split.
    """
    found = dataset or known_lists(folder)
    splits = found.splits(list_names(folder))
    if split not in splits and split == 1 and len(splits) == 1:
        split = splits[0]
    if split not in splits:
        there = ", ".join(map(str, splits))
        text = N_("{path}: no lists of {title} for split {split}") if splits else N_("{path}: no lists of {title}")
        hint = N_("set dataset.split to one of {there}") if splits else N_("its lists are {form}")
        facts = {"path": str(folder), "title": found.title, "there": there, "form": found.form}
        raise InputError(text, hint=hint, split=split, **facts)
    return found, found.read(folder, split)


def list_names(folder: Path) -> list[str]:
    """Names of what lies in a folder, sorted, hidden ones left out. InputError where it cannot be read."""
    try:
        return sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        reason, hint = os_reason(error), N_("give the folder of the lists, or their archive")
        raise InputError("{path}: {reason}", hint=hint, path=str(folder), reason=reason) from None


def list_lines(file: Path) -> list[str]:
    """The lines of a list, without their ends; InputError where it is no regular file, or far too large."""
    data = read_file(file, hint=N_("give a text file"), most=LARGEST_LIST)
    return data.decode("utf-8-sig", "surrogateescape").replace("\r\n", "\n").split("\n")


def list_rows(file: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of a list in CSV that are not empty, each with the number of its last line; InputError as `list_lines`,
    and where it is no CSV."""
    rows = csv.reader(list_lines(file))
    try:
        for row in rows:
            if row:
                yield rows.line_num, row
    except csv.Error as error:
        text = N_("{path}, line {n}: no list: {reason}")
        raise InputError(text, hint=N_("give a CSV file"), path=str(file), n=rows.line_num, reason=str(error)) from None


def listed_paths(
    file: Path, subset: str, skipped: list[Skipped], known: Mapping[str, str] | None = None
) -> Iterator[ListedVideo]:
    """Lines `<class>/<video>`, a number behind it or not. `known`: classes by `casefold`, where case may differ."""
    for number, text in enumerate(list_lines(file), 1):
        label, slash, rest = text.strip().partition("/")
        if slash and label and rest:
            name = video_id(re.sub(r"[\s,]+\d+$", "", rest))
            yield ListedVideo(name, (known or {}).get(label.casefold(), label), subset)
        elif text.strip():
            wrong = line("line {n} of {file}: not <class>/<video>", n=number, file=short(file.name))
            skipped.append(Skipped(short(text.strip()), wrong, subset=subset))


def video_id(name: str) -> str:
    """The id that a video file's name gives: the name without its suffix."""
    stem, _, suffix = name.rpartition(".")
    return stem if stem and "." + suffix.lower() in VIDEO_SUFFIXES else name


def usable(labels: Iterable[str], videos: Iterable[ListedVideo], skipped: Iterable[Skipped] = ()) -> Lists:
    """Lists of what can be used: names that cannot be those of files, unknown labels and ids that are listed for two
    different classes or subsets are skipped by name."""
    classes = tuple(dict.fromkeys(label for label in labels if not name_problem(label)))
    known, out = frozenset(classes), list(skipped)
    unique, kept = tuple(dict.fromkeys(videos)), []
    times = Counter(video.id for video in unique)
    for video in unique:
        reason = name_problem(video.id)
        if (count := times[video.id]) != 1:
            if not count:
                continue  # it was named before
            times[video.id] = 0
            reason = line("the id stands in the lists {n} times", n=count)
        elif not reason and video.label and video.label not in known:
            reason = line("the label {label} is not in the list of labels", label=short(ascii(video.label)))
        if reason:
            out.append(Skipped(short(video.id), reason, subset=video.subset))
        else:
            kept.append(video)
    return Lists(classes, tuple(kept), tuple(out))
