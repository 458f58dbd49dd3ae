"""Whole runs of toy stages: real engine, real processes, killed on purpose."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from backends.core.client import RunRequest
from backends.core.events import RunStarted
from backends.core.messages import BusyError, InputError, line
from backends.core.needs import module
from backends.core.plan import Stage
from backends.engine import lock

if TYPE_CHECKING:
    from tests.engine.conftest import Bench


def counting(name: str, items: int = 3, pause: float = 0.0, after: tuple[str, ...] = ()) -> Stage:
    return Stage(name, "toys:count", 1, after, {"items": items}, {"pause": pause})


def test_nothing_is_imported_from_the_folder_that_one_stands_in(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `json.py` in the folder where a run is started is run by neither the engine nor a stage."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "json.py").write_text("open('imported', 'w').close()\n")
    bench.stages = (counting("a"),)
    assert {"a": "done"} == bench.states(bench.run())
    assert not (tmp_path / "imported").exists()


def test_a_run_goes_to_its_end_and_the_next_takes_it_from_the_cache(bench: Bench) -> None:
    """Stages run in order, their outcomes reach the next, and an unchanged run does nothing."""
    bench.stages = (counting("a"), counting("b", 5), Stage("c", "toys:add", 1, ("a", "b")))
    first = bench.run()
    assert {"a": "done", "b": "done", "c": "done"} == bench.states(first)
    outcome = first.run.stage("c").outcome
    assert outcome is not None
    assert {"total": 8} == outcome.figures
    assert ["odd one"] == [aside.item for aside in first.run.stage("c").set_aside]
    second = bench.run()
    assert {"a": "cached", "b": "cached", "c": "cached"} == bench.states(second)
    assert 1 == second.run.stage("c").set_aside_count
    assert set() == bench.pids()


def test_what_a_library_prints_goes_to_the_log(bench: Bench) -> None:
    """Standard output of a stage is its log, never the protocol."""
    bench.stages = (counting("a"), Stage("c", "toys:add", 1, ("a",)))
    bench.run()
    assert "a library prints to standard output" in bench.client.log("c").text


def test_a_failure_is_one_line_with_a_mend_and_rerun_takes_up_only_that(bench: Bench, tmp_path: Path) -> None:
    """What failed and what hangs on it runs again; the rest is cached; then there is nothing to rerun."""
    fail = Stage("f", "toys:fail", 1, ("a",), {"mended": str(tmp_path / "ok")})
    bench.stages = (counting("a"), fail, Stage("g", "toys:add", 1, ("f",)))
    first = bench.run()
    assert "failed" == first.run.state
    assert {"a": "done", "f": "failed", "g": "waiting"} == bench.states(first)
    assert ("not mended", f"touch {tmp_path / 'ok'}") == (
        str(first.run.stage("f").reason),
        str(first.run.stage("f").hint),
    )
    assert "blocked by f" == str(first.run.stage("g").reason)
    (tmp_path / "ok").touch()
    again = bench.run(RunRequest("rerun"))
    assert {"a": "cached", "f": "done", "g": "done"} == bench.states(again)
    with pytest.raises(InputError, match="nothing failed"):
        bench.client.start(RunRequest("rerun"))


def test_a_fault_of_ours_is_one_line_and_a_traceback_in_the_log(bench: Bench) -> None:
    """An unexpected exception fails its stage; its text stays data."""
    bench.stages = (Stage("c", "toys:crash", 1),)
    snapshot = bench.run()
    assert "ZeroDivisionError: a fault with [markup] in it" == str(snapshot.run.stage("c").reason)
    assert "Traceback" in bench.client.log("c").text


def test_a_process_that_a_library_forked_holds_nothing_up(bench: Bench) -> None:
    """A stage ends when its own process does, and what it left behind is ended with it."""
    bench.stages = (Stage("f", "toys:fork", 1), Stage("g", "toys:add", 1, ("f",)))
    assert {"f": "done", "g": "done"} == bench.states(bench.run())
    assert set() == bench.pids()


def test_a_missing_need_fails_before_anything_starts(bench: Bench) -> None:
    """A stage whose module is missing says so, with exit code 3, and starts no process."""
    bench.stages = (Stage("n", "toys:count", 1, needs=(module("no_such_module", "such-package"),)),)
    stage = bench.run().run.stage("n")
    assert ("failed", 3, None) == (stage.state, stage.exit_code, stage.pid)
    assert "the Python module no_such_module is missing (pip install such-package)" == f"{stage.reason} ({stage.hint})"


def test_an_edited_input_runs_only_what_reads_it(bench: Bench, tmp_path: Path) -> None:
    """A changed file makes its reader stale with a reason, and what hangs on the reader by its new outcome."""
    text = tmp_path / "in.txt"
    text.write_text("abc")
    bench.stages = (Stage("r", "toys:read", 1, inputs={"text": text}), Stage("s", "toys:add", 1, ("r",)), counting("x"))
    bench.run()
    text.write_text("abcd")
    previews = {p.stage: (p.action, str(p.reason)) for p in bench.client.preview(RunRequest())}
    assert ("run", f"the input {text} changed") == previews["r"]
    assert "unknown" == previews["s"][0]
    assert "cached" == previews["x"][0]
    assert {"r": "done", "s": "done", "x": "cached"} == bench.states(bench.run())


def test_the_same_outcome_stops_the_change_there(bench: Bench) -> None:
    """A forced stage that gives the same content leaves what hangs on it cached, unless that was forced as well."""
    bench.stages = (counting("a"), Stage("c", "toys:add", 1, ("a",)))
    bench.run()
    assert {"a": "done", "c": "done"} == bench.states(bench.run(RunRequest("rerun", ("a",))))
    assert {"a": "cached", "c": "cached"} == bench.states(bench.run())


def test_stop_keeps_what_is_done_and_the_next_run_takes_it_up(bench: Bench) -> None:
    """A stopped stage ends between items, says stopped, and goes on from there."""
    bench.stages = (counting("a", 30, 0.1),)
    bench.client.start(RunRequest())
    bench.wait(lambda s: s.run.stages != () and s.run.stage("a").done >= 2)
    bench.client.stop()
    stopped = bench.wait(lambda s: not s.alive)
    assert ("stopped", {"a": "stopped"}) == (stopped.run.state, bench.states(stopped))
    bench.stages = (counting("a", 30, 0.0),)
    assert "done" == bench.run().run.state
    items = next(bench.workspace.glob(".r3d/artifacts/a/*/items.txt")).read_text().split()
    assert [str(n) for n in range(30)] == items


def test_a_hanging_stage_ends_with_a_killed_engine(bench: Bench) -> None:
    """SIGKILL of the engine leaves no process of the stage, and the run is called interrupted."""
    bench.stages = (Stage("h", "toys:hang", 1),)
    bench.client.start(RunRequest())
    bench.wait(lambda s: s.run.stages != () and s.run.stage("h").state == "running")
    assert 1 == len(bench.pids())
    os.kill(bench.engine(), signal.SIGKILL)
    cut = bench.wait(lambda s: not s.alive)
    assert "interrupted" == cut.run.state
    until = time.monotonic() + 5
    while bench.pids() and time.monotonic() < until:
        time.sleep(0.05)
    assert set() == bench.pids()


def test_a_folder_that_cannot_be_made_fails_the_stage_and_leaves_no_process(bench: Bench) -> None:
    """The other stages go on; the failed one has no child that waits for a request."""
    bench.stages = (Stage("a", "toys:count", 1), Stage("h", "toys:hang", 1))
    artifacts = bench.workspace / ".r3d" / "artifacts"
    artifacts.mkdir(parents=True)
    (artifacts / "a").touch()
    bench.client.start(RunRequest())
    state = bench.wait(lambda s: bench.states(s) == {"a": "failed", "h": "running"})
    assert str(artifacts / "a") in str(state.run.stage("a").reason)
    assert {state.run.stage("h").pid} == bench.pids()


def test_a_second_engine_is_refused_by_name(bench: Bench) -> None:
    """The refusal names the process, the host and the run that hold the workspace."""
    bench.stages = (counting("a", 50, 0.1),)
    run_id = bench.client.start(RunRequest())
    with pytest.raises(BusyError, match=rf"process {bench.engine()} on .*, run {run_id}"):
        bench.another().start(RunRequest())
    bench.client.stop()
    bench.wait(lambda s: not s.alive)


def test_a_refused_start_leaves_the_run_that_is_on_the_latest(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two consoles start at once: the second one's run never began, and nobody sees it."""
    bench.stages = (counting("a", 1000, 0.05),)
    begun = bench.client.start(RunRequest())
    with monkeypatch.context() as patch:
        patch.setattr(lock, "owner", lambda _: None)  # as it was a moment before
        with pytest.raises(BusyError, match="an engine works here already"):
            bench.another().start(RunRequest())
    assert [begun] == [run.id for run in bench.another().runs()]
    assert begun == bench.another().snapshot().run.id


