"""Who holds a workspace, on disks that know locks and on those that do not."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from backends.core.messages import InputError
from backends.engine import lock
from backends.engine.folders import Folders


def test_a_disk_without_locks_is_no_other_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused by what is wrong with it, and nobody is called the holder."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(
        InputError, match=r"the disk takes no locks \(No locks available\) \(put the workspace on a local"
    ):
        lock.WorkspaceLock(Folders(tmp_path), "run")
    assert lock.owner(Folders(tmp_path)) is None


def test_the_lock_names_its_holder_and_ends_with_it(tmp_path: Path) -> None:
    """A second engine reads the process and the run of the first; once that has let go nobody holds the workspace."""
    folders = Folders(tmp_path)
    held = lock.WorkspaceLock(folders, "run-1")
    assert lock.LockOwner(os.getpid(), os.uname().nodename, "run-1") == lock.owner(folders)
    held.release()
    assert lock.owner(folders) is None
