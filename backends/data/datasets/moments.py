"""Moments in Time: `moments_categories.txt`, `trainingSet.csv`, `validationSet.csv` and perhaps `testingSet.csv`."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from backends.core.events import Skipped
from backends.core.messages import line
from backends.data.annotation import short
from backends.data.datasets import Dataset, ListedVideo, Lists, list_lines, list_rows, usable, video_id

CLASSES = "moments_categories.txt"
_FILES = {"training": "trainingSet.csv", "validation": "validationSet.csv", "testing": "testingSet.csv"}


class Moments(Dataset):
    """339 classes in the order of `moments_categories.txt`."""

    name = "mit"
    title = "Moments in Time"
    form = "moments_categories.txt, trainingSet.csv, validationSet.csv"

    def splits(self, names: Sequence[str]) -> tuple[int, ...]:
        return (1,) if {CLASSES, _FILES["validation"]} <= set(names) else ()

    def read(self, folder: Path, split: int) -> Lists:  # noqa: ARG002 - it has one split
        labels = [text.rpartition(",")[0] for text in list_lines(folder / CLASSES) if text.strip()]
        skipped: list[Skipped] = []
        videos = [
            video
            for subset, name in _FILES.items()
            if (folder / name).exists()
            for video in _videos(folder / name, subset, skipped)
        ]
        return usable(labels, videos, skipped)

    def json_name(self, split: int) -> str:  # noqa: ARG002
        return "mit.json"


def _videos(file: Path, subset: str, skipped: list[Skipped]) -> Iterator[ListedVideo]:
    """`<class>/<video>.mp4,<class>,...`, of the testing part `<video>.mp4` alone."""
    for number, row in list_rows(file):
        name = row[0].rpartition("/")[2]
        if subset == "testing" and name:
            yield ListedVideo(video_id(name), "", subset)
        elif name and len(row) > 1:
            yield ListedVideo(video_id(name), row[1], subset)
        else:
            wrong = line("line {n} of {file}: not a video and its class", n=number, file=short(file.name))
            skipped.append(Skipped(short(row[0]), wrong, subset=subset))
