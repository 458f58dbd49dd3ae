"""UCF-101: `classInd.txt` numbers the classes, `trainlist01.txt` and `testlist01.txt` list `<class>/<video>.avi`."""

import re
from collections.abc import Sequence
from pathlib import Path

from backends.core.events import Skipped
from backends.core.messages import InputError
from backends.data.datasets import Dataset, ListedVideo, Lists, list_lines, listed_paths, usable

CLASSES = "classInd.txt"
_LIST = re.compile(r"(train|test)list0?(\d)\.txt")
_SUBSETS = {"train": "training", "test": "validation"}
"""The testing lists are what the reference calls validation."""


class Ucf101(Dataset):
    """101 classes, three splits; the order of `classInd.txt` is not the alphabet's."""

    name = "ucf101"
    title = "UCF-101"
    form = "classInd.txt, trainlist01.txt, testlist01.txt"

    def splits(self, names: Sequence[str]) -> tuple[int, ...]:
        found = [match for name in names if (match := _LIST.fullmatch(name))]
        tested = {int(match[2]) for match in found if match[1] == "test"}
        return tuple(sorted(tested)) if CLASSES in names else ()

    def read(self, folder: Path, split: int) -> Lists:
        labels = _classes(folder / CLASSES)
        known = {label.casefold(): label for label in labels}
        skipped: list[Skipped] = []
        videos: list[ListedVideo] = []
        for kind, subset in _SUBSETS.items():
            file = next((path for path in (folder / f"{kind}list0{split}.txt", folder / f"{kind}list{split}.txt")
                         if path.exists()), None)  # fmt: skip
            videos += listed_paths(file, subset, skipped, known) if file else ()
        return usable(labels, videos, skipped)

    def json_name(self, split: int) -> str:
        return f"ucf101_0{split}.json"


def _classes(file: Path) -> tuple[str, ...]:
    """Names in the order of the file, which is that of their numbers."""
    pairs = [parts for text in list_lines(file) if (parts := text.split(maxsplit=1))]
    if not pairs or not all(len(parts) == 2 and parts[0].isdecimal() for parts in pairs):
        raise InputError("{path}: not a list of classes", hint="its lines are <number> <class>", path=str(file))
    return tuple(parts[1].strip() for parts in pairs)
