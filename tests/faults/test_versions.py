"""A run that another version writes: what this one does not know is kept or passed over, never fatal, never a blank."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from backends.core.codec import dumps
from backends.core.events import RunStarted, StageNote, StageStarted, Unknown
from backends.core.messages import Line, line
from backends.core.run_state import Run, fold
from backends.engine.journal import Journal, JournalReader, read_state
from tests.engine.conftest import Bench

STARTED = RunStarted("r1", ("a", "b"), 4)
BEGUN = StageStarted("a", 1, line("not built yet"), 7)


def journal(path: Path, alter: object = None) -> Run:
    """A journal of a started run; `alter` may change the folded state's JSON as a newer version would write it."""
    writer = Journal(path)
    run = fold(fold(Run(), STARTED, 1.0), BEGUN, 2.0)
    writer.commit([(1.0, STARTED), (2.0, BEGUN)], run)
    writer.close(finished=True)
    if alter is not None:
        db = sqlite3.connect(path)
        (body,) = db.execute("SELECT body FROM state").fetchone()
        changed = alter(json.loads(body))  # type: ignore[operator]
        db.execute("UPDATE state SET body = ?", (json.dumps(changed),))
        db.commit()
        db.close()
    return run


def test_newer_fields_are_passed_over(tmp_path: Path) -> None:
    """A field that this version does not have changes nothing else."""

    def alter(state: dict[str, object]) -> dict[str, object]:
        state["stages"][0]["colour"] = "blue"  # type: ignore[index]
        return {**state, "weather": {"sky": [1, 2]}}

    run = journal(tmp_path / "j.db", alter)
    assert run == read_state(tmp_path / "j.db")


def test_a_newer_word_in_the_state_is_folded_anew_from_the_events(tmp_path: Path) -> None:
    """A stage's state that this version has no word for: the events that it does know still give the run."""

    def alter(state: dict[str, object]) -> dict[str, object]:
        state["stages"][0]["state"] = "dreaming"  # type: ignore[index]
        return state

    run = journal(tmp_path / "j.db", alter)
    assert run == read_state(tmp_path / "j.db")


def test_unknown_events_are_kept_and_counted(tmp_path: Path) -> None:
    """A kind from a newer version, and a known kind with a newer word: the others stand."""
    path = tmp_path / "j.db"
    journal(path)
    db = sqlite3.connect(path)
    for body in ('{"kind": "StageDreamt", "stage": "a"}', '{"kind": "StageNote", "stage": "a", "level": "loud"}'):
        db.execute("INSERT INTO events (at, body) VALUES (3.0, ?)", (body,))
    known = {"kind": "StageNote", "stage": "a", "text": {"template": "x"}}
    db.execute("INSERT INTO events (at, body) VALUES (4.0, ?)", (json.dumps(known),))
    db.commit()
    db.close()
    reader = JournalReader(path)
    events = [event for _, _, event in reader.events()]
    reader.close()
    assert [STARTED, BEGUN, Unknown("StageDreamt", {"stage": "a"}), StageNote("a", Line("x"))] == events


def test_a_plan_of_another_version_is_not_resumed(bench: Bench) -> None:
    """The latest run was begun by a version whose plan reads otherwise: a new run begins, the old one stays listed."""
    from backends.core.plan import Stage

    bench.stages = (Stage("a", "toys:count", 1),)
    first = bench.run().run.id
    plan = next(bench.workspace.glob(".r3d/runs/*/plan.json"))
    plan.write_text(json.dumps({**json.loads(plan.read_text()), "stages": [{"name": 3}], "version": 99}))
    second = bench.run()
    assert ("done", True) == (second.run.state, second.run.id > first)
    assert [second.run.id, first] == [summary.id for summary in bench.client.runs()]


def test_a_state_that_is_no_state_is_no_crash(tmp_path: Path) -> None:
    """Damage within the row: what the events tell still stands."""
    path = tmp_path / "j.db"
    run = journal(path)
    db = sqlite3.connect(path)
    for body in ("", "[]", "{", '{"stages": 3}', dumps(run)[:-20]):
        db.execute("UPDATE state SET body = ?", (body,))
        db.commit()
        assert run == read_state(path), body
    db.close()
