"""CANN's own log (plog) of one process: a folder of its own for each, and the first errors in it.

A tool's output often leaves the cause out, and the first `[ERROR]` rows of its plog name it. The stages that start atc
or a device's process use it, and the bundle.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path

from backends.worker.tools import plain

VARIABLE = "ASCEND_PROCESS_LOG_PATH"
FOLDER = "plog"
"""In an attempt's folder."""
LARGEST = 4 << 20
"""Bytes of one file that are looked through, from its beginning."""
MOST = 3
MANY = 100


def environment(folder: Path) -> dict[str, str]:
    """What sends a process's plog to a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    return {VARIABLE: str(folder)}


def first_errors(folder: Path, most: int = MOST) -> tuple[str, ...]:
    """The first error rows of each file below a folder, the earliest file first; at most `most` in all."""
    found = dict.fromkeys(row for path in files(folder) for row in itertools.islice(_errors(path), MANY))
    return tuple(itertools.islice(found, most))


def files(folder: Path) -> list[Path]:
    """The host's log files below a folder, the earliest first. Names begin with the process and its time."""
    try:
        return sorted(path for path in folder.rglob("*.log") if path.is_file() and not path.is_symlink())
    except OSError:
        return []


def _errors(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST).decode("utf-8", "replace")
    except OSError:
        return
    yield from (plain(row)[:300] for row in text.splitlines() if row.startswith("[ERROR]"))
