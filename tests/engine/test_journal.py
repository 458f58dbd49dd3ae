"""The journal: what is committed is there, and readers see it without disturbing the writer."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from backends.core import files
from backends.core.events import RunStarted, StageNote
from backends.core.messages import line
from backends.core.run_state import Run, fold
from backends.engine.journal import Journal, JournalReader, read_state

STARTED = RunStarted("r1", ("a",), 4)


def test_a_reader_sees_events_and_state_of_each_commit(tmp_path: Path) -> None:
    """Events and folded state are there together, and the version tells that something came."""
    journal = Journal(tmp_path / "j.db")
    run = fold(Run(), STARTED, 1.5)
    journal.commit([(1.5, STARTED)], run)
    reader = JournalReader(tmp_path / "j.db")
    before = reader.version()
    assert run == reader.state()
    assert [(1, 1.5, STARTED)] == list(reader.events())
    note = StageNote("a", line("hello {name}", name="\x1b[31m"))
    journal.commit([(2.0, note)], fold(run, note, 2.0))
    assert before != reader.version()
    assert [(2, 2.0, note)] == list(reader.events(after=1))
    reader.close()
    journal.close(finished=True)


def test_a_finished_journal_leaves_wal(tmp_path: Path) -> None:
    """After the end one plain file is left, which a reader without write permission can open."""
    journal = Journal(tmp_path / "j.db")
    journal.commit([(1.5, STARTED)], fold(Run(), STARTED, 1.5))
    journal.close(finished=True)
    assert ["j.db"] == [path.name for path in tmp_path.iterdir()]
    tmp_path.chmod(0o500)
    try:
        state = read_state(tmp_path / "j.db")
    finally:
        tmp_path.chmod(0o700)
    assert state is not None
    assert "r1" == state.id


def test_over_a_network_the_journal_never_enters_wal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """WAL needs memory that all readers share: there a rollback journal is kept, and readers see every commit."""
    (tmp_path / "mounts").write_text(f"1 0 8:1 / / rw - ext4 a rw\n2 1 0:9 / {tmp_path} rw - nfs4 host:/x rw\n")
    monkeypatch.setattr(files, "TABLE", tmp_path / "mounts")
    (tmp_path / "run").mkdir()
    journal = Journal(tmp_path / "run" / "j.db")
    run = fold(Run(), STARTED, 1.5)
    journal.commit([(1.5, STARTED)], run)
    reader = JournalReader(tmp_path / "run" / "j.db")
    before = reader.version()
    assert run == reader.state()
    journal.commit([(2.0, STARTED)], run)
    assert before != reader.version()
    assert ["j.db"] == [path.name for path in (tmp_path / "run").iterdir()]
    reader.close()
    journal.close(finished=True)
    assert run == read_state(tmp_path / "run" / "j.db")


def test_readers_cannot_write(tmp_path: Path) -> None:
    """A reader's connection refuses to write."""
    Journal(tmp_path / "j.db").close(finished=False)
    reader = JournalReader(tmp_path / "j.db")
    with pytest.raises(sqlite3.OperationalError):
        reader._db.execute("DELETE FROM events")
    reader.close()


def test_a_file_that_is_no_journal_says_so(tmp_path: Path) -> None:
    """Garbage in place of a journal is a run that was interrupted, with the reason: no crash, and no new run."""
    (tmp_path / "j.db").write_bytes(b"not a database" * 100)
    found = read_state(tmp_path / "j.db")
    assert found is not None
    assert "interrupted" == found.state
    assert f"its journal {tmp_path / 'j.db'} is damaged" in str(found.reason)
    assert read_state(tmp_path / "none.db") is None


def test_any_flipped_bit_of_a_journal_is_noticed_or_harmless(tmp_path: Path) -> None:
    """The state is the one that was written, folded again from the events, or the journal is called damaged."""
    writer = Journal(tmp_path / "j.db")
    events = [RunStarted("r", ("a", "b"), 1), *(StageNote("a", line("note {n}", n=n)) for n in range(20))]
    run = Run()
    for event in events:
        run = fold(run, event, 1.0)
    writer.commit([(1.0, event) for event in events], run)
    writer.close(finished=True)
    whole = (tmp_path / "j.db").read_bytes()
    chance = random.Random(1)
    for place in [*range(120), *(chance.randrange(len(whole)) for _ in range(400))]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << chance.randrange(8)
        (tmp_path / "j.db").write_bytes(damaged)
        found = read_state(tmp_path / "j.db")
        assert found is not None, place
        assert found == run or "damaged" in str(found.reason), (place, found)


def test_a_million_ticks_do_not_grow_the_journal(tmp_path: Path) -> None:
    """A commit without events only replaces the state."""
    journal = Journal(tmp_path / "j.db")
    run = fold(Run(), STARTED, 1.5)
    journal.commit([(1.5, STARTED)], run)
    for _ in range(200):
        journal.commit([], run)
    journal.close(finished=True)
    assert (tmp_path / "j.db").stat().st_size < 100_000
