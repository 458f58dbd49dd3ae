"""What an archive's entries may be: names, kinds and sizes are checked before anything is written. It opens no archive.

An archive is foreign: its names may lead out of the folder, its entries may be links, its few bytes may unpack to
terabytes. What would do harm refuses the whole archive; what is only no video is passed over.
"""

import gzip
import lzma
import os
import re
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from msgspec import Struct

from backends.core.events import Skipped
from backends.core.messages import Line, line
from backends.core.messages import size as in_words
from backends.core.settings import VIDEO_SUFFIXES
from backends.data.annotation import name_problem, short

ENDINGS = {
    ".tar.gz": "tar", ".tar.bz2": "tar", ".tar.xz": "tar", ".tgz": "tar", ".tbz2": "tar", ".txz": "tar", ".tar": "tar",
    ".zip": "zip", ".rar": "rar",
}  # fmt: skip
"""What the name of an archive ends with, in lower case, and what reads it."""

MOST_ENTRIES = 1_000_000
"""Kinetics-700 has 650,000 videos."""
MOST_RATIO = 100
"""Bytes out for each byte of the archive; videos are compressed already and give about 1."""
FREE_OF_RATIO = 64 << 20
"""Bytes that an archive may always unpack to."""
LONGEST_PATH = 4096
PIECE = 1 << 20

DAMAGE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, gzip.BadGzipFile, RecursionError)
"""What reading a cut or damaged archive may raise; an OSError of the disk itself is another matter."""


def damage() -> tuple[type[Exception], ...]:
    """`DAMAGE`, and that of rar archives where one was read."""
    rarfile = sys.modules.get("rarfile")
    return DAMAGE if rarfile is None else (*DAMAGE, rarfile.BadRarFile, rarfile.RarExecError)


Aim = Callable[[str], PurePosixPath | None]
"""Where an entry of this name goes; None: it stays inside."""
EntryKind = Literal["file", "folder", "link", "other"]
_DRIVE = re.compile(r"[A-Za-z]:")


class RefusedError(Exception):
    """The archive is not unpacked; `reason` says why."""

    def __init__(self, reason: Line) -> None:
        self.reason = reason
        super().__init__(str(reason))


class Entry(Struct, frozen=True):
    """One entry as an archive tells of it."""

    name: str
    size: int
    kind: EntryKind
    open: Callable[[], IO[bytes]] | None = None
    """Its bytes; None where they cannot be had (folders, links)."""
    problem: Line | None = None
    """Why this entry alone is skipped (encrypted, an unusual method)."""
    alone: bool = False
    """Damage to it says nothing about the others."""


class Placed(Struct, frozen=True):
    files: int
    set_aside: tuple[Skipped, ...] = ()


def archive_kind(name: str) -> str | None:
    """`zip`, `tar` or `rar` by the name's ending; None where it is no archive or a later part of a split one."""
    lower = name.lower()
    part = re.search(r"\.part(\d+)\.rar$", lower)
    if part and int(part[1]) != 1:
        return None
    return next((kind for ending, kind in ENDINGS.items() if lower.endswith(ending)), None)


def archive_stem(name: str) -> str:
    """The name without its ending: `wave` for wave.rar, `org` for org.part1.rar."""
    lower = name.lower()
    ending = next((ending for ending in ENDINGS if lower.endswith(ending)), "")
    return re.sub(r"\.part\d+$", "", name[: len(name) - len(ending)], flags=re.IGNORECASE)


