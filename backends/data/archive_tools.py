"""Rar archives, unpacked by whichever foreign tool is on PATH. It refuses to believe what the tool says or does.

bsdtar only translates: it gives the archive as a tar stream that we read ourselves. The other tools list first, every
name is checked, and then they write into a fresh folder of ours; what lies there afterwards is checked again.
"""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, cast

from backends.core.errors import NeedError
from backends.core.messages import N_, line
from backends.core.processes import child_environment, kill_group
from backends.data.archive_entries import DAMAGE, Aim, Entry, EntryKind, Guard, Placed, RefusedError, free_bytes, place
from backends.data.archive_readers import stream_entries

SILENT_S = 300.0
"""Seconds without a byte after which a tool is given up; one that unpacks has a second more for each megabyte."""
LONGEST_LIST = 256 << 20

NOT_UNDERSTOOD = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What reading a list may raise where a tool says something else than it is known to say."""

_INSTALL = N_("install one (apt install unar, libarchive-tools or unrar), or unpack it yourself and give the folder")
_INSTALL_FOR_PARTS = N_("install one (apt install unar or unrar), or unpack it yourself and give the folder")


@dataclass(frozen=True, slots=True)
class Lister:
    """How one tool lists and unpacks: argument lists in which `{archive}` and `{out}` are replaced."""

    tool: str
    """What unpacks."""
    listing: tuple[str, ...]
    read: Callable[[str], Iterator[Entry]]
    unpacking: tuple[str, ...]

    def unpack(self, archive: Path, packed: int, out: Path, aim: Aim, keeper: Keeper) -> Placed:
        """List, check every name, unpack into a fresh folder, check what lies there, and move it to its place."""
        raw = out.with_name(f"{out.name}.raw")
        shutil.rmtree(raw, ignore_errors=True)
        raw.mkdir(mode=0o700)
        try:
            with _Running(self._filled(self.listing, archive, raw), keeper, SILENT_S) as tool:
                listed = tool.all(watch=keeper.stop)
            try:
                entries = tuple(self.read(listed))
            except NOT_UNDERSTOOD:
                raise _ToolError(self.tool, "its list is not understood") from None
            free = free_bytes(out)  # once: what is unpacked there takes of it, and is only moved afterwards
            guard = Guard(packed, free)
            for entry in entries:
                guard.check(entry)
            with _Running(self._filled(self.unpacking, archive, raw), keeper, SILENT_S + packed / 1e6) as tool:
                tool.all(watch=lambda: _watch(raw, Guard(packed, free)))
            return place(_found(raw), Guard(packed, free), out, aim, keeper.stop)
        finally:
            shutil.rmtree(raw, ignore_errors=True)

    def _filled(self, command: tuple[str, ...], archive: Path, out: Path) -> tuple[str, ...]:
        return tuple(part.replace("{archive}", str(archive)).replace("{out}", str(out)) for part in command)


def read_lsar(text: str) -> Iterator[Entry]:
    """The JSON of `lsar -j`."""
    for item in json.loads(text[text.index("{") :])["lsarContents"]:
        kind: EntryKind = "file"
        if item.get("XADIsLink") or item.get("XADIsHardLink"):
            kind = "link"
        elif item.get("XADIsDirectory"):
            kind = "folder"
        yield Entry(_name(item["XADFileName"]), int(item.get("XADFileSize", 0)), kind)


def _name(value: object) -> str:
    return value if isinstance(value, str) else os.fsdecode(bytes(value))  # type: ignore[call-overload]


def read_unrar(text: str) -> Iterator[Entry]:
    """`unrar lt`: blocks of `Name: value` lines, apart by empty ones. ValueError for what another `unrar` says."""
    if not re.search(r"^Details: ", text, re.MULTILINE):  # Debian's unrar-free goes by the same name and ends well
        raise ValueError(text[:80])
    for fields in _blocks(text, r"^\s*([A-Z][\w ]*?): (.*)$"):
        if "Name" in fields and "Type" in fields:
            kinds: dict[str, EntryKind] = {"File": "file", "Directory": "folder"}
            yield Entry(fields["Name"], int(fields.get("Size", "0")), kinds.get(fields["Type"], "link"))


def read_7z(text: str) -> Iterator[Entry]:
    """`7z l -slt`: blocks of `Name = value` lines behind a row of dashes. ValueError where there is none."""
    _, dashes, told = text.partition("\n----------\n")
    if not dashes:
        raise ValueError(text[:80])
    for fields in _blocks(told, r"^([A-Z][\w ]*?) = ?(.*)$"):
        if "Path" in fields:
            linked = any(fields.get(name) for name in ("Symbolic Link", "Hard Link", "Copy Link", "Links to"))
            kind: EntryKind = "folder" if fields.get("Folder") == "+" else "file"
            unix = fields.get("Attributes", "").split()[-1:] or [""]
            yield Entry(fields["Path"], int(fields.get("Size") or 0), "link" if linked or unix[0][:1] == "l" else kind)


def _blocks(text: str, pattern: str) -> Iterator[dict[str, str]]:
    for block in re.split(r"\n\s*\n", text):
        yield dict(re.findall(pattern, block, re.MULTILINE))


LISTERS = (
    Lister("unrar", ("unrar", "lt", "-p-", "-c-", "--", "{archive}"), read_unrar,
           ("unrar", "x", "-y", "-p-", "-c-", "-o+", "-idq", "--", "{archive}", "{out}/")),
    Lister("7zz", ("7zz", "l", "-slt", "-p", "-sccUTF-8", "--", "{archive}"), read_7z,
           ("7zz", "x", "-y", "-p", "-o{out}", "--", "{archive}")),
    Lister("7z", ("7z", "l", "-slt", "-p", "-sccUTF-8", "--", "{archive}"), read_7z,
           ("7z", "x", "-y", "-p", "-o{out}", "--", "{archive}")),
    Lister("unar", ("lsar", "-j", "-p", "", "{archive}"), read_lsar,
           ("unar", "-q", "-f", "-D", "-p", "", "-o", "{out}", "{archive}")),
)  # fmt: skip
"""In the order in which they are asked, behind bsdtar. Debian's 7zz cannot read rar, fails, and is passed over."""


