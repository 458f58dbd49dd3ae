"""What a run is, so far: `fold` puts one event into it. Engine and front ends use it, so they cannot disagree.

It knows no clock and no disk: `at` is the wall time that the journal wrote beside the event.
"""

from collections.abc import Mapping
from typing import Literal, NoReturn

from msgspec import Struct, field
from msgspec.structs import replace

from backends.core import events as ev
from backends.core.messages import Line, Scalar, line

_Moved = ev.StageStarted | ev.StageProgress | ev.ItemSetAside
_Settled = ev.StageFinished | ev.StageCached | ev.StageSkipped | ev.StageBlocked | ev.StageFailed | ev.StageStopped

StageState = Literal["waiting", "running", "done", "cached", "skipped", "failed", "stopped", "interrupted"]


class Note(Struct, frozen=True):
    """One line worth keeping; `at` is the wall time in seconds."""

    stage: str
    text: Line
    level: Literal["info", "warning", "error"]
    at: float


class StageRun(Struct, frozen=True):
    name: str
    state: StageState = "waiting"
    reason: Line = Line("")
    hint: Line = Line("")
    attempt: int = 0
    pid: int | None = None
    started: float | None = None
    """Wall time in seconds."""
    seconds: float | None = None
    """Wall time of the last ended attempt; None while it runs or where it never ran."""
    done: int = 0
    total: int | None = None
    unit: str = ""
    rate: float | None = None
    note: Line = Line("")
    live: Mapping[str, Scalar] = field(default_factory=dict)
    """Figures of the last tick."""
    outcome: ev.Outcome | None = None
    fingerprint: str = ""
    exit_code: int = 0
    blocked: bool = False
    """It will not be reached in this run; `reason` says why."""
    set_aside: tuple[ev.Skipped, ...] = ()
    """The first `KEPT`."""
    set_aside_count: int = 0

    @property
    def settled(self) -> bool:
        """Nothing more will happen to it in this run, and what depends on it may go on."""
        return self.state in ("done", "cached", "skipped")


class DeviceRun(Struct, frozen=True):
    """One device of the run. A figure that nobody measured is None."""

    id: str
    name: str = ""
    state: ev.DeviceState = "found"
    reason: Line = Line("")
    pid: int | None = None
    clips: int = 0
    clips_per_s: float | None = None
    mean_clips_per_s: float | None = None
    latency_ms: float | None = None
    latency_p95_ms: float | None = None
    utilisation: float | None = None
    joules_per_clip: float | None = None
    server: ev.ServerWork | None = None


