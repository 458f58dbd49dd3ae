"""Zip, tar and rar archives, read entry by entry: by the standard library, and by rarfile.

`archives` places what they give. Nothing is extracted by a library or a tool: each entry's bytes are handed out, and
whoever takes them decides where they go. So neither a link nor a path inside an archive has any power.
"""

import bz2
import contextlib
import gzip
import lzma
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from backends.core.messages import N_, NeedError, line
from backends.data.archive_entries import DAMAGE, Entry, EntryKind, RefusedError

LONGEST_HEADER = 1 << 20
"""Bytes of a name or an extended header of a tar entry; `tarfile` holds them in memory whole."""

_UNICODE_NAME, _UNIX = 0x7075, 3
_PLAIN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def zip_entries(path: Path) -> Iterator[Entry]:
    """The entries of a zip file. RefusedError where it is none."""
    try:
        archive = zipfile.ZipFile(path)
    except (*DAMAGE, ValueError, NotImplementedError) as error:
        raise RefusedError(line("not a complete zip archive: {reason}", reason=str(error)[:200])) from None
    with archive:
        for info in archive.infolist():
            yield _zip_entry(archive, info)


def _zip_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Entry:
    mode = info.external_attr >> 16
    kind: EntryKind = "folder" if info.orig_filename.endswith("/") else "file"  # is_dir() fails where a name is empty
    if stat.S_ISLNK(mode):
        kind = "link"
    elif stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        kind = "other"
    problem = None
    if info.flag_bits & 1:
        problem = line("it is encrypted")
    elif info.compress_type not in _PLAIN:
        problem = line("it is packed in an unusual way (method {n})", n=info.compress_type)
    return Entry(_zip_name(info), info.file_size, kind, lambda: archive.open(info), problem=problem, alone=True)


def _zip_name(info: zipfile.ZipInfo) -> str:
    """An entry's name. One that is not ASCII and not marked as UTF-8 stands in an extra field, with a sum of the other;
    without one it is UTF-8 all the same where it was packed on Unix, as far as it can be.
    """
    if info.flag_bits & 0x800 or info.orig_filename.isascii():
        return info.orig_filename
    raw, extra = info.orig_filename.encode("cp437", "replace"), info.extra
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        field, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == _UNICODE_NAME and field[:5] == b"\1" + struct.pack("<I", zlib.crc32(raw)):
            return field[5:].decode("utf-8", "surrogateescape")
    with contextlib.suppress(UnicodeDecodeError):
        return raw.decode("utf-8") if info.create_system == _UNIX else info.orig_filename
    return info.orig_filename


def tar_entries(path: Path) -> Iterator[Entry]:
    """The entries of a tar file, plain or compressed with gzip, bzip2 or xz; take each one's bytes before asking for
    the next. RefusedError where it is cut off."""
    with unpressed(path) as stream:
        forward = _Forward(stream)
        with tarfile.TarFile(fileobj=cast("IO[bytes]", forward), errors="surrogateescape") as archive:
            while (info := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined]  # a million entries would stay in memory
                yield _tar_entry(archive, info)
        if not forward.ended:
            raise RefusedError(line("it is cut off"))


