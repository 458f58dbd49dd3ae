"""msprof, CANN's profiler: its command, and what its tables say of operators. It runs nothing.

Names of options, files and columns are those of CANN 5.1 to 9.1: a program at the end of the line is taken from 8.0 on,
`--application` by all; columns have lost and gained units and a device's number over the years.
"""

import csv
import math
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from backends.ascend import cann
from backends.core.messages import N_, NeedError
from backends.worker.tools import plain

PLACES = ("bin/msprof", "tools/profiler/bin/msprof", "toolkit/tools/profiler/bin/msprof")
"""Under an installation of CANN; nnrt and nnae have none."""
LARGEST = 256 << 20
"""Bytes of one table: a row an operator and an execution."""


class Operator(Struct, frozen=True):
    """An operator of the model, over all its executions."""

    name: str
    """Foreign text; the type again where the table counts by type alone."""
    kind: str
    calls: int
    total_us: float


def command(found: cann.Toolkit | None) -> str:
    """How msprof is started. Raises NeedError where it is not here."""
    inside = found.has(*PLACES) if found else None
    name = str(inside) if inside else shutil.which("msprof")
    if name is None:
        hint = N_("install the CANN toolkit: nnrt and nnae have no profiler")
        raise NeedError("msprof not found: neither in CANN nor on PATH", hint=hint)
    return name


def collect_line(msprof: str, program: Path, out: Path) -> list[str]:
    """The line that runs a program and writes what it measured below `out`."""
    return [msprof, f"--application={program}", f"--output={out}"]


def export_line(msprof: str, collected: Path) -> list[str]:
    """The line that makes tables of what was collected: releases before 6.0 do not do so by themselves."""
    return [msprof, "--export=on", f"--output={collected}"]


def operators(out: Path) -> tuple[Operator, ...]:
    """All operators below an output folder, the one that took most time first; empty where there is no table."""
    found = _summed(_rows(out, "op_summary"), "op name", "task duration", None)
    found = found or _summed(_rows(out, "op_statistic"), "op type", "total time", "count")
    return tuple(sorted(found, key=lambda one: -one.total_us))


def _rows(out: Path, table: str) -> Iterator[Mapping[str, str]]:
    """Rows of all files of a table, by columns without units and cases: `Task Duration(us)` is `task duration`."""
    for path in sorted(out.rglob(f"{table}*.csv")):
        if path.is_symlink() or path.stat().st_size > LARGEST:
            continue
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            lines = csv.reader(line.replace("\0", "") for line in file)
            heads = [re.sub(r"\s*\(.*", "", head).strip().lower() for head in next(lines, [])]
            yield from (dict(zip(heads, row, strict=False)) for row in lines)


def _summed(rows: Iterator[Mapping[str, str]], name: str, time: str, count: str | None) -> Sequence[Operator]:
    found: dict[tuple[str, str], Operator] = {}
    for row in rows:
        spent, calls = _number(row.get(time, "")), 1.0 if count is None else _number(row.get(count, ""))
        key = plain(row.get(name, ""))[:200], plain(row.get("op type", ""))[:80]
        if spent is not None and calls is not None and key[0] not in ("", "N/A"):
            before = found.get(key, Operator(*key, 0, 0.0))
            found[key] = Operator(*key, before.calls + int(calls), before.total_us + spent)
    return list(found.values())


def _number(text: str) -> float | None:
    try:
        value = float(text.strip())
    except ValueError:  # N/A
        return None
    return value if math.isfinite(value) and value >= 0 else None
