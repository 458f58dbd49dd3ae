"""A simulated power loss: from the record of what a process did to its files, what a disk may hold at any moment.

A disk owes only what was synced. Of the rest, each write may be there, be torn, or be lost, in any order; entries of a
folder (created, renamed, removed) become durable in order, at the latest when the folder is synced.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_HEAD = struct.Struct("<c4q")
SECTOR = 512


@dataclass(frozen=True)
class Op:
    """One thing that was done."""

    kind: str
    path: str
    other: str
    offset: int
    data: bytes


@dataclass
class File:
    """What the disk surely holds of a file, and what is still on its way."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[Op] = field(default_factory=list)

    def apply(self, op: Op) -> None:
        if op.kind == "T":
            del self.durable[op.offset :]
            self.durable.extend(bytes(op.offset - len(self.durable)))
            return
        end = op.offset + len(op.data)
        self.durable.extend(bytes(max(0, end - len(self.durable))))
        self.durable[op.offset : end] = op.data


def read_log(path: Path) -> list[Op]:
    """Everything that was recorded, in order."""
    data, at, ops = path.read_bytes(), 0, []
    while at < len(data):
        kind, first, second, offset, size = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        parts = []
        for length in (first, second, size):
            parts.append(data[at : at + length])
            at += length
        ops.append(Op(kind.decode(), parts[0].decode(), parts[1].decode(), offset, parts[2]))
    return ops


def disk_after(ops: list[Op], chance: random.Random) -> dict[str, bytes]:
    """One of the many states in which the disk may be found when the power goes after `ops`: path to content."""
    names: dict[str, File] = {}
    durable_names: dict[str, File] = {}
    waiting: list[tuple[str, Op, File | None]] = []
    for op in ops:
        if op.kind == "C":
            file = names.setdefault(op.path, File())
            file.pending.append(Op("T", op.path, "", 0, b""))
            waiting.append((_folder(op.path), op, file))
        elif op.kind in "WT":
            names.setdefault(op.path, File()).pending.append(op)
        elif op.kind == "R":
            file = names.pop(op.path)
            names[op.other] = file
            waiting.append((_folder(op.other), op, file))
        elif op.kind == "U":
            names.pop(op.path, None)
            waiting.append((_folder(op.path), op, None))
        elif op.path in names:
            file = names[op.path]
            for one in file.pending:
                file.apply(one)
            file.pending.clear()
        else:
            _settle(durable_names, [entry for entry in waiting if entry[0] == op.path])
            waiting = [entry for entry in waiting if entry[0] != op.path]
    _settle(durable_names, waiting[: chance.randint(0, len(waiting))])
    for file in {id(file): file for file in durable_names.values()}.values():
        for one in _survivors(file.pending, chance):
            file.apply(one)
    return {path: bytes(file.durable) for path, file in durable_names.items()}


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _settle(names: dict[str, File], entries: list[tuple[str, Op, File | None]]) -> None:
    for _, op, file in entries:
        if op.kind == "U":
            names.pop(op.path, None)
        elif file is not None:
            if op.kind == "R":
                names.pop(op.path, None)
            names[op.other or op.path] = file


def _survivors(pending: list[Op], chance: random.Random) -> Iterator[Op]:
    """Some of the writes, some of them torn at a sector; all, or none, now and then."""
    share = chance.choice((0.0, 0.3, 0.7, 1.0))
    for op in pending:
        if chance.random() >= share:
            continue
        if op.kind == "W" and len(op.data) > SECTOR and chance.random() < 0.3:
            kept = SECTOR * chance.randint(0, len(op.data) // SECTOR)
            yield Op("W", op.path, "", op.offset, op.data[:kept])
        else:
            yield op
