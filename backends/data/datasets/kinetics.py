"""Kinetics: `kinetics-700_train.csv`, `_val.csv`, perhaps `_test.csv`; a video is `<youtube id>_<start>_<end>`.

Classes are numbered as they first appear in the training list. Many videos of the lists cannot be had any more.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from backends.core.events import Skipped
from backends.core.messages import N_, InputError, line
from backends.data.annotation import short
from backends.data.datasets import Dataset, ListedVideo, Lists, list_names, list_rows, usable

_FILE = re.compile(
    r"(?:kinetics[-_]?(?P<classes>\d+)?(?:_2020)?[-_])?(?P<subset>train|val|validate|test)\.csv", re.IGNORECASE
)
_SUBSETS = {"train": "training", "val": "validation", "validate": "validation", "test": "testing"}


class Kinetics(Dataset):
    """400, 600 or 700 classes; the number of classes takes the place of a split's."""

    name = "kinetics"
    title = "Kinetics"
    form = "kinetics-700_train.csv, kinetics-700_val.csv"

    def splits(self, names: Sequence[str]) -> tuple[int, ...]:
        subsets: dict[int, set[str]] = {}
        for name in names:
            if match := _FILE.fullmatch(name):
                subsets.setdefault(_split(match), set()).add(_SUBSETS[match["subset"].lower()])
        return tuple(sorted(split for split, found in subsets.items() if {"training", "validation"} <= found))

    def read(self, folder: Path, split: int) -> Lists:
        found = {
            _SUBSETS[match["subset"].lower()]: folder / name
            for name in list_names(folder)
            if (match := _FILE.fullmatch(name)) and _split(match) == split
        }
        skipped: list[Skipped] = []
        videos = [
            video
            for subset in ("training", "validation", "testing")
            if subset in found
            for video in _videos(found[subset], subset, skipped)
        ]
        labels = (video.label for video in videos if video.subset == "training")
        return usable(labels, videos, skipped)

    def json_name(self, split: int) -> str:
        return "kinetics.json" if split == 1 else f"kinetics-{split}.json"


def _split(match: re.Match[str]) -> int:
    return int(match["classes"] or 1)


def _videos(file: Path, subset: str, skipped: list[Skipped]) -> Iterator[ListedVideo]:
    rows = list_rows(file)
    _, header = next(rows, (1, []))
    wanted = [*([] if subset == "testing" else ["label"]), "youtube_id", "time_start", "time_end"]
    if not set(wanted) <= set(header):
        hint = N_("its first line names the columns {wanted}")
        raise InputError("{path}: not a list of Kinetics", hint=hint, path=str(file), wanted=", ".join(wanted))
    for number, row in rows:
        try:
            *label, name, start, end = (row[header.index(column)] for column in wanted)
            times = (int(float(time)) for time in (start, end))
            yield ListedVideo("_".join((name, *(f"{time:06d}" for time in times))), "".join(label), subset)
        except (IndexError, ValueError, OverflowError):
            wrong = line("line {n} of {file}: not a video and its times", n=number, file=short(file.name))
            skipped.append(Skipped(short(",".join(row)), wrong, subset=subset))
