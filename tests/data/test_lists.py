"""The lists of HMDB51: what is read, and what is skipped by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.core.messages import InputError
from backends.data.datasets import ListedVideo, Lists, read_lists, video_id


def _write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    return folder


def _read(folder: Path, split: int) -> Lists:
    return read_lists(folder, split)[1]


def test_lines_become_videos_in_order(tmp_path: Path) -> None:
    """1 is training, 2 validation, 0 unused; other splits only tell their class."""
    folder = _write(
        tmp_path,
        wave_test_split1="b.avi 2 \na.avi 1\nc.avi 0\n",
        kick_ball_test_split1="d (1).avi 2\r\n\r\n",
        run_test_split2="e.avi 1\n",
        readme="not a split file",
    )
    splits = _read(folder, 1)
    assert ("kick_ball", "run", "wave") == splits.labels
    assert (
        ListedVideo("d (1)", "kick_ball", "validation"),
        ListedVideo("b", "wave", "validation"),
        ListedVideo("a", "wave", "training"),
    ) == splits.videos
    assert () == splits.skipped


def test_bad_lines_are_named_with_their_place(tmp_path: Path) -> None:
    """A line without a number, with another number, or with a path is skipped; the others count."""
    text = "a.avi 1\nb.avi\nc.avi 3\n../d.avi 2\n\x00.avi 1\n"
    splits = _read(_write(tmp_path, wave_test_split1=text), 1)
    assert ["a"] == [video.id for video in splits.videos]
    assert ["b.avi", "c.avi 3", "../d", "\x00"] == [item.item for item in splits.skipped]
    assert "line 2 of wave_test_split1.txt: not a video and 0, 1 or 2" == str(splits.skipped[0].reason)


def test_an_id_in_two_files_is_skipped(tmp_path: Path) -> None:
    """The reference's script silently keeps the later; here it is named."""
    splits = _read(_write(tmp_path, wave_test_split1="a.avi 1\n", run_test_split1="a.avi 2\nb.avi 2"), 1)
    assert ["b"] == [video.id for video in splits.videos]
    assert ["a"] == [item.item for item in splits.skipped]


def test_bytes_that_are_no_utf8_are_skipped(tmp_path: Path) -> None:
    """A line in another encoding is named and left out."""
    (tmp_path / "wave_test_split1.txt").write_bytes(b"caf\xe9.avi 1\nb.avi 1\n")
    splits = _read(tmp_path, 1)
    assert ["b"] == [video.id for video in splits.videos]
    assert 1 == len(splits.skipped)


def test_a_folder_without_split_files_is_refused(tmp_path: Path) -> None:
    """One line says which split was asked for, and what belongs there."""
    with pytest.raises(InputError, match=r"no lists of HMDB51 for split 3 .*to one of 1"):
        _read(_write(tmp_path, wave_test_split1="a.avi 1"), 3)
    with pytest.raises(InputError, match="No such file"):
        _read(tmp_path / "absent", 1)


def test_only_video_suffixes_are_taken_off() -> None:
    """`a.b.avi` is the video `a.b`, as the folder of its frames is called."""
    assert ["a.b", "a.b", "Plain"] == [video_id("a.b.avi"), video_id("a.b"), video_id("Plain.MP4")]
