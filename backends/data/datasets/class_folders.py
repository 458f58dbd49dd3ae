"""A folder of class folders, split by lists `train.txt`, `val.txt` and `test.txt` or by a share of the videos."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from backends.core.events import Skipped
from backends.data.class_names import read_class_names
from backends.data.datasets import Dataset, ListedVideo, Lists, list_names, listed_paths, usable

_LIST = re.compile(r"(train|val|test)(?:ing|idation)?(?:_?list)?\.txt", re.IGNORECASE)
_CLASSES = ("classes.txt", "labels.txt", "class_names.txt")
_SUBSETS = {"train": "training", "val": "validation", "test": "testing"}


class ClassFolders(Dataset):
    """Lists of `<class>/<video>`, a number behind it or not; classes are sorted unless a file names them."""

    name = "folders"
    title = "class folders"
    form = "val.txt (or train.txt, test.txt) with lines <class>/<video>"

    def splits(self, names: Sequence[str]) -> tuple[int, ...]:
        kinds = {match[1].lower() for name in names if (match := _LIST.fullmatch(name))}
        return (1,) if "val" in kinds or {"train", "test"} <= kinds else ()

    def read(self, folder: Path, split: int) -> Lists:  # noqa: ARG002 - it has one split
        names = list_names(folder)
        skipped: list[Skipped] = []
        videos: list[ListedVideo] = []
        for name in names:
            if match := _LIST.fullmatch(name):
                videos += listed_paths(folder / name, _SUBSETS[match[1].lower()], skipped)
        order = next((read_class_names(folder / name) for name in _CLASSES if name in names), None)
        return usable(order or sorted({video.label for video in videos}), videos, skipped)

    def json_name(self, split: int) -> str:  # noqa: ARG002
        return "folders.json"


def subset_by_share(label: str, video: str, share: float | None, subset: str) -> str:
    """The subset of a video without a list: `subset` for a share of the videos that their names choose, the same ones
    whatever else lies there; the others are training. None: all are of `subset`."""
    if share is None:
        return subset
    place = int.from_bytes(hashlib.sha256(f"{label}/{video}".encode("utf-8", "surrogateescape")).digest()[:6], "big")
    return subset if place < share * (1 << 48) else "training"
