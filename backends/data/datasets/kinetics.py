"""Kinetics: `kinetics-700_train.csv`, `_val.csv`, perhaps `_test.csv`; a video is `<youtube id>_<start>_<end>`.

Classes are numbered as they first appear in the training list. Many videos of the lists cannot be had any more.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from backends.core.errors import InputError
from backends.core.messages import N_, line
from backends.data.annotation import Skipped, short
from backends.data.datasets import Dataset, ListedVideo, Lists, list_lines, list_names, usable

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
    rows = csv.DictReader(list_lines(file))
    wanted = {"youtube_id", "time_start", "time_end", *(() if subset == "testing" else ("label",))}
    if not wanted <= set(rows.fieldnames or ()):
        hint = N_("its first line names the columns {wanted}")
        raise InputError("{path}: not a list of Kinetics", hint=hint, path=str(file), wanted=", ".join(sorted(wanted)))
    for row in rows:
        try:
            yield ListedVideo(_name(row), "" if subset == "testing" else row["label"], subset)
        except (TypeError, ValueError, OverflowError):
            wrong = line("line {n} of {file}: not a video and its times", n=rows.line_num, file=short(file.name))
            skipped.append(Skipped(short(str(row.get("youtube_id"))), wrong, subset))


def _name(row: Mapping[str, str]) -> str:
    start, end = (int(float(row[column])) for column in ("time_start", "time_end"))
    return f"{row['youtube_id']}_{start:06d}_{end:06d}"