def test_a_second_console_sees_the_same_run(bench: Bench) -> None:
    """Two clients fold to the same state."""
    bench.stages = (counting("a", 10, 0.05),)
    bench.client.start(RunRequest())
    bench.wait(lambda s: s.run.stages != () and s.run.stage("a").done >= 3)
    other = bench.another()
    assert other.snapshot().alive
    bench.wait(lambda s: s.run.state == "done" and not s.alive)
    assert bench.client.snapshot().run == bench.another().snapshot().run
    other.close()


def test_a_stage_killed_from_outside_is_taken_up_again(bench: Bench) -> None:
    """One kill -9 of a stage's process costs an attempt, not the run, and no item is done twice."""
    bench.stages = (counting("a", 20, 0.05),)
    bench.client.start(RunRequest())
    snapshot = bench.wait(lambda s: s.run.stages != () and s.run.stage("a").done >= 2)
    pid = snapshot.run.stage("a").pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    end = bench.wait(lambda s: s.run.state == "done")
    assert 2 == end.run.stage("a").attempt
    text = "attempt {attempt} was killed (signal {signal}); resumed"
    assert line(text, attempt=1, signal=9) == end.run.stage("a").reason
    items = next(bench.workspace.glob(".r3d/artifacts/a/*/items.txt")).read_text().split()
    assert [str(n) for n in range(20)] == items