class Run(Struct, frozen=True):
    id: str = ""
    state: ev.RunState = "new"
    reason: Line = Line("")
    started: float | None = None
    ended: float | None = None
    pid: int | None = None
    host: str = ""
    resumed: int = 0
    """How often a supervisor took it up again."""
    stages: tuple[StageRun, ...] = ()
    devices: tuple[DeviceRun, ...] = ()
    notes: tuple[Note, ...] = ()
    unknown: int = 0
    """Events of kinds that this version does not know."""

    def stage(self, name: str) -> StageRun:
        """The stage of that name; KeyError where the run has none."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(name)

    def figures_with(self, name: str) -> Mapping[str, Scalar]:
        """The figures of the stage that gave one called `name`; empty where none has yet."""
        outcomes = (stage.outcome for stage in self.stages if stage.outcome)
        return next((outcome.figures for outcome in outcomes if name in outcome.figures), {})

    @property
    def simulated(self) -> bool:
        """Its throughput is of simulated chips: not meaningful."""
        return str(self.figures_with("runtime").get("runtime")).endswith(" simulated")


def _assert_never(event: NoReturn) -> NoReturn:  # `typing.assert_never` needs Python 3.11
    raise AssertionError(f"no case for {event!r}")


def fold(run: Run, event: ev.Event, at: float = 0.0) -> Run:
    """The run after `event`, which was written at wall time `at` (seconds)."""
    if isinstance(event, ev.RunStarted):
        return _started(run, event, at)
    if isinstance(event, ev.RunFinished):
        return replace(run, state=event.state, reason=event.reason, ended=at, pid=None)
    if isinstance(event, ev.Unknown):
        return replace(run, unknown=run.unknown + 1)
    if isinstance(event, ev.StageNote):
        note = Note(event.stage, event.text, event.level, at)
        return replace(run, notes=(*run.notes, note)[-ev.KEPT :])
    if isinstance(event, ev.DeviceChanged | ev.DeviceProgress):
        return _fold_device(run, event)
    if isinstance(event, ev.StagesReset):
        again = (StageRun(one.name, attempt=one.attempt) if one.name in event.stages else one for one in run.stages)
        return replace(run, stages=tuple(again))
    return _fold_stage(run, event, at)


def _started(run: Run, event: ev.RunStarted, at: float) -> Run:
    known = {stage.name: stage for stage in run.stages}
    return replace(
        run,
        id=event.run,
        state="running",
        reason=Line(""),
        started=run.started if run.started is not None else at,
        ended=None,
        pid=event.pid,
        host=event.host,
        resumed=run.resumed + event.resumed,
        stages=tuple(_interrupted(known.get(name, StageRun(name))) for name in event.stages),
        devices=tuple(replace(d, state="idle", pid=None) if d.pid else d for d in run.devices),
    )


def _interrupted(stage: StageRun) -> StageRun:
    """A stage that ran when its supervisor died waits again; so does one that was stopped, failed or blocked."""
    if stage.state in ("running", "stopped", "interrupted"):
        text = line("interrupted in attempt {attempt}; resumed", attempt=stage.attempt)
        return replace(stage, state="waiting", pid=None, reason=text)
    if stage.state == "failed" or stage.blocked:
        return replace(stage, state="waiting", blocked=False)
    return stage


def _fold_stage(run: Run, event: _Moved | _Settled, at: float) -> Run:
    stages = {stage.name: stage for stage in run.stages}
    old = stages.get(event.stage, StageRun(event.stage))
    if isinstance(event, ev.StageStarted | ev.StageProgress | ev.ItemSetAside):
        stages[event.stage] = _moved(old, event, at)
    else:
        stages[event.stage] = _settled(old, event)
    return replace(run, stages=tuple(stages.values()))


def _moved(old: StageRun, event: _Moved, at: float) -> StageRun:
    if isinstance(event, ev.StageStarted):
        begun = StageRun(old.name, "running", event.reason, attempt=event.attempt, pid=event.pid, started=at)
        return replace(begun, fingerprint=event.fingerprint)
    if isinstance(event, ev.StageProgress):
        live = {**old.live, **event.figures}
        far = replace(old, done=event.done, total=event.total, unit=event.unit)
        return replace(far, rate=event.rate, note=event.note, live=live)
    kept = old.set_aside
    if len(kept) < ev.KEPT:
        kept = (*kept, ev.Skipped(event.item, event.reason))
    return replace(old, set_aside=kept, set_aside_count=old.set_aside_count + 1)


def _settled(old: StageRun, event: _Settled) -> StageRun:
    """The stage after what ends it, or what keeps it from beginning."""
    if isinstance(event, ev.StageFinished):
        fingerprint = event.fingerprint or old.fingerprint
        ended = replace(old, state="done", pid=None, seconds=event.seconds, note=Line(""), fingerprint=fingerprint)
        return _with_outcome(ended, event.outcome)
    if isinstance(event, ev.StageCached):
        cached = StageRun(old.name, "cached", event.reason, attempt=old.attempt, fingerprint=event.fingerprint)
        return _with_outcome(cached, event.outcome)
    if isinstance(event, ev.StageSkipped):
        return replace(old, state="skipped", reason=event.reason, pid=None)
    if isinstance(event, ev.StageBlocked):
        return replace(old, state="waiting", pid=None, reason=event.reason, blocked=True)
    if isinstance(event, ev.StageFailed):
        failed = replace(old, state="failed", pid=None, reason=event.message, hint=event.hint)
        return replace(failed, attempt=event.attempt, seconds=event.seconds, exit_code=event.exit_code)
    if isinstance(event, ev.StageStopped):
        return replace(old, state="stopped", pid=None, seconds=event.seconds)
    _assert_never(event)


def _with_outcome(stage: StageRun, outcome: ev.Outcome) -> StageRun:
    return replace(stage, outcome=outcome, set_aside=outcome.set_aside, set_aside_count=outcome.set_aside_count)


_TICK = tuple(name for name in ev.DeviceProgress.__struct_fields__ if name != "device")
_PLACES: dict[str, int] = {}
"""Where each device was found last: a hint, which is checked. 2,048 devices tick twice a second."""


def _fold_device(run: Run, event: ev.DeviceChanged | ev.DeviceProgress) -> Run:
    place = _place(run.devices, event.device)
    old = run.devices[place] if place < len(run.devices) else DeviceRun(event.device)
    if isinstance(event, ev.DeviceChanged):
        new = replace(old, state=event.state, reason=event.reason, pid=event.pid, name=event.name or old.name)
    else:
        new = replace(old, **{name: getattr(event, name) for name in _TICK})
    return replace(run, devices=(*run.devices[:place], new, *run.devices[place + 1 :]))


def _place(devices: tuple[DeviceRun, ...], device: str) -> int:
    """Where the device stands; behind the last where it is new."""
    place = _PLACES.get(device, 0)
    if place >= len(devices) or devices[place].id != device:
        place = next((n for n, one in enumerate(devices) if one.id == device), len(devices))
        _PLACES[device] = place
    return place
