"""The journal of one run in SQLite: one writer, many readers. It stores events and the folded state, and folds only
where that state cannot be read.

Settings were measured: WAL with synchronous=FULL loses no acknowledged row in a power loss; batched commits cost 2 %
of a core at a thousand events a second. The state is written in the same transaction as the events, so that attaching
is one read. At the end the file leaves WAL, so that a reader without write permission can open it. Over a network it
never enters WAL, which needs memory that all readers share: a rollback journal is slower and safe there.
"""

import contextlib
import errno
import os
import shutil
import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from backends.core.codec import DamagedError, DecodeError, seal, unseal
from backends.core.events import Event, from_json, to_json
from backends.core.files import over_network
from backends.core.messages import N_, line
from backends.core.run_state import Run, fold

LEAST_FREE = 1 << 16
"""Bytes below which an error of SQLite is a full disk: it has no code of its own where its index does not fit."""
LOCKED_S = 30.0
"""How long a reader may hold the writer up where there is no write-ahead log; reading a million events takes 3 s."""
LEAVE_S = 3.0
"""How long a finished journal waits for its readers to close it."""

_NO_DAMAGE = ("locked", "unable to open", "no such table", "disk I/O error", "readonly")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY, at REAL NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS state (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL, body TEXT NOT NULL);
"""
RESERVED = 2 << 20
"""Room for the last events and the folded state, which SQLite writes twice: 0.5 MB with a stage's longest notes."""


class Journal:
    """The writer's side. Not for threads; only the engine that holds the workspace's lock may open one."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        remote = over_network(path.parent)
        self._db = sqlite3.connect(path, isolation_level=None, timeout=LOCKED_S if remote else 0.5)
        with self._disk():
            self._db.execute(f"PRAGMA journal_mode={'DELETE' if remote else 'WAL'}")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
        self.seq = int(self._db.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0])

    def state(self) -> Run | None:
        """The folded state as last committed, None in a new journal."""
        return _state(self._db)

    def commit(self, events: Iterable[tuple[float, Event]], run: Run) -> None:
        """Write events (wall time in seconds, event) and the state after them, durably, or nothing at all.

        OSError (no space left) where the disk is full.
        """
        rows = [(at, to_json(event)) for at, event in events]
        with self._disk():
            self._write(rows, run)

    def _write(self, rows: list[tuple[float, str]], run: Run) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany("INSERT INTO events (at, body) VALUES (?, ?)", rows)
            seq = self.seq + len(rows)
            state = seal(run).decode("ascii")
            self._db.execute("INSERT OR REPLACE INTO state (id, seq, body) VALUES (1, ?, ?)", (seq, state))
            self._db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise
        self.seq = seq

    @contextlib.contextmanager
    def _disk(self) -> Iterator[None]:
        """Raise SQLite's error of a full disk as the system's own."""
        try:
            yield
        except sqlite3.OperationalError as error:
            if "disk is full" not in str(error) and shutil.disk_usage(self._path.parent).free > LEAST_FREE:
                raise
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path)) from error

    def close(self, *, finished: bool) -> None:
        """Close; a finished journal leaves WAL. Readers close a finished run, so that takes a moment at most."""
        until = time.monotonic() + LEAVE_S
        while finished and time.monotonic() < until:
            with contextlib.suppress(sqlite3.OperationalError):
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self._db.execute("PRAGMA journal_mode=DELETE")
                break
            time.sleep(0.05)
        self._db.close()


class JournalReader:
    """The readers' side: never writes, never holds a transaction open."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=1, check_same_thread=False
        )
        self._db.text_factory = bytes  # a damaged letter is a reason, not an error of SQLite's

    def version(self) -> int:
        """Changes whenever the writer has committed; cheap."""
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def state(self) -> Run | None:
        """The folded state as last committed."""
        return _state(self._db)

    def events(self, after: int = 0) -> Iterator[tuple[int, float, Event]]:
        """Events with a number above `after`: number, wall time in seconds, event."""
        rows = self._db.execute("SELECT seq, at, body FROM events WHERE seq > ? ORDER BY seq", (after,)).fetchall()
        for seq, at, body in rows:
            with contextlib.suppress(DecodeError):
                yield seq, at, from_json(body)

    def close(self) -> None:
        self._db.close()


def read_state(path: Path) -> Run | None:
    """The folded state of a journal, None where there is none to read; of a damaged one `damaged_run`."""
    try:
        reader = JournalReader(path)
    except sqlite3.Error:
        return None
    try:
        return reader.state()
    except sqlite3.Error as error:
        return damaged_run(path) if is_damage(error) else None
    finally:
        reader.close()


def damaged_run(path: Path) -> Run:
    """What is known of a run whose journal is damaged: that it is no new one."""
    text = N_("its journal {path} is damaged; what it made is kept, and a new run goes on from there")
    return Run(id=path.parent.name, state="interrupted", reason=line(text, path=str(path)))


def is_readable(run: Run | None) -> bool:
    """Whether a run that `read_state` gave is known at all: there is a journal, and it is not damaged."""
    return run is not None and bool(run.stages or run.state != "interrupted")


def is_damage(error: sqlite3.Error) -> bool:
    """Whether SQLite found what it did not write, and not a file that is locked, closed to us or just being made."""
    return not any(text in str(error) for text in _NO_DAMAGE)


def is_whole(path: Path) -> bool:
    """Whether a journal can be written on; one that is damaged anywhere ends its run for good."""
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=1)) as db:
            return bool(db.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
    except sqlite3.Error:
        return False


def _state(db: sqlite3.Connection) -> Run | None:
    row = db.execute("SELECT body FROM state WHERE id = 1").fetchone()
    if row is None:
        return None
    body = row[0] if isinstance(row[0], bytes) else str(row[0]).encode()
    try:
        return unseal(Run, body, needs_seal=False)
    except DamagedError:  # of a newer version, or damaged: the events are still there
        return _refolded(db)


def _refolded(db: sqlite3.Connection) -> Run | None:
    """The state by the events alone; ticks are not among them. None where no event is known."""
    run = None
    for at, body in db.execute("SELECT at, body FROM events ORDER BY seq"):
        with contextlib.suppress(DecodeError):
            run = fold(run or Run(), from_json(body), at)
    return run


class Reserve:
    """A file of `RESERVED` that is given back once, when the disk is full: the engine still writes why it ended."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def take(self) -> None:
        """Allocate it; OSError where the disk has not even that much space."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC  # readable: glibc reads where a file system cannot allocate
        descriptor = os.open(self._path, flags, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, RESERVED)
        except OSError:
            self.give_back()
            raise
        finally:
            os.close(descriptor)

    def give_back(self) -> None:
        """Free the space; safe to call again."""
        self._path.unlink(missing_ok=True)
