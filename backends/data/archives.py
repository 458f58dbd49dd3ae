"""Archives as inputs: a `.rar`, `.zip` or `.tar` of videos or of split files, or a folder of them, unpacked.

The frames stage and the annotate stage unpack by it; entries are checked in `archive_entries`, read in
`archive_readers`. HMDB51 comes as one archive that holds one a class, and a second one of its split files.
"""

import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from msgspec import Struct

from backends.core.codec import DecodeError, dumps, loads
from backends.core.events import Skipped
from backends.core.files import stamp_of, write_whole
from backends.core.messages import N_, InputError, Line, line
from backends.data.annotation import short
from backends.data.archive_entries import (
    DAMAGE,
    Aim,
    Entry,
    Guard,
    Placed,
    RefusedError,
    archive_kind,
    archive_stem,
    list_file,
    place,
    target,
)
from backends.data.archive_readers import rar_entries, tar_entries, volumes, zip_entries
from backends.data.video_files import is_file


class Unpacked(Struct, frozen=True):
    """The record beside a folder that holds all that an archive gives."""

    stamps: tuple[tuple[str, int, int], ...]
    """Name, size and time of change in nanoseconds of each of the archive's files."""
    files: int
    bytes: int
    set_aside: tuple[Skipped, ...] = ()


def find_archives(given: Path) -> list[Path]:
    """The archive itself, or those that lie in a folder; of a split archive its first part."""
    if given.is_file():
        return [given]
    try:
        names = sorted(entry.name for entry in os.scandir(given) if not entry.name.startswith(".") and is_file(entry))
    except OSError:
        return []  # whoever looks for videos there says it
    return [given / name for name in names if archive_kind(name)]


def is_archive(path: Path) -> bool:
    """Whether a path is that of a file which its name calls an archive."""
    return archive_kind(path.name) is not None and path.is_file()


class Unpacking:
    """Unpacks archives into `folder`, each once: a later attempt resumes with what is whole."""

    def __init__(self, folder: Path, stop: Callable[[], None], set_aside: Callable[[str, Line], None]) -> None:
        """`stop` is called often and may raise."""
        self._folder, self._stop, self._set_aside = folder, stop, set_aside

    def roots(self, given: Path, report: Callable[[int, int, str], None]) -> list[Path]:
        """Unpack every archive of `given`; the folders that now hold `<class>/<video>`, or videos alone.

        `report(done, total, name)` is called as it goes on. An archive of several that is refused is skipped by name;
        InputError where it is the only one. NeedError where no tool unpacks what is there.
        """
        archives = find_archives(given)
        if given.is_file() and archive_kind(given.name) is None:
            hint = N_("give a folder of videos, or a .rar (its first part), .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz")
            raise InputError("{path}: neither a folder nor an archive", hint=hint, path=str(given))
        roots = []
        for done, archive in enumerate(archives):
            report(done, len(archives), archive.name)
            try:
                roots += self._one(archive, None if given.is_file() else archive_stem(archive.name))
            except RefusedError as error:
                if given.is_file():
                    raise _refusal(given, error) from None
                self._set_aside(short(archive.name), error.reason)
        report(len(archives), len(archives), "")
        return roots

    def splits(self, given: Path) -> Path:
        """The folder that holds the split files: `given` itself, or what its archive was unpacked to.

        InputError where the archive is refused, NeedError where no tool unpacks it.
        """
        if not is_archive(given):
            return given
        try:
            return self._unpack(given, self._folder / "splits" / given.name, list_file)
        except RefusedError as error:
            raise _refusal(given, error) from None

    def _one(self, archive: Path, unnamed: str | None) -> list[Path]:
        """One archive and, once more, those that lie in it."""
        root = self._unpack(archive, self._folder / archive.name, partial(target, unnamed=unnamed))
        roots = [root]
        for inner in find_archives(root):
            out = self._folder / f"{archive.name}.within" / inner.name
            try:
                roots.append(self._unpack(inner, out, partial(target, unnamed=archive_stem(inner.name))))
            except RefusedError as error:
                self._set_aside(short(f"{archive.name}/{inner.name}"), error.reason)
        return roots

    def _unpack(self, archive: Path, out: Path, aim: Aim) -> Path:
        record = out.with_name(f"{out.name}.json")
        stamps = tuple((path.name, *stamp_of(path)) for path in _parts(archive))
        before = _read(record)
        if before is None or before.stamps != stamps or (before.files, before.bytes) != _holds(out):
            placed = self._fresh(archive, out, aim)
            for path in _files(out):  # whether its frames are still right is known by size and time
                os.utime(path, ns=(stamps[0][2], stamps[0][2]))
            before = Unpacked(stamps, *_holds(out), placed.set_aside)
            write_whole(record, dumps(before).encode("ascii"))
        for item in before.set_aside:
            self._set_aside(short(f"{archive.name}: {item.item}"), item.reason)
        return out

    def _fresh(self, archive: Path, out: Path, aim: Aim) -> Placed:
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        try:
            guard = Guard(sum(path.stat().st_size for path in _parts(archive)), shutil.disk_usage(out).free)
            return place(_entries(archive, out.parent), guard, out, aim, self._stop)
        except (*DAMAGE, zlib.error) as error:
            raise RefusedError(line("it is cut off or damaged: {reason}", reason=str(error)[:200])) from None
        except RefusedError:
            shutil.rmtree(out, ignore_errors=True)
            raise


def _entries(archive: Path, scratch: Path) -> Iterator[Entry]:
    kind = archive_kind(archive.name)
    if kind == "rar":
        return rar_entries(archive, scratch)
    return zip_entries(archive) if kind == "zip" else tar_entries(archive)


def _refusal(archive: Path, error: RefusedError) -> InputError:
    hint = N_("unpack it yourself where you trust it, and give the folder")
    return InputError("{path}: {reason}", hint=hint, path=str(archive), reason=error.reason)


def _parts(archive: Path) -> list[Path]:
    return volumes(archive) if archive_kind(archive.name) == "rar" else [archive]


def _read(record: Path) -> Unpacked | None:
    try:
        return loads(Unpacked, record.read_bytes())
    except (OSError, DecodeError):
        return None


def _files(folder: Path) -> list[Path]:
    return [Path(root, name) for root, _, names in os.walk(folder) for name in names]


def _holds(folder: Path) -> tuple[int, int]:
    """Number and bytes of the files in a folder."""
    sizes = [path.lstat().st_size for path in _files(folder)]
    return len(sizes), sum(sizes)
