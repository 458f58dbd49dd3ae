"""Which file system holds a path, and whether it lies behind a network. It refuses to judge what that is good for.

The kernel's table of mounts is read and not statfs: that has one number for everything in FUSE, sshfs among it.
"""

from __future__ import annotations

import os
from pathlib import Path

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
        point = _unescaped(fields[4])
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


def _unescaped(text: str) -> str:
    for code, sign in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, sign)
    return text