@pytest.mark.slow
def test_any_number_of_killed_engines_lead_to_the_same_end(bench: Bench) -> None:
    """Kill -9 of the engine at 25 random moments: each resume goes on with the same run, and nothing is left behind."""
    chance = random.Random(20)
    bench.stages = (counting("a", 60, 0.02), counting("b", 40, 0.02), Stage("c", "toys:add", 1, ("a", "b")))
    runs = set()
    for _ in range(25):
        if bench.client.snapshot().run.state == "done":
            break
        runs.add(bench.client.start(RunRequest()))
        time.sleep(chance.uniform(0, 0.35))
        os.kill(bench.engine(), signal.SIGKILL)
        bench.wait(lambda s: not s.alive)
    end = bench.run() if bench.client.snapshot().run.state != "done" else bench.client.snapshot()
    assert "done" == end.run.state
    outcome = end.run.stage("c").outcome
    assert outcome is not None
    assert {"total": 100} == outcome.figures
    assert 1 == len(runs)
    for name, items in (("a", 60), ("b", 40)):
        path = next(bench.workspace.glob(f".r3d/artifacts/{name}/*/items.txt"))
        assert [str(n) for n in range(items)] == path.read_text().split()
    starts = [event for _, _, event in bench.client.events(end.run.id) if isinstance(event, RunStarted)]
    assert len(starts) == 1 + end.run.resumed
    assert set() == bench.pids()


def failing(bench: Bench, mended: Path) -> tuple[Stage, ...]:
    """One branch that takes seconds, beside one that fails until `mended` is there."""
    fail = Stage("f", "toys:fail", 1, params={"mended": str(mended)})
    return counting("slow", 30, 0.1), fail, Stage("g", "toys:add", 1, ("f",))


