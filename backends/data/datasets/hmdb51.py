"""HMDB51: a file `<class>_test_split<n>.txt` for each class, a line `<video>.avi <0|1|2>` each.

1 is training, 2 is the testing part that the reference calls validation, 0 is unused in this split.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from backends.core.events import Skipped
from backends.core.messages import line
from backends.data.annotation import name_problem, short
from backends.data.datasets import Dataset, ListedVideo, Lists, list_lines, list_names, usable, video_id

# fmt: off
HMDB51: tuple[str, ...] = (
    "brush_hair", "cartwheel", "catch", "chew", "clap", "climb", "climb_stairs", "dive", "draw_sword", "dribble",
    "drink", "eat", "fall_floor", "fencing", "flic_flac", "golf", "handstand", "hit", "hug", "jump", "kick",
    "kick_ball", "kiss", "laugh", "pick", "pour", "pullup", "punch", "push", "pushup", "ride_bike", "ride_horse",
    "run", "shake_hands", "shoot_ball", "shoot_bow", "shoot_gun", "sit", "situp", "smile", "smoke", "somersault",
    "stand", "swing_baseball", "sword", "sword_exercise", "talk", "throw", "turn", "walk", "wave",
)
# fmt: on
"""Sorted, which is the order of the guide's checkpoint: class 0 is `brush_hair`, class 50 is `wave`."""

PREFIX = "hmdb51_"
"""Some copies of the data set begin a video's name with it, which its lists do not."""

_FILE = re.compile(r"(?P<label>.+)_test_split(?P<split>\d+)\.txt", re.DOTALL)
_SUBSETS = {"0": "", "1": "training", "2": "validation"}
_VIDEO = re.compile(r"(?P<head>.+)_[fhlu]_(?:cm|nm)_np\d+_(?:fr|ba|le|ri)_(?:goo|med|bad)_\d+", re.DOTALL)


class Hmdb51(Dataset):
    """51 classes, three splits."""

    name = "hmdb51"
    title = "HMDB51"
    form = "<class>_test_split1.txt"

    def splits(self, names: Sequence[str]) -> tuple[int, ...]:
        return tuple(sorted({int(match["split"]) for name in names if (match := _FILE.fullmatch(name))}))

    def read(self, folder: Path, split: int) -> Lists:
        found = [(match, folder / name) for name in list_names(folder) if (match := _FILE.fullmatch(name))]
        skipped: list[Skipped] = []
        videos: list[ListedVideo] = []
        for match, file in found:
            if problem := name_problem(match["label"]):
                skipped.append(Skipped(short(file.name), problem))
            elif int(match["split"]) == split:
                videos += _lines(file, match["label"], skipped)
        return usable(sorted({match["label"] for match, _ in found}), videos, skipped)

    def json_name(self, split: int) -> str:
        return f"hmdb51_{split}.json"

    def class_of(self, video: str) -> str | None:
        """The class in a name such as `TrumanShow_wave_f_nm_np1_fr_med_26`."""
        match = _VIDEO.fullmatch(video)
        head = match["head"] if match else ""
        return max((label for label in HMDB51 if head == label or head.endswith("_" + label)), key=len, default=None)


def _lines(file: Path, label: str, skipped: list[Skipped]) -> Iterator[ListedVideo]:
    for number, text in enumerate(list_lines(file), 1):
        name, _, code = text.strip().rpartition(" ")
        if not text.strip():
            continue
        if code not in _SUBSETS or not name:
            wrong = line("line {n} of {file}: not a video and 0, 1 or 2", n=number, file=short(file.name))
            skipped.append(Skipped(short(text.strip()), wrong))
        elif _SUBSETS[code]:
            yield ListedVideo(video_id(name.strip()), label, _SUBSETS[code])