@dataclass(frozen=True, slots=True)
class Keeper:
    """Whose tools these are, and how the work is told to stop."""

    workspace: Path
    stop: Callable[[], None]
    """May raise; called often."""


class _ToolError(Exception):
    """A tool could not do it; another may."""

    def __init__(self, tool: str, words: str) -> None:
        self.tool, self.words = tool, words
        super().__init__(words)


def unpack_rar(archive: Path, out: Path, aim: Aim, keeper: Keeper) -> Placed:
    """As `archive_entries.place`, for a rar archive, whole or split, with the first tool that can.

    NeedError where there is none on PATH; RefusedError where the archive does harm or no tool could unpack it.
    """
    parts = volumes(archive)
    packed = sum(path.stat().st_size for path in parts)
    failed = None
    for way in _ways(split=len(parts) > 1):
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        try:
            return way(archive, packed, out, aim, keeper)
        except _ToolError as error:
            failed = error
    if failed is not None:
        raise RefusedError(line("{tool} could not unpack it: {words}", tool=failed.tool, words=failed.words))
    hint = _INSTALL if len(parts) == 1 else _INSTALL_FOR_PARTS
    raise NeedError("{path}: no tool on PATH unpacks this .rar archive", hint=hint, path=str(archive))


def volumes(archive: Path) -> list[Path]:
    """All files of a split archive, in order; the file itself where it is whole."""
    split = re.fullmatch(r"(.*\.part)\d+(\.rar)", archive.name, re.IGNORECASE | re.DOTALL)
    if not split:
        return [archive]
    pattern = re.compile(re.escape(split[1]) + r"(\d+)" + re.escape(split[2]), re.IGNORECASE)
    found = {int(match[1]): path for path in archive.parent.iterdir() if (match := pattern.fullmatch(path.name))}
    for number in range(1, max(found) + 1):
        if number not in found:
            raise RefusedError(line("its part {n} is not there", n=number))
    return [found[number] for number in sorted(found)]


