"""RAR files for tests, written byte by byte: entries are stored, in RAR's older format, in one volume or several."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

REGULAR, LINK = 0o100644, 0o120777
_MARK = b"Rar!\x1a\x07\x00"


def rar(path: Path, entries: dict[str, bytes], *, links: tuple[str, ...] = ()) -> Path:
    """One volume with these entries; those named in `links` are symbolic links to their content."""
    blocks = [_entry(name, data, data, 0, LINK if name in links else REGULAR) for name, data in entries.items()]
    path.write_bytes(_MARK + _main(0) + b"".join(blocks) + _end(0))
    return path


def split_rar(folder: Path, stem: str, name: str, data: bytes, volumes: int) -> list[Path]:
    """`stem.part1.rar` and its like, with one entry cut into `volumes` pieces."""
    size, paths = -(-len(data) // volumes), []
    for number in range(volumes):
        piece, last = data[number * size : (number + 1) * size], number == volumes - 1
        flags = (1 if number else 0) | (0 if last else 2)
        block = _entry(name, piece, data if last else piece, flags, REGULAR, whole=len(data))
        path = folder / f"{stem}.part{number + 1}.rar"
        path.write_bytes(_MARK + _main(0x0011 | (0 if number else 0x0100)) + block + _end(0 if last else 1))
        paths.append(path)
    return paths


def _block(kind: int, flags: int, rest: bytes) -> bytes:
    body = struct.pack("<BHH", kind, flags, 7 + len(rest)) + rest
    return struct.pack("<H", zlib.crc32(body) & 0xFFFF) + body


def _main(flags: int) -> bytes:
    return _block(0x73, flags, bytes(6))


def _end(flags: int) -> bytes:
    return _block(0x7B, 0x4000 | flags, b"")


def _entry(name: str, piece: bytes, checked: bytes, flags: int, mode: int, whole: int | None = None) -> bytes:
    folder = name.endswith("/")
    raw = name.rstrip("/").replace("/", "\\").encode()  # as WinRAR writes it
    size = len(checked) if whole is None else whole
    if folder:
        flags, mode = flags | 0xE0, 0o040755
    head = struct.pack("<IIBIIBBHI", len(piece), size, 3, zlib.crc32(checked), 0x5A210000, 20, 0x30, len(raw), mode)
    return _block(0x74, 0x8000 | flags, head + raw) + piece
