"""Files that are there whole or not at all, and leave nothing beside them."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from backends.core import files
from backends.core.files import is_full, make_folder, write_whole
from backends.core.messages import InputError


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk in the middle: the temporary does not take the last of the room for ever."""
    write_whole(tmp_path / "a.json", b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        write_whole(tmp_path / "a.json", b"new")
    assert is_full(caught.value)
    assert [("a.json", b"old")] == [(path.name, path.read_bytes()) for path in tmp_path.iterdir()]


def test_what_a_killed_writer_left_is_removed_and_a_living_ones_is_not(tmp_path: Path) -> None:
    """Temporaries are told by the process in their name; other files stay."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    mine, other = tmp_path / f".a.json.{os.getppid()}.1.part", tmp_path / f".b.json.{ended.pid}.1.part"
    for path in (tmp_path / f".a.json.{ended.pid}.1.part", mine, other):
        path.touch()
    write_whole(tmp_path / "a.json", b"new")
    assert sorted(("a.json", mine.name, other.name)) == sorted(path.name for path in tmp_path.iterdir())


def test_a_folder_that_a_person_named_is_made_or_refused_by_name(tmp_path: Path) -> None:
    """With its parents, again without harm; under a file, and where the kernel has no room for any, one line."""
    for _ in range(2):
        make_folder(tmp_path / "a" / "b c")
    assert (tmp_path / "a" / "b c").is_dir()
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "x", Path("/proc/nothing")):
        with pytest.raises(InputError, match=r"name a folder that can be written") as caught:
            make_folder(path)
        assert str(caught.value).startswith(f"{path}: ")


def test_a_full_disk_is_no_bad_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays what it is, so that whoever catches it can say so."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(OSError, match="No space left"):
        make_folder(tmp_path / "a")