def test_what_failed_runs_again_by_new_settings_while_another_branch_goes_on(bench: Bench, tmp_path: Path) -> None:
    """One run: the other branch keeps its process, and only what failed and what depends on it has a second attempt."""
    bench.stages = failing(bench, tmp_path / "not there")
    run = bench.client.start(RunRequest())
    failed = bench.wait(lambda s: s.run.stage("g").blocked and s.run.stage("slow").done > 0)
    bench.stages = failing(bench, tmp_path)
    assert run == bench.client.start(RunRequest("rerun"))
    after = bench.wait(lambda s: s.run.stage("g").state == "done")
    assert ("running", failed.run.stage("slow").pid) == (after.run.stage("slow").state, after.run.stage("slow").pid)
    ended = bench.wait(lambda s: not s.alive)
    assert {"slow": "done", "f": "done", "g": "done"} == bench.states(ended)
    assert ("done", run, [1, 2, 1]) == (ended.run.state, ended.run.id, [one.attempt for one in ended.run.stages])
    assert {"slow": "cached", "f": "cached", "g": "cached"} == bench.states(bench.run())


def test_what_runs_by_settings_that_changed_is_stopped_and_runs_again(bench: Bench, tmp_path: Path) -> None:
    """A stage that the new settings change does not go on by the old ones."""
    bench.stages = failing(bench, tmp_path / "not there")
    bench.client.start(RunRequest())
    bench.wait(lambda s: s.run.stage("f").state == "failed" and s.run.stage("slow").done > 0)
    bench.stages = (counting("slow", 2), *failing(bench, tmp_path)[1:])
    bench.client.start(RunRequest("rerun"))
    ended = bench.wait(lambda s: not s.alive)
    outcome = ended.run.stage("slow").outcome
    assert outcome is not None
    assert ("done", 2, {"items": 2}) == (ended.run.state, ended.run.stage("slow").attempt, outcome.figures)


def test_a_run_that_went_on_by_new_settings_is_resumed_by_them(bench: Bench, tmp_path: Path) -> None:
    """An engine killed after that is followed by one that goes on with the same run."""
    bench.stages = failing(bench, tmp_path / "not there")
    run = bench.client.start(RunRequest())
    bench.wait(lambda s: s.run.stage("f").state == "failed" and s.run.stage("slow").done > 0)
    bench.stages = failing(bench, tmp_path)
    bench.client.start(RunRequest("rerun"))
    bench.wait(lambda s: s.run.stage("g").state == "done" and s.run.stage("slow").state == "running")
    os.kill(bench.engine(), signal.SIGKILL)
    bench.wait(lambda s: not s.alive)
    ended = bench.run()
    assert (run, "done", 2) == (ended.run.id, ended.run.state, ended.run.stage("f").attempt)


def test_a_run_that_is_ending_takes_no_rerun(bench: Bench, tmp_path: Path) -> None:
    """Nothing would run again: it is refused, instead of being accepted and lost."""
    bench.stages = (Stage("h", "toys:hang", 1), *failing(bench, tmp_path / "not there")[1:])
    bench.client.start(RunRequest())
    bench.wait(lambda s: s.run.stage("f").state == "failed" and s.run.stage("h").state == "running")
    bench.client.stop()
    with pytest.raises(InputError, match="the run is ending"):
        bench.client.start(RunRequest("rerun"))
    os.kill(bench.engine(), signal.SIGKILL)
    bench.wait(lambda s: not s.alive)


def test_a_rerun_of_nothing_is_refused_while_a_run_is_on(bench: Bench) -> None:
    """Where nothing failed, an engine that works is left alone."""
    bench.stages = (counting("slow", 30, 0.1),)
    bench.client.start(RunRequest())
    bench.wait(lambda s: s.run.stage("slow").done > 0)
    with pytest.raises(BusyError):
        bench.client.start(RunRequest("rerun"))
