"""What files and folders hold, in digests: of inputs from outside, and of outputs, which are checked when they are
taken from the cache. The cache alone calls it.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from msgspec import Struct, field

from backends.core.codec import seal, unseal
from backends.core.files import file_digest, write_whole
from backends.core.messages import N_, InputError, os_reason

WHOLE_BYTES = 64 << 20
"""Outputs up to this size are compared byte by byte; larger ones by names, sizes and times (a store has checksums)."""
OURS = ".r3d"
"""A workspace's own folder is no part of a data set that lies around it."""


class Stamp(Struct, frozen=True):
    """One output as it was when its stage ended."""

    listing: str
    """Names, sizes and times."""
    content: str = ""
    """Names and bytes; empty where it is too large to be read each time."""


class _Listing(Struct, frozen=True):
    """A folder's tree, or a single file."""

    digest: str
    """Names, sizes and times of the files: a second for 140,000 frames, where reading takes minutes."""
    watch: str
    """The same with times of change, and of the folders too: it differs where something was away for a moment."""
    files: tuple[str, ...] | None
    """Regular files, relative to the root, empty for the root itself; None: above `WHOLE_BYTES` in all."""


def stamp(path: Path) -> Stamp:
    """The stamp of an output. OSError where it is not there."""
    listing = _listed(path)
    return Stamp(listing.digest, _content(path, listing.files) if listing.files is not None else "")


def is_intact(path: Path, known: Stamp) -> bool:
    """Whether an output is what it was when it was stamped."""
    try:
        listing = _listed(path)
        if not known.content:
            return listing.digest == known.listing
        return listing.files is not None and _content(path, listing.files) == known.content
    except OSError:
        return False


def _content(path: Path, files: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for name in files:
        data = (path / name if name else path).read_bytes()
        digest.update(f"{name}\0{len(data)}\n".encode("utf-8", "surrogateescape"))
        digest.update(data)
    return digest.hexdigest()


class _Remembered(Struct, frozen=True):
    files: Mapping[str, tuple[int, int, int, str]] = field(default_factory=dict)
    """By path: size, time of change in nanoseconds, inode, SHA-256."""


class Digests:
    """Digests of inputs from outside: files by content, remembered by size and time, folders by names, sizes, times."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, tuple[int, int, int, str]] = {}
        self._changed = False
        with contextlib.suppress(OSError, ValueError):  # damaged: every file is read again
            self._known = dict(unseal(_Remembered, path.read_bytes()).files)

    def of(self, path: Path) -> tuple[str, str]:
        """A digest, and a state to compare with a later one. Raises InputError where there is nothing to read."""
        try:
            listing = _listed(path)
            return (listing.digest if path.is_dir() else self._file(path)), listing.watch
        except OSError as error:
            text, hint = N_("{path}: {reason}"), N_("fix the path in r3d.toml")
            raise InputError(text, hint=hint, path=str(path), reason=os_reason(error)) from None

    def save(self) -> None:
        """Remember what was read; where that cannot be written, it is read again."""
        if self._changed:
            with contextlib.suppress(OSError):
                write_whole(self._path, seal(_Remembered(self._known)))
            self._changed = False

    def _file(self, path: Path) -> str:
        stat = path.stat()
        key, state = str(path), (stat.st_size, stat.st_mtime_ns, stat.st_ino)
        known = self._known.get(key)
        if known is not None and known[:3] == state:
            return known[3]
        if not S_ISREG(stat.st_mode):
            raise OSError(0, "it is neither a file nor a folder")
        digest = file_digest(path)
        self._known[key], self._changed = (*state, digest), True
        return digest


def changed(path: Path, watch: str) -> bool:
    """Whether an input is in another state than `Digests.of` saw it in."""
    try:
        return _listed(path).watch != watch
    except OSError:
        return True


def _listed(root: Path) -> _Listing:
    """A folder that was seen already (a link to a parent, say) counts by name alone."""
    digest, watch, total = hashlib.sha256(), hashlib.sha256(), 0
    files: list[str] = []
    for name, stat in _tree(root):
        text = f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\n"
        if S_ISDIR(stat.st_mode):
            text = f"{name}\0seen\n" if name.endswith("\0") else ""
        elif S_ISREG(stat.st_mode) and (total := total + stat.st_size) <= WHOLE_BYTES:
            files.append(name)
        digest.update(text.encode("utf-8", "surrogateescape"))
        watch.update(f"{name}\0{stat.st_ctime_ns}\0{text}".encode("utf-8", "surrogateescape"))
    return _Listing(digest.hexdigest(), watch.hexdigest(), tuple(files) if total <= WHOLE_BYTES else None)


def _tree(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Every file and folder under `root` in a fixed order; a folder that was seen has a zero byte at its name's end."""
    begin = root.stat()
    yield "", begin
    pending, seen = [(str(root), "")] if S_ISDIR(begin.st_mode) else [], {(begin.st_dev, begin.st_ino)}
    while pending:
        folder, prefix = pending.pop()
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda found: found.name):
                stat, name = _stat_through(entry), f"{prefix}{entry.name}"
                identity = stat.st_dev, stat.st_ino
                if S_ISDIR(stat.st_mode) and identity in seen:
                    yield f"{name}\0", stat
                    continue
                if S_ISDIR(stat.st_mode) and entry.name == OURS:
                    continue
                yield name, stat
                if S_ISDIR(stat.st_mode):
                    seen.add(identity)
                    pending.append((entry.path, name + "/"))


def _stat_through(entry: os.DirEntry[str]) -> os.stat_result:
    """What a link leads to, or the link itself where it leads nowhere."""
    try:
        return entry.stat()
    except OSError:
        return entry.stat(follow_symlinks=False)
