"""What is offered to one who makes a workspace."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from backends.core.messages import InputError
from backends.core.settings import VIDEO_SUFFIXES, DatasetSettings, ModelSettings, Settings
from backends.workspace.discovery import find_candidates
from backends.workspace.settings_file import refuse_unready

RARS = Path(__file__).parent / "data" / "rars"


def _pack(folder: Path, name: str, kind: str, *files: str) -> None:
    source = folder / "source"
    for file in files:
        (source / file).parent.mkdir(parents=True, exist_ok=True)
        (source / file).write_bytes(b"x" * 100)
    shutil.make_archive(str(folder / name), kind, source)
    shutil.rmtree(source)


def test_folders_and_files_are_told_by_their_names_and_first_bytes(tmp_path: Path) -> None:
    """Videos by the folder of their classes, frames by their root, an annotation by its labels, split files."""
    for name in ("videos/wave/a.avi", "frames/wave/a/image_00001.jpg", "splits/wave_test_split1.txt", "x/c.pth"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a.json").write_text('{"labels": []}')
    (tmp_path / "b.json").write_text("{}")
    found = find_candidates(tmp_path)
    assert ((tmp_path / "videos",), (tmp_path / "frames",)) == (found.videos, found.frames)
    assert ((tmp_path / "a.json",), (tmp_path / "splits",)) == (found.annotations, found.splits)
    assert (tmp_path / "x" / "c.pth",) == found.checkpoints


@pytest.mark.parametrize("suffix", sorted(VIDEO_SUFFIXES))
def test_every_kind_of_video_that_the_frames_stage_takes_is_offered(tmp_path: Path, suffix: str) -> None:
    """By the ending of its name, in capitals too."""
    (tmp_path / "films" / "wave").mkdir(parents=True)
    (tmp_path / "films" / "wave" / f"a{suffix.upper()}").touch()
    assert (tmp_path / "films",) == find_candidates(tmp_path).videos


def test_hmdb51s_own_archives_are_found_as_what_they_hold(tmp_path: Path) -> None:
    """The archive of class archives is videos, that of split files is splits; a later volume is neither."""
    for name in ("hmdb51_org.rar", "test_train_splits.rar"):
        shutil.copy(RARS / name, tmp_path)
    shutil.copy(RARS / "vol.part02.rar", tmp_path)
    found = find_candidates(tmp_path)
    assert ((tmp_path / "hmdb51_org.rar",), (tmp_path / "test_train_splits.rar",)) == (found.videos, found.splits)


def test_a_folder_of_class_archives_is_one_data_set(tmp_path: Path) -> None:
    """A `.zip` a class beside each other: their folder is offered, not one of them."""
    (tmp_path / "classes").mkdir()
    for label in ("wave", "run"):
        _pack(tmp_path / "classes", label, "zip", f"{label}/a.avi")
    assert (tmp_path / "classes",) == find_candidates(tmp_path).videos


@pytest.mark.parametrize("kind", ["tar", "gztar", "bztar", "xztar", "zip"])
def test_an_archive_is_looked_into_before_it_is_offered(tmp_path: Path, kind: str) -> None:
    """Of what is packed in whichever way, only what holds videos or split files; damage is passed over."""
    _pack(tmp_path, "films", kind, "wave/a.AVI")
    _pack(tmp_path, "code", kind, "a.py", "readme.txt")
    _pack(tmp_path, "splits", kind, "s/wave_test_split1.txt")
    (tmp_path / "broken.tar.gz").write_bytes(b"\x1f\x8b broken")
    (tmp_path / "broken.rar").symlink_to(tmp_path / "nowhere")
    found = find_candidates(tmp_path)
    assert ["films", "splits"] == [path.name.partition(".")[0] for path in (*found.videos, *found.splits)]


def test_folders_come_before_archives(tmp_path: Path) -> None:
    """What is unpacked already is the first that is offered, however deep it lies."""
    shutil.copy(RARS / "hmdb51_org.rar", tmp_path)
    (tmp_path / "data" / "videos" / "wave").mkdir(parents=True)
    (tmp_path / "data" / "videos" / "wave" / "a.avi").touch()
    assert (tmp_path / "data" / "videos", tmp_path / "hmdb51_org.rar") == find_candidates(tmp_path).videos


def test_a_run_takes_archives_for_videos_and_splits_and_no_other_file(tmp_path: Path) -> None:
    """Before the run: a file that is no archive is refused by its key."""
    for name in ("c.pth", "notes.txt"):
        (tmp_path / name).touch()
    with zipfile.ZipFile(tmp_path / "a.zip", "w"):
        pass
    model = ModelSettings(checkpoint=tmp_path / "c.pth")
    archive, other = tmp_path / "a.zip", tmp_path / "notes.txt"
    refuse_unready(tmp_path, Settings(dataset=DatasetSettings(videos=archive, splits=archive), model=model))
    for dataset, key in ((DatasetSettings(videos=other), "videos"), (DatasetSettings(frames=archive), "frames")):
        with pytest.raises(InputError, match=rf"r3d\.toml: {key}: .* is not a folder"):
            refuse_unready(tmp_path, Settings(dataset=dataset, model=model))
    with pytest.raises(InputError, match=r"splits: .* is not a folder"):
        refuse_unready(tmp_path, Settings(dataset=DatasetSettings(videos=archive, splits=other), model=model))
