"""Whatever stands in a file of ours, only our own errors get out of its reader."""

from __future__ import annotations

import contextlib
import sqlite3
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backends.core.codec import DamagedError, seal, unseal
from backends.core.messages import R3dError
from backends.core.plan import Plan
from backends.engine import cleanup, lock
from backends.engine.artifacts import Cache, CacheKey
from backends.engine.digests import Digests
from backends.engine.folders import Folders
from backends.engine.journal import is_whole, read_state
from tests.replay import read_story

KEY = CacheKey("a", 1)


def _manifest(folder: Path, data: bytes) -> None:
    folders = Folders(folder)
    path = folders.artifact("a", KEY.fingerprint) / "manifest.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    Cache(folders).manifest("a", KEY.fingerprint)
    cleanup.look(folders, None, 1)


def _plan(folder: Path, data: bytes) -> None:
    with contextlib.suppress(DamagedError):
        unseal(Plan, data, needs_seal=False)


def _digests(folder: Path, data: bytes) -> None:
    (folder / "digests.json").write_bytes(data)
    (folder / "one").write_text("1")
    assert 64 == len(Digests(folder / "digests.json").of(folder / "one")[0])


def _lock(folder: Path, data: bytes) -> None:
    folders = Folders(folder)
    lock.make_root(folders)
    folders.lock.write_bytes(data)
    folders.heartbeat.write_bytes(data)
    lock.owner(folders)
    lock.busy(folders)
    lock.silence(folders)


def _journal(folder: Path, data: bytes) -> None:
    (folder / "journal.db").write_bytes(data)
    read_state(folder / "journal.db")
    is_whole(folder / "journal.db")


def _state(folder: Path, data: bytes) -> None:
    path = folder / "state.db"
    path.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, at REAL NOT NULL, body TEXT NOT NULL)")
        db.execute("CREATE TABLE state (id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, body TEXT NOT NULL)")
        db.execute("INSERT INTO state VALUES (1, 1, ?)", (data,))
        db.execute("INSERT INTO events VALUES (1, 1.0, ?)", (data,))
        db.commit()
    read_state(path)


def _story(folder: Path, data: bytes) -> None:
    (folder / "story.jsonl").write_bytes(data)
    read_story(folder / "story.jsonl")


def _foreign_error(read: Callable[[Path, bytes], None], folder: Path, data: bytes) -> str:
    """The traceback of an error that is not ours; empty where there is none."""
    try:
        read(folder, data)
    except R3dError:
        return ""
    except Exception:  # noqa: BLE001 - that is the question
        return traceback.format_exc()
    return ""


READERS: tuple[Callable[[Path, bytes], None], ...] = (_manifest, _plan, _digests, _lock, _journal, _state, _story)
ODD = (b"[" * 20_000, b"1" * 5_000, b'{"a":NaN}', b"\xef\xbb\xbf{}", b"", b"\0" * 100, b'{"kind":"RunStarted"}', b"{}")


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__[1:])
@given(data=st.binary(max_size=200) | st.sampled_from(ODD) | st.builds(lambda v: seal({"v": v}), st.text(max_size=9)))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_only_our_own_errors_get_out(read: Callable[[Path, bytes], None], data: bytes, tmp_path: Path) -> None:
    """Any bytes, deep nesting, long numbers, a BOM, values of the wrong kind."""
    assert "" == _foreign_error(read, tmp_path, data)