class Guard:
    """Counts what one archive gives, and refuses it where that becomes too much or leads astray."""

    def __init__(self, packed: int, free: int) -> None:
        """`packed`: the archive's bytes; `free`: those of the disk before anything of its content is there."""
        self._most = max(FREE_OF_RATIO, packed * MOST_RATIO)
        self._free = free
        self._entries = 0
        self._bytes = 0

    def check(self, entry: Entry) -> None:
        """Raise RefusedError for an entry that would do harm, or that is one too many."""
        shown = short(ascii(entry.name)[1:-1])
        if reason := leads_out(entry.name):
            raise RefusedError(line("its entry {entry} {reason}", entry=shown, reason=reason))
        if entry.kind in ("link", "other"):
            reason = line("is a link") if entry.kind == "link" else line("is neither a file nor a folder")
            raise RefusedError(line("its entry {entry} {reason}", entry=shown, reason=reason))
        self._entries += 1
        if self._entries > MOST_ENTRIES:
            raise RefusedError(line("it has more than {n} entries", n=MOST_ENTRIES))
        self.count(entry.size)

    def count(self, size: int) -> None:
        """Add bytes that come out of the archive; RefusedError where they are too many for it, or for the disk."""
        self._bytes += max(0, size)
        if size < 0 or self._bytes > self._most:
            raise RefusedError(line("it unpacks to more than {n} times its size", n=MOST_RATIO))
        if self._bytes > self._free:
            raise RefusedError(line("it unpacks to more than the {free} that are free", free=in_words(self._free)))


def leads_out(name: str) -> Line | None:
    """Why a path cannot be one within an archive; None where it can. Backslashes count as slashes, as on Windows."""
    parts = name.replace("\\", "/").split("/")
    if not name or "\0" in name or len(name) > LONGEST_PATH:
        return line("has no usable name")
    if parts[0] == "" or _DRIVE.match(parts[0]):
        return line("has an absolute path")
    return line("leads out of the archive") if ".." in parts else None


def target(name: str, unnamed: str | None) -> PurePosixPath | None:
    """Where a video or an inner archive goes: `<folder>/<file>`; None for everything else.

    The folder is the one that holds the entry; `unnamed` stands in where none does (None: it goes without).
    """
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if not parts or any(part.startswith(".") or part == "__MACOSX" for part in parts):
        return None
    file = parts[-1]
    if os.path.splitext(file)[1].lower() not in VIDEO_SUFFIXES and archive_kind(file) is None:  # noqa: PTH122 - a name
        return None if not re.search(r"\.part\d+\.rar$", file, re.IGNORECASE) else PurePosixPath(file)
    if archive_kind(file):
        return PurePosixPath(file)
    folder = parts[-2] if len(parts) > 1 else unnamed
    return PurePosixPath(file) if folder is None else PurePosixPath(folder, file)


def list_file(name: str) -> PurePosixPath | None:
    """Where a data set's list goes: its name alone, whatever folder it lies in; None for everything else. An `Aim`."""
    file = name.replace("\\", "/").rpartition("/")[2]
    return PurePosixPath(file) if file.lower().endswith((".txt", ".csv")) and not file.startswith(".") else None


def place(entries: Iterator[Entry], guard: Guard, out: Path, aim: Aim, stop: Callable[[], None]) -> Placed:
    """Write those of `entries` that `aim` has a place for, under `out`.

    Files are written by us under names that were checked, never by the archive's own idea of a path. `stop` may raise.
    """
    written = 0
    aside: list[Skipped] = []
    for entry in entries:
        stop()
        guard.check(entry)
        where = aim(entry.name) if entry.kind == "file" else None
        if where is None:
            continue
        problem = entry.problem or next(filter(None, map(name_problem, where.parts)), None)
        path = out / where
        if problem is None and os.path.lexists(path):
            problem = line("it stands twice in the archive")
        if problem is not None:
            aside.append(Skipped(short(str(where)), problem))
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _write(entry, path, stop)
        except damage() as error:
            path.unlink(missing_ok=True)
            if not entry.alone:
                raise RefusedError(line("it is cut off or damaged: {reason}", reason=str(error)[:200])) from None
            reason = line("it is damaged in the archive: {reason}", reason=str(error)[:200])
            aside.append(Skipped(short(str(where)), reason))
        else:
            written += 1
    return Placed(written, tuple(aside))


def _write(entry: Entry, path: Path, stop: Callable[[], None]) -> None:
    """One file, durable, with exactly the bytes that the entry announced."""
    assert entry.open is not None
    left = entry.size
    with entry.open() as source, open(path, "xb") as file:
        while data := source.read(PIECE):
            stop()
            left -= len(data)
            if left < 0:
                break
            file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if left:
        raise RefusedError(
            line("entry {entry} does not have the size that its header gives", entry=short(ascii(entry.name)[1:-1]))
        )