def _ways(*, split: bool) -> Iterator[Callable[[Path, int, Path, Aim, Keeper], Placed]]:
    if not split and shutil.which("bsdtar"):
        yield _translated
    for lister in LISTERS:
        if shutil.which(lister.listing[0]) and shutil.which(lister.tool):
            yield lister.unpack


def _translated(archive: Path, packed: int, out: Path, aim: Aim, keeper: Keeper) -> Placed:
    """bsdtar turns it into a tar stream and writes nothing itself."""
    with _Running(("bsdtar", "-cf", "-", "--format=pax", f"@{archive}"), keeper, SILENT_S) as tool:
        try:
            placed = place(
                stream_entries(cast("IO[bytes]", tool)), Guard(packed, free_bytes(out)), out, aim, keeper.stop
            )
        except (RefusedError, *DAMAGE):
            tool.refuse_failure()  # where it gave up in the middle, that is the reason
            raise
        tool.refuse_failure()
        return placed


def _found(folder: Path) -> Iterator[Entry]:
    """What a tool has written, as it lies there."""
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(root, name)
            told = path.lstat()
            kind: EntryKind = "folder" if stat.S_ISDIR(told.st_mode) else "file"
            if not (stat.S_ISDIR(told.st_mode) or stat.S_ISREG(told.st_mode)) or (kind == "file" and told.st_nlink > 1):
                kind = "link"
            yield Entry(str(path.relative_to(folder)), told.st_size if kind == "file" else 0, kind, staged=path)


def _watch(folder: Path, guard: Guard) -> None:
    """Refuse an archive that gives more than its list said while it is still being unpacked."""
    for entry in _found(folder):
        guard.count(entry.size)


class _Running:
    """A tool in a session of its own behind our guard, whose output is read; it ends with the block."""

    def __init__(self, command: Sequence[str], keeper: Keeper, silent_s: float) -> None:
        self._tool, self._keeper, self._silent_s = command[0], keeper, silent_s
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._process = subprocess.Popen(
            [sys.executable, "-m", "backends.worker.process_guard", *command],
            env=child_environment(keeper.workspace),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            start_new_session=True,
        )

    def __enter__(self) -> _Running:  # noqa: PYI034 - typing.Self needs Python 3.11
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        kill_group(self._process.pid)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
        self._words.close()

    def read(self, size: int) -> bytes:
        """Up to `size` bytes of what it says, none at its end."""
        assert self._process.stdout is not None
        until = time.monotonic() + self._silent_s
        while not select.select([self._process.stdout], [], [], 0.5)[0]:
            self._keeper.stop()
            if time.monotonic() > until:
                raise _ToolError(self._tool, f"it said nothing for {self._silent_s:.0f} s")
        return os.read(self._process.stdout.fileno(), min(size, 1 << 20))

    def all(self, *, watch: Callable[[], None]) -> str:
        """What it says until its end; `watch` is called now and then."""
        heard, looked = bytearray(), time.monotonic()
        while data := self.read(1 << 16):
            heard += data
            if len(heard) > LONGEST_LIST:
                raise RefusedError(line("its list of entries is longer than {n} bytes", n=LONGEST_LIST))
            if time.monotonic() - looked > 0.5:
                watch()
                looked = time.monotonic()
        self.refuse_failure(heard)
        return heard.decode("utf-8", "surrogateescape")

    def refuse_failure(self, said: bytes | bytearray = b"") -> None:
        """Raise where it has ended by its own will and not well."""
        try:
            status = self._process.wait(2)
        except subprocess.TimeoutExpired:
            return
        if status:
            self._words.seek(0)
            complaint = _one_line(self._words.read(1 << 16)) or _one_line(said[-4096:])
            raise _ToolError(self._tool, complaint[-200:] or f"exit code {status}")


def _one_line(said: bytes | bytearray) -> str:
    """A tool's words; some say `(null)` where they know no reason."""
    lines = (text.strip() for text in said.decode("utf-8", "replace").split("\n"))
    return " ".join(text for text in lines if text and not text.endswith("(null)"))
