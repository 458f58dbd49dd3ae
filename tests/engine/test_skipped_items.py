"""All that a run skipped, by name, where its state names the first 200."""

from __future__ import annotations

from pathlib import Path

from backends.core.events import KEPT, Event, ItemSetAside, Outcome, RunStarted, StageCached, StageFinished
from backends.core.events import StageStarted as Started
from backends.core.messages import line
from backends.core.run_state import Run, fold
from backends.engine.folders import Folders
from backends.engine.journal import Journal
from backends.engine.run_results import each_skipped

WHY = line("it is broken")
MANY = 2567


def _aside(attempt: int, count: int) -> list[Event]:
    return [ItemSetAside("frames", f"{attempt}-{number}", WHY) for number in range(count)]


def _written(workspace: Path, run_id: str, events: list[Event]) -> Run:
    """A run of those events, in its journal."""
    folder = Folders(workspace).run(run_id)
    run = Run()
    for event in events:
        run = fold(run, event)
    journal = Journal(folder.journal)
    journal.commit([(0.0, event) for event in events], run)
    journal.close(finished=True)
    folder.plan.write_text("{}")
    return run


def _made(workspace: Path) -> Run:
    outcome = Outcome(set_aside_count=MANY)
    first = [Started("frames", 1, WHY, 7, fingerprint="f"), *_aside(1, 300)]
    last = [Started("frames", 2, WHY, 8, fingerprint="f"), *_aside(2, MANY), StageFinished("frames", 2, outcome, 1.0)]
    return _written(workspace, "1", [RunStarted("1", ("frames", "infer"), 3, "here"), *first, *last])


def test_all_of_the_last_attempt_are_named(tmp_path: Path) -> None:
    """Those that an attempt before it reported do not count twice."""
    found = list(each_skipped(Folders(tmp_path), _made(tmp_path)))
    assert MANY == len(found)
    assert all(("frames", WHY) == (one.stage, one.reason) for one in found)
    assert [f"2-{number}" for number in range(MANY)] == [one.item for one in found]


def test_a_cached_stage_is_read_where_it_worked(tmp_path: Path) -> None:
    """An earlier run of the same fingerprint; where that is gone, what the outcome names is all there is."""
    made = _made(tmp_path)
    assert KEPT < MANY
    outcome = Outcome(set_aside=made.stages[0].set_aside or (), set_aside_count=MANY)
    cached = StageCached("frames", outcome, WHY, "f")
    run = _written(tmp_path, "2", [RunStarted("2", ("frames",), 3, "here"), cached])
    assert MANY == len(list(each_skipped(Folders(tmp_path), run)))
    Folders(tmp_path).run("1").journal.unlink()
    assert len(outcome.set_aside) == len(list(each_skipped(Folders(tmp_path), run)))


def test_without_journals_the_first_are_told(tmp_path: Path) -> None:
    """A recorded run has none."""
    run = Run()
    for event in [RunStarted("1", ("frames",), 3, "here"), *_aside(1, KEPT + 5)]:
        run = fold(run, event)
    assert KEPT == len(list(each_skipped(Folders(tmp_path / "gone"), run)))
