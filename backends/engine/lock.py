"""Who holds a workspace: the engine's lock, its owner's name, and its heartbeat. A lock ends with its process."""

import contextlib
import fcntl
import json
import os
import shlex
import socket
import stat
import struct
import time
from pathlib import Path
from typing import IO

from msgspec import Struct

from backends.core.codec import DecodeError, loads
from backends.core.files import FULL_HINT, is_full
from backends.core.messages import N_, BusyError, InputError, R3dError, StageError, os_reason
from backends.engine.folders import Folders

HEARTBEAT_S = 1.0
STALLED_S = 8.0
"""Seconds of silence after which a living engine is called stalled."""


class WorkspaceLock:
    """The engine's hold on a workspace for as long as this object lives and its process does."""

    def __init__(self, folders: Folders, run_id: str) -> None:
        """Take the workspace.

        Raises BusyError, naming the holder, where another engine has it, and InputError where the disk takes no locks.
        """
        make_root(folders)
        self._file = folders.lock.open("a+b")
        try:
            taken = _take(self._file)
        except OSError as error:
            self._file.close()
            text, hint = N_("{path}: the disk takes no locks ({reason})"), N_("put the workspace on a local disk")
            reason = os_reason(error)
            raise InputError(text, hint=hint, path=str(folders.workspace), reason=reason) from None
        if not taken:
            self._file.close()
            raise busy(folders)
        self.name(run_id)
        self._heart = os.open(folders.heartbeat, os.O_WRONLY | os.O_CREAT, 0o600)
        self.beat()

    def name(self, run_id: str) -> None:
        """Write down who holds the workspace, and for which run."""
        me = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "user": os.getuid(),
            "run": run_id,
            "since": time.time(),
        }
        self._file.truncate(0)
        self._file.write(json.dumps(me).encode())
        self._file.flush()

    def beat(self) -> None:
        """A sign of life: the monotonic clock, the same for all processes of this machine."""
        os.pwrite(self._heart, struct.pack("<d", time.monotonic()), 0)

    def release(self) -> None:
        os.close(self._heart)
        self._file.close()


class LockOwner(Struct, frozen=True):
    """The living engine of a workspace, as its lock names it."""

    pid: int | None = None
    host: str | None = None
    run: str | None = None


def owner(folders: Folders) -> LockOwner | None:
    """Who holds the workspace now; None where nobody does."""
    try:
        with folders.lock.open("rb") as file:
            return None if _free(file) else _read(file)
    except OSError:
        return None


def busy(folders: Folders) -> BusyError:
    """The refusal that names who holds the workspace."""
    who = owner(folders) or LockOwner()
    text = N_("{path}: an engine works here already (process {pid} on {host}, run {run})")
    hint = N_("watch it with r3d-tui, or end it with r3d-tui stop")
    return BusyError(text, hint=hint, path=str(folders.workspace), pid=who.pid, host=who.host, run=who.run)


def silence(folders: Folders) -> float | None:
    """Seconds since the engine's last sign of life; None where there never was one on this boot."""
    try:
        data = folders.heartbeat.read_bytes()
        age = time.monotonic() - float(struct.unpack("<d", data)[0])
    except (OSError, struct.error):
        return None
    return age if age >= 0 else None


def make_root(folders: Folders) -> None:
    """Make `.r3d` for its owner alone; others read it where the owner lets them, and never write."""
    folders.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = stat.S_IMODE(folders.root.stat().st_mode)
    if mode & 0o022:
        folders.root.chmod(mode & ~0o022)


def check_readable(folders: Folders) -> None:
    """Raise InputError where runs are there but closed to this user: that is not the same as no runs."""
    if folders.root.is_dir() and not os.access(folders.root, os.R_OK | os.X_OK):
        text, hint = N_("{path}: closed to you"), N_("its owner can open it for reading: chmod -R a+rX {quoted}")
        raise InputError(text, hint=hint, path=str(folders.root), quoted=shlex.quote(str(folders.root)))


def check_writable(folder: Path) -> None:
    """Raise InputError where the workspace cannot be written to."""
    if not os.access(folder, os.W_OK | os.X_OK):
        text, hint = N_("{path}: not writable"), N_("use a workspace of your own, or change its permissions")
        raise InputError(text, hint=hint, path=str(folder))


def disk_error(error: OSError, folder: Path) -> R3dError:
    """The one line for a disk that cannot be written to."""
    if is_full(error):
        return StageError("{folder}: the disk is full", hint=FULL_HINT, folder=str(folder))
    path, reason = str(error.filename or folder), os_reason(error)
    return InputError("{path}: {reason}", hint="make the workspace writable", path=path, reason=reason)


def _take(file: IO[bytes]) -> bool:
    """Lock the file; a front end that looks at it just now holds it for a moment, so a refusal is asked again.

    OSError where the file system knows no locks, which is not the same as another's hold.
    """
    for _ in range(10):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.03)
        else:
            return True
    return False


def _free(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(file: IO[bytes]) -> LockOwner:
    with contextlib.suppress(DecodeError):  # damaged: somebody holds it all the same
        return loads(LockOwner, file.read(4096))
    return LockOwner()