def _tar_entry(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Entry:
    kind: EntryKind = "other"
    if info.issym() or info.islnk():
        kind = "link"
    elif info.isdir():
        kind = "folder"
    elif info.isreg() and not info.issparse():
        kind = "file"
    return Entry(info.name, info.size, kind, lambda: cast("IO[bytes]", archive.extractfile(info)))


def rar_entries(path: Path, scratch: Path) -> Iterator[Entry]:
    """The entries of a rar archive, of a split one by its first part. Stored entries are read here; packed ones by
    unrar, unar, 7z or bsdtar, which write into a pipe.

    rarfile puts small archives of one entry each into `scratch` for them, so that an entry's name is no pattern to a
    tool. RefusedError where the archive cannot be read, NeedError where it takes a tool and there is none.
    """
    import rarfile

    rarfile.HACK_TMP_DIR, rarfile.HACK_SIZE_LIMIT = str(scratch), 1 << 40
    rarfile.CURRENT_SETUP = _rar_tool(split=len(volumes(path)) > 1)
    try:
        with rarfile.RarFile(path, errors="strict") as archive:
            if archive.needs_password() and not archive.infolist():
                raise RefusedError(line("it is encrypted"))
            for info in archive.infolist():
                yield _rar_entry(archive, info)
    except rarfile.Error as error:
        raise RefusedError(line("not a complete rar archive: {reason}", reason=str(error)[:200])) from None


def _rar_tool(*, split: bool) -> Any:
    """The tool on PATH that rarfile uses for packed entries.

    bsdtar is asked last and not for split archives, which it cannot read; rarfile's own command line for it does not
    work (it puts `--` behind `-f`).
    """
    import rarfile

    class Bsdtar(rarfile.ToolSetup):  # type: ignore[misc]
        def open_cmdline(self, _password: object, archive: str, entry: str | None = None) -> list[str]:
            return [rarfile.BSDTAR_TOOL, "-x", "--to-stdout", "-f", archive, *(("--", entry) if entry else ())]

    try:
        return rarfile.tool_setup(bsdtar=False, force=True)
    except rarfile.RarCannotExec:
        bsdtar = Bsdtar(rarfile.BSDTAR_CONFIG)
        return bsdtar if not split and bsdtar.check() else _NoTool()


class _NoTool:
    """Stands where rarfile keeps its tool, so that it looks for no other."""

    def open_cmdline(self, *_: object) -> list[str]:
        import rarfile

        raise rarfile.RarCannotExec("no tool")


def _rar_entry(archive: Any, info: Any) -> Entry:
    kind: EntryKind = "file"
    if info.is_symlink() or info.file_redir:
        kind = "link"
    elif info.is_dir():
        kind = "folder"
    problem = line("it is encrypted") if info.needs_password() else None
    return Entry(info.filename, info.file_size, kind, lambda: _open_rar(archive, info), problem=problem, alone=True)


def _open_rar(archive: Any, info: Any) -> IO[bytes]:
    import rarfile

    try:
        return cast("IO[bytes]", archive.open(info))
    except rarfile.RarCannotExec:
        hint = N_("install one (apt install unar or unrar), or unpack it yourself and give the folder")
        path = str(archive.filename)
        raise NeedError("{path}: no tool on PATH unpacks this .rar archive", hint=hint, path=path) from None


def volumes(path: Path) -> list[Path]:
    """All files of a split rar archive, in order; the file itself where it is whole."""
    split = re.fullmatch(r"(.*\.part)\d+(\.rar)", path.name, re.IGNORECASE | re.DOTALL)
    if not split:
        return [path]
    pattern = re.compile(re.escape(split[1]) + r"(\d+)" + re.escape(split[2]), re.IGNORECASE)
    found = {int(match[1]): other for other in path.parent.iterdir() if (match := pattern.fullmatch(other.name))}
    for number in range(1, max(found) + 1):
        if number not in found:
            raise RefusedError(line("its part {n} is not there", n=number))
    return [found[number] for number in sorted(found)]


def unpressed(path: Path) -> IO[bytes]:
    """The file's bytes, unpacked where it begins as gzip, bzip2 or xz do."""
    with open(path, "rb") as file:
        head = file.read(6)
    if head.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.open(path))
    if head.startswith(b"BZh"):
        return cast("IO[bytes]", bz2.open(path))
    if head == b"\xfd7zXZ\0":
        return cast("IO[bytes]", lzma.open(path))
    return open(path, "rb")


class _Forward:
    """A stream that is read once from its start to its end, and whose headers cannot fill the memory.

    `tarfile` follows offsets that the archive gives and reads headers whole; here a step back, a negative length and
    an endless header are refused.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._at = 0
        self._last = b""

    @property
    def ended(self) -> bool:
        """Whether the last that was read is a tar's end mark."""
        return len(self._last) == tarfile.BLOCKSIZE and not any(self._last)

    def read(self, size: int) -> bytes:
        """`size` bytes, fewer at the end."""
        if not 0 <= size <= LONGEST_HEADER:
            raise RefusedError(line("one of its headers is {size} bytes long", size=size))
        parts, left = [], size
        while left and (data := self._stream.read(left)):
            parts.append(data)
            left -= len(data)
        self._last = b"".join(parts)
        self._at += len(self._last)
        return self._last

    def seek(self, place: int) -> int:
        """Go forward to `place`, reading what lies between."""
        if place < self._at:
            raise RefusedError(line("its headers lead back to its start"))
        while self._at < place and self.read(min(LONGEST_HEADER, place - self._at)):
            pass
        return self._at

    def tell(self) -> int:
        return self._at
