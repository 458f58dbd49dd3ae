"""HMDB51's split files."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.core.errors import InputError
from backends.data.split_files import SplitVideo, read_splits, video_id


def _write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    return folder


def test_lines_become_videos_in_order(tmp_path: Path) -> None:
    """1 is training, 2 validation, 0 unused; other splits only tell their class."""
    folder = _write(
        tmp_path,
        wave_test_split1="b.avi 2 \na.avi 1\nc.avi 0\n",
        kick_ball_test_split1="d (1).avi 2\r\n\r\n",
        run_test_split2="e.avi 1\n",
        readme="not a split file",
    )
    splits = read_splits(folder, 1)
    assert ("kick_ball", "run", "wave") == splits.labels
    assert (
        SplitVideo("d (1)", "kick_ball", "validation"),
        SplitVideo("b", "wave", "validation"),
        SplitVideo("a", "wave", "training"),
    ) == splits.videos
    assert () == splits.set_aside


def test_bad_lines_are_named_with_their_place(tmp_path: Path) -> None:
    """A line without a number, with another number, or with a path is set aside; the others count."""
    text = "a.avi 1\nb.avi\nc.avi 3\n../d.avi 2\n\x00.avi 1\n"
    splits = read_splits(_write(tmp_path, wave_test_split1=text), 1)
    assert ["a"] == [video.id for video in splits.videos]
    assert ["b.avi", "c.avi 3", "../d", "\x00"] == [item.item for item in splits.set_aside]
    assert "line 2 of wave_test_split1.txt: not a video and 0, 1 or 2" == str(splits.set_aside[0].reason)


def test_an_id_in_two_files_is_set_aside(tmp_path: Path) -> None:
    """The guide's script silently keeps the later; we name it."""
    splits = read_splits(_write(tmp_path, wave_test_split1="a.avi 1\n", run_test_split1="a.avi 2\nb.avi 2"), 1)
    assert ["b"] == [video.id for video in splits.videos]
    assert ["a"] == [item.item for item in splits.set_aside]


def test_bytes_that_are_no_utf8_are_set_aside(tmp_path: Path) -> None:
    """A line in another encoding is named and left out."""
    (tmp_path / "wave_test_split1.txt").write_bytes(b"caf\xe9.avi 1\nb.avi 1\n")
    splits = read_splits(tmp_path, 1)
    assert ["b"] == [video.id for video in splits.videos]
    assert 1 == len(splits.set_aside)


def test_a_folder_without_split_files_is_refused(tmp_path: Path) -> None:
    """One line says which split was asked for, and what belongs there."""
    with pytest.raises(InputError, match="no split file for split 3"):
        read_splits(_write(tmp_path, wave_test_split1="a.avi 1"), 3)
    with pytest.raises(InputError, match="No such file"):
        read_splits(tmp_path / "absent", 1)


def test_only_video_suffixes_are_taken_off() -> None:
    """`a.b.avi` is the video `a.b`, as the folder of its frames is called."""
    assert ["a.b", "a.b", "Plain"] == [video_id("a.b.avi"), video_id("a.b"), video_id("Plain.MP4")]
