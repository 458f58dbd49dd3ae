"""The accuracy so far, as rows come in."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from backends.data.clip_store import VideoClips
from backends.inference.running_accuracy import Tally

VIDEOS = (
    VideoClips("late", "wave", 3, 2, 2),
    VideoClips("early", "clap", 0, 3, 3),
    VideoClips("wrong", "run", 5, 1, 1),
)
CLAP, RUN, WAVE = np.eye(3, dtype=np.float32) * 9


def test_a_video_counts_once_all_its_clips_are_there(tmp_path: Path) -> None:
    """Its label is that of the largest mean softmax, whatever the order in which its rows come."""
    names = tmp_path / "labels.json"
    names.write_text('["clap", "run", "wave"]')
    tally = Tally(VIDEOS, names)
    assert {"top1_so_far": None, "videos_so_far": 0} == tally.figures()
    tally.add([4, 0, 2], np.array([WAVE, CLAP, WAVE]))
    assert 0 == tally.figures()["videos_so_far"]
    tally.add([1, 5], np.array([CLAP, CLAP]))
    assert {"top1_so_far": 0.5, "videos_so_far": 2} == tally.figures()
    tally.add([3], np.array([WAVE]))
    shown = {"lowest_classes": "run\t0\t1\nclap\t1\t1\nwave\t1\t1", "confusions": "run\tclap\t1"}
    assert {**shown, "confusion_matrix": "clap\t0:1\nrun\t0:1\nwave\t2:1"} == tally.classes()
    assert {"top1_so_far": 2 / 3, "videos_so_far": 3} == tally.figures()


def test_without_class_names_there_is_no_figure() -> None:
    """Where nothing gives the order of the classes, nobody knows here which label is which class."""
    tally = Tally(VIDEOS)
    tally.add([5], np.zeros((1, 3), np.float32))
    assert {"top1_so_far": None, "videos_so_far": 0} == tally.figures()
    assert 0 == Tally(()).videos


def test_a_file_of_names_says_which_class_is_which(tmp_path: Path) -> None:
    """In its order, not the alphabet's, and with classes that no video has; without a readable one is no figure."""
    names = tmp_path / "names.txt"
    names.write_text("wave\nclap\njump\nrun\n", encoding="utf-8")
    tally, blind = Tally(VIDEOS, names), Tally(VIDEOS, tmp_path / "absent")
    logits = np.eye(4, dtype=np.float32)[[0, 0, 2]]
    for each in (tally, blind):
        each.add([3, 4, 5], logits)
    assert {"top1_so_far": 0.5, "videos_so_far": 2} == tally.figures()
    assert {"top1_so_far": None, "videos_so_far": 0} == blind.figures()
