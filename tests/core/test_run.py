"""What a run is, so far."""

from __future__ import annotations

from backends.core.codec import dumps, loads
from backends.core.events import (
    KEPT,
    DeviceChanged,
    DeviceProgress,
    ItemSetAside,
    Outcome,
    RunFinished,
    RunStarted,
    Skipped,
    StageCached,
    StageFailed,
    StageFinished,
    StageNote,
    StageProgress,
    StageStarted,
    Unknown,
)
from backends.core.messages import line
from backends.core.run_state import Run, fold

WHY = line("because {n}", n=1)


def folded(*events: object) -> Run:
    run = Run()
    for at, event in enumerate(events):
        run = fold(run, event, float(at))  # type: ignore[arg-type]
    return run


START = RunStarted("r", ("a", "b"), 9, "host")


def test_a_stage_from_start_to_end() -> None:
    """It runs with its reason and pid, counts its ticks, and keeps its outcome and time."""
    run = folded(START, StageStarted("a", 1, WHY, 7, "f"), StageProgress("a", 2, 5, "videos", 1.5))
    a = run.stage("a")
    assert ("running", 1, 7, 2, 5, 1.5, 1.0) == (a.state, a.attempt, a.pid, a.done, a.total, a.rate, a.started)
    run = fold(run, StageFinished("a", 1, Outcome({"n": 5}), 3.5), 9.0)
    a = run.stage("a")
    assert ("done", None, 3.5, True) == (a.state, a.pid, a.seconds, a.settled)
    assert "waiting" == run.stage("b").state


def test_items_set_aside_are_counted_all_and_named_up_to_a_limit() -> None:
    """A broken data set does not make the state grow without end."""
    run = folded(START, *(ItemSetAside("a", f"v{n}", WHY) for n in range(KEPT + 50)))
    assert (KEPT + 50, KEPT) == (run.stage("a").set_aside_count, len(run.stage("a").set_aside))


def test_a_cached_stage_brings_what_was_set_aside_along() -> None:
    """The accuracy stands over the same videos as when it was made, and says so."""
    run = folded(START, StageCached("a", Outcome(set_aside=(Skipped("v", WHY),), set_aside_count=1), WHY, "f"))
    assert ("cached", 1) == (run.stage("a").state, run.stage("a").set_aside_count)


def test_a_new_attempt_starts_from_nothing() -> None:
    """Ticks and items of the attempt before are gone; the failure's words too."""
    run = folded(
        START, StageFailed("a", 1, WHY, WHY, 1.0, 2), ItemSetAside("a", "v", WHY), StageStarted("a", 2, WHY, 8)
    )
    a = run.stage("a")
    assert ("running", 0, 0, "", 0) == (a.state, a.set_aside_count, a.done, a.hint.template, a.exit_code)


def test_devices_keep_their_figures_when_they_are_retired() -> None:
    """What a lost device did still counts; its figures are None until measured."""
    run = folded(START, DeviceChanged("0", "ready", "cpu"))
    assert run.devices[0].clips_per_s is None
    run = fold(run, DeviceProgress("0", 30, 5.0, 4.0, 12.0))
    run = fold(run, DeviceChanged("0", "retired", reason=WHY))
    assert ("0", "cpu", "retired", 30, 5.0) == (
        run.devices[0].id,
        run.devices[0].name,
        run.devices[0].state,
        run.devices[0].clips,
        run.devices[0].clips_per_s,
    )


def test_the_state_crosses_to_another_process_equal() -> None:
    """Engine and console hold the same value."""
    run = folded(
        START,
        StageStarted("a", 1, WHY, 7, "f"),
        StageNote("a", WHY, "warning"),
        ItemSetAside("a", "\x1b[31m\udc80", WHY),
        DeviceProgress("0", 30, 5.0),
        Unknown("Later"),
        RunFinished("failed", WHY),
    )
    assert ("failed", 6.0, 1) == (run.state, run.ended, run.unknown)
    assert run == loads(Run, dumps(run))
