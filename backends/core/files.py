"""Files that are there whole or not at all, after a kill and after a power loss."""

import errno
import os
import re
import stat
import threading
from collections.abc import Iterable
from pathlib import Path

from backends.core.messages import N_, InputError, Line, line, os_reason
from backends.core.processes import is_alive

FULL = "the disk is full"
"""What every front end says of it, with the folder before it."""
LOG_HINT = N_("see the stage's log")
FULL_HINT = N_("free some space (`r3d-tui clean` says what may go) and run again: what is done is kept")


def is_full(error: BaseException) -> bool:
    """Whether an error says that a disk, or a user's share of it, is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def make_folder(path: Path) -> None:
    """Make a folder that a person named, with its parents, for what is to be written there.

    InputError where it cannot be made, or where nothing can be written in it; OSError where the disk is full.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        if is_full(error):
            raise
        text, reason = N_("{path}: {reason}"), os_reason(error)
        raise InputError(text, hint="name a folder that can be written", path=str(path), reason=reason) from None


def read_file(path: Path, *, hint: str, most: int, cut: bool = False) -> bytes:
    """A regular file of at most `most` bytes (with `cut` the last so many). InputError for anything else: nobody waits
    for a FIFO or a device."""
    problem: str | Line = line("not a regular file")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if stat.S_ISREG(found.st_mode):
                if cut and found.st_size > most:
                    file.seek(found.st_size - most)
                    return file.read(most)
                data = file.read(min(most, max(found.st_size, 1 << 16)) + 1)  # `most` bytes would be allocated first
                if len(data) <= most:
                    return data
                problem = line("larger than {most} bytes", most=most)
    except OSError as error:
        problem = os_reason(error)
    except ValueError:  # a NUL in the path
        problem = line("not a path")
    raise InputError("{path}: {reason}", hint=hint, path=str(path), reason=problem)


def stamp_of(path: Path) -> tuple[int, int]:
    """By which a file is known to be the same: size, and time of change in nanoseconds."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def write_whole(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Write a file, in pieces where they are many, by a synced temporary beside it and a rename.

    The folder is made where it is missing. A temporary that a full disk cut off is removed at once, one of a killed
    process when the file is written again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_orphans(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        with part.open("wb") as file:
            file.writelines((data,) if isinstance(data, bytes) else data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _remove_orphans(path: Path) -> None:
    """Temporaries of this file whose process has gone: each kill would leave one for ever."""
    pattern = re.compile(re.escape(f".{path.name}.") + r"(\d{1,9})(?:\.\d+)?\.part")
    with os.scandir(path.parent) as entries:
        found = [(entry.path, match[1]) for entry in entries if (match := pattern.fullmatch(entry.name))]
    for orphan, pid in found:
        if not is_alive(int(pid)):
            Path(orphan).unlink(missing_ok=True)


def write_all(descriptor: int, data: bytes | memoryview, offset: int | None = None) -> None:
    """Write every byte, at `offset` or where the descriptor stands."""
    left = memoryview(data)
    while left:
        written = os.write(descriptor, left) if offset is None else os.pwrite(descriptor, left, offset)
        left = left[written:]
        offset = None if offset is None else offset + written


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes. Raises OSError."""
    import hashlib  # 2 ms that the console's start does not need

    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def sync_folder(folder: Path) -> None:
    """Make a rename or a new file in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


TABLE = Path("/proc/self/mountinfo")
REMOTE = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "gpfs", "beegfs", "ocfs2", "gfs2",
     "orangefs", "fuse.sshfs", "fuse.nfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.rclone", "fuse.juicefs",
     "fuse.cephfs", "fuse.davfs2")
)  # fmt: skip
"""Types of mounts whose files other machines may have open too."""


def file_system(path: Path, mounts: Path | None = None) -> str | None:
    """The type of the mount that holds `path`, or the nearest folder above it that is there, such as ext4.

    None where the kernel does not say. `mounts`: another table than the kernel's.
    """
    real = os.path.realpath(existing(path))
    best, found = -1, None
    try:
        rows = (mounts or TABLE).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    for row in rows:
        left, dash, right = row.partition(" - ")
        fields = left.split()
        if not dash or len(fields) < 5 or not right.split():
            continue
        point = re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), fields[4])  # blanks as the kernel writes them
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= best:  # of mounts over each other the later one is seen
            best, found = len(point), right.split()[0]
    return found


def over_network(path: Path) -> bool:
    """Whether other machines may have the files there open too; False where the kernel does not say."""
    return file_system(path) in REMOTE


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
