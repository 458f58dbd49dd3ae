"""Which videos a folder holds, of which class, under which id."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backends.core.messages import InputError
from backends.data.datasets.hmdb51 import HMDB51
from backends.data.video_files import find_videos, named_class


def _files(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def _found(root: Path, known: dict[str, str] | None = None) -> list[str]:
    return [source.name for source in find_videos([root], lambda: known or {}).videos]


def test_class_folders_give_the_class(tmp_path: Path) -> None:
    """Videos in class folders, also in a folder of the same name within, have that class; the rest is left."""
    root = _files(tmp_path, "wave/b.avi", "wave/a.MP4", "run/run/c.mkv", "run/notes.txt", "wave/.hidden.avi", "x.rar")
    assert ["run/c", "wave/a", "wave/b"] == _found(root)


def test_a_flat_folder_takes_the_class_from_the_annotation_then_from_the_name(tmp_path: Path) -> None:
    """The annotation is asked first, then HMDB51's naming pattern; nothing known is `unlabelled`."""
    root = _files(tmp_path, "clip1.avi", "Show_shoot_bow_u_nm_np10_ba_med_2.avi", "what.webm")
    assert ["kick/clip1", "shoot_bow/Show_shoot_bow_u_nm_np10_ba_med_2", "unlabelled/what"] == _found(
        root, {"clip1": "kick"}
    )


def test_the_prefix_counts_only_where_the_annotation_knows_the_rest(tmp_path: Path) -> None:
    """`hmdb51_a.avi` is the id `a` where the annotation has it, else it keeps its name."""
    root = _files(tmp_path, "hmdb51_a.avi", "hmdb51_b.avi")
    assert ["unlabelled/hmdb51_b", "wave/a"] == _found(root, {"a": "wave"})


def test_an_id_that_stands_twice_is_set_aside(tmp_path: Path) -> None:
    """Two classes with the same id, or two files of one name, cannot be told apart and are named."""
    found = find_videos([_files(tmp_path, "wave/a.avi", "run/a.avi", "run/b.avi", "run/b.mp4", "run/c.avi")], dict)
    assert ["run/c"] == [source.name for source in found.videos]
    assert ["run/a.avi", "run/b.avi", "run/b.mp4", "wave/a.avi"] == sorted(item.item for item in found.set_aside)
    assert "the id a stands 2 times" == str(found.set_aside[0].reason)


def test_the_annotation_decides_between_two_classes(tmp_path: Path) -> None:
    """Where one of the two is of the annotation's class, it is the one."""
    assert ["wave/a"] == _found(_files(tmp_path, "wave/a.avi", "run/a.avi"), {"a": "wave"})


@pytest.mark.parametrize("name", ["\x1b[31mred.avi", "rtl\u202e.avi", "n" * 210 + ".avi", "line\nbreak.avi"])
def test_unusable_names_are_set_aside(tmp_path: Path, name: str) -> None:
    """Names with control characters, or too long, are named and left out."""
    found = find_videos([_files(tmp_path, f"wave/{name}", "wave/[@good] é (1)!.avi")], dict)
    assert ["wave/[@good] é (1)!"] == [source.name for source in found.videos]
    assert 1 == len(found.set_aside)


def test_bytes_that_are_no_utf8_are_set_aside(tmp_path: Path) -> None:
    """A file name of another encoding is named and left out."""
    folder = _files(tmp_path, "wave/a.avi") / "wave"
    (Path(str(folder)) / b"caf\xe9.avi".decode("utf-8", "surrogateescape")).touch()
    assert ["wave/a"] == _found(tmp_path)


@pytest.mark.parametrize("names", [(), ("readme.txt",), ("wave/readme.txt",)])
def test_a_folder_without_videos_is_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    """A folder with no video, or none at all, ends in one line that says what belongs there."""
    with pytest.raises(InputError, match="no videos"):
        find_videos([_files(tmp_path, *names)], dict)
    with pytest.raises(InputError, match="No such file"):
        find_videos([tmp_path / "absent"], dict)


def test_all_classes_are_found_in_names(shared: Path) -> None:
    """The naming pattern gives the right class for each of the 5,100 ids of the guide's annotation."""
    from backends.data.annotation import read_annotation

    annotation = read_annotation(shared / "data/reference/hmdb51_1.json")
    assert HMDB51 == annotation.labels
    assert [] == [video.id for video in annotation.videos if named_class(video.id) != video.label]


def test_links_that_lead_to_themselves_and_pipes_end_nothing(tmp_path: Path) -> None:
    """Under a video's name they cannot be opened, and the stage skips them; under another they are nothing."""
    root = _files(tmp_path, "wave/good.avi")
    (root / "wave/loop.avi").symlink_to("loop.avi")
    (root / "wave/loop").symlink_to("loop")
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "wave/pipe.avi")
    assert ["wave/good", "wave/loop", "wave/pipe"] == _found(root)


def test_videos_of_other_kinds_are_skipped_by_name(tmp_path: Path) -> None:
    """What the decoder opens is taken; another video is named with the kinds that are."""
    found = find_videos([_files(tmp_path, "wave/a.WMV", "wave/b.ts", "wave/c.3gp", "wave/d.rmvb", "wave/e.txt")], dict)
    assert ["wave/a", "wave/b", "wave/c"] == [source.name for source in found.videos]
    assert ["wave/d.rmvb"] == [item.item for item in found.set_aside]
    assert "videos of its kind are not read" in str(found.set_aside[0].reason)
