"""The client protocol over a recorded run (a story): the same snapshots, with no engine, no journal and no workspace.

The tests of the front ends use it in place of an engine.

A story is a file of JSON lines. The first says what the recording knows from the start:
    {"story": {"source": "...", "workspace": "...", "began": wall seconds, "settings": {...}, "plan": {...}}}
Each other line is one thing that happened `at` seconds after that:
    {"at": 1.5, "event": {...}}    folded with `core.run_state.fold`
    {"at": 1.5, "sample": {...}}   a `DeviceSample`; its own `at` is set from the line's
    {"at": 1.5, "log": {"stage": "infer", "text": "..."}}
    {"at": 1.5, "report": {...}}   a `Report`
    {"at": 1.5, "alive": false} or {"at": 1.5, "stalled_s": 12.0}
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from backends.core.client import LogChunk, Preview, RunRequest, RunResult, RunSummary, Snapshot
from backends.core.codec import DecodeError, decode
from backends.core.events import Event, from_json
from backends.core.files import read_file
from backends.core.messages import InputError, Line, line
from backends.core.plan import Plan
from backends.core.run_state import Run, fold
from backends.core.settings import Settings
from backends.core.values import DeviceSample, Report


class Story(Struct, frozen=True):
    """A recording: how it begins, and what happened when (seconds after the beginning, in order)."""

    source: str
    workspace: Path
    began: float
    settings: Settings | None
    plan: Plan | None
    problem: Line
    runs: tuple[RunSummary, ...]
    beats: tuple[tuple[float, str, Any], ...]


LARGEST = 1 << 28
"""Bytes of a recorded run."""


def read_story(path: Path) -> Story:
    """Read a story. InputError with the line where the file is missing or is not one."""
    hint = "give a recorded run, such as those of tests/stories"
    lines = read_file(path, hint=hint, most=LARGEST).decode("utf-8", "replace").splitlines()
    number = 1
    try:
        head = json.loads(lines[0] if lines else "")["story"]
        beats: list[tuple[float, str, Any]] = []
        for number, text in enumerate(lines[1:], 2):  # noqa: B007 - the handler below names the line
            if text.strip():
                beats.append(_beat(json.loads(text)))
        number = 1
        return _story(head, tuple(beats))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        text = "{path}, line {number}: not a recorded run: {reason}"
        raise InputError(text, hint="record it again", path=str(path), number=number, reason=str(error)) from None


def _story(head: dict[str, Any], beats: tuple[tuple[float, str, Any], ...]) -> Story:
    return Story(
        source=str(head.get("source", "")),
        workspace=Path(str(head.get("workspace", "."))),
        began=float(head.get("began", 0.0)),
        settings=decode(Settings, head["settings"]) if head.get("settings") is not None else None,
        plan=decode(Plan, head["plan"]) if head.get("plan") is not None else None,
        problem=decode(Line, head.get("problem", {"template": ""})),
        runs=decode(tuple[RunSummary, ...], head.get("runs", [])),
        beats=beats,
    )


def _beat(body: dict[str, Any]) -> tuple[float, str, Any]:
    at = float(body["at"])
    if "event" in body:
        return at, "event", from_json(json.dumps(body["event"]))
    if "sample" in body:
        return at, "sample", decode(DeviceSample, {"at": at, **body["sample"]})
    if "report" in body:
        return at, "report", decode(Report, body["report"])
    if "log" in body:
        return at, "log", (str(body["log"]["stage"]), str(body["log"]["text"]))
    for kind in ("alive", "stalled_s"):
        if kind in body:
            return at, kind, body[kind]
    raise DecodeError(line("neither event, sample, report, log, alive nor stalled_s"))


class ReplayClient:
    """A recorded run behind the client protocol. Without a clock it is where `step` and `seek` put it.

    With a clock (seconds that go on, such as `time.monotonic`) it plays, `speed` times as fast as recorded.
    `asked` holds what a front end requested, so that tests see it; `start` plays the story from its beginning.
    """

    def __init__(self, story: Story, *, clock: Callable[[], float] | None = None, speed: float = 1.0) -> None:
        self.story = story
        self.asked: list[RunRequest | str | dict[str, str]] = []
        self._clock = clock
        self._speed = speed
        self._origin = clock() if clock else 0.0
        self._lock = threading.RLock()
        self._moved = threading.Event()
        self._logs: dict[str, bytearray] = {}
        self._seen_version = -1
        self._version = 0
        self._rewind()

    @classmethod
    def open(cls, path: Path, *, clock: Callable[[], float] | None = None, speed: float = 1.0) -> ReplayClient:
        """A client over the story in a file; InputError as `read_story`."""
        return cls(read_story(path), clock=clock, speed=speed)

    @property
    def workspace(self) -> Path:
        """The folder that the recording names; it need not exist here."""
        return self.story.workspace

    @property
    def now(self) -> float:
        """Wall time inside the recording, in seconds."""
        with self._lock:
            self._catch_up()
            return self.story.began + self._at

    def seek(self, at: float) -> None:
        """Stand `at` seconds after the beginning; a playing client plays on from there."""
        with self._lock:
            if at < self._at:
                self._rewind()
            if self._clock:
                self._origin = self._clock() - at / self._speed
            self._go(at)

    def step(self, beats: int = 1) -> bool:
        """Let the next beats happen; False at the end."""
        with self._lock:
            ahead = self.story.beats[self._next : self._next + beats]
            if ahead:
                self.seek(max(self._at, ahead[-1][0]))
            return bool(ahead)

    def seek_until(self, fits: Callable[[Run], bool]) -> None:
        """Step to the first place where the run fits; ValueError where none does."""
        while not fits(self._snapshot.run):
            if not self.step():
                raise ValueError("the story has no such place")

    def snapshot(self) -> Snapshot:
        """The state now."""
        with self._lock:
            self._catch_up()
            self._seen_version = self._snapshot.version
            return self._snapshot

    def glance(self) -> Snapshot:
        """The state now."""
        return self.snapshot()

    def changed(self, timeout: float) -> bool:
        """Wait until the story goes on, at most `timeout` seconds."""
        ends = time.monotonic() + timeout
        while True:
            with self._lock:
                self._catch_up()
                if self._snapshot.version != self._seen_version:
                    return True
                self._moved.clear()
            left = ends - time.monotonic()
            if left <= 0:
                return False
            self._moved.wait(min(left, 0.1) if self._clock else left)

    def start(self, request: RunRequest) -> str:
        """Write the request down and play the story from its beginning."""
        self.asked.append(request)
        if self._clock:
            self.seek(0.0)
        return self._snapshot.run.id

    def stop(self) -> None:
        """Write it down; InputError where nothing runs."""
        if self._snapshot.run.state != "running":
            raise InputError("nothing is running", hint="r starts a run")
        self.asked.append("stop")

    def command(self, stage: str, command: dict[str, str]) -> None:
        """Write it down; InputError where the stage is not running."""
        if not any(mine.name == stage and mine.state == "running" for mine in self._snapshot.run.stages):
            raise InputError("{stage} is not running", hint="wait until it runs", stage=stage)
        self.asked.append({"stage": stage, **command})

    def preview(self, request: RunRequest) -> tuple[Preview, ...]:
        """What the run would do, as far as the recording can tell."""
        plan, run = self._snapshot.plan, self._snapshot.run
        if plan is None:
            raise InputError("the recording has no plan", hint="record it with its plan")
        states = {stage.name: stage.state for stage in run.stages}
        failed = {name for name, state in states.items() if state in ("failed", "stopped", "interrupted")}
        wanted = set(request.stages) | ({request.first} if request.first else set()) or failed
        again = plan.dependants(frozenset(wanted))
        found = []
        for stage in plan.stages:
            if stage.skip is not None:
                found.append(Preview(stage.name, "skip", stage.skip))
            elif request.force or stage.fresh or stage.name in wanted or stage.name not in states:
                reason = line("always runs") if stage.fresh else line("requested")
                found.append(Preview(stage.name, "run", reason if states else line("not built yet")))
            elif stage.name in again:
                before = next(name for name in stage.after if name in again)
                found.append(Preview(stage.name, "unknown", line("only if {stage} changes", stage=before)))
            else:
                found.append(Preview(stage.name, "cached", line("up to date")))
        return tuple(found)

    def accept(self, request: RunRequest, stages: tuple[str, ...]) -> tuple[Preview, ...]:
        """Write it down; the preview then keeps those stages."""
        self.asked.append({"accept": ", ".join(stages)})
        kept = line("accepted as it is")
        return tuple(
            Preview(one.stage, "cached", kept) if one.stage in stages else one for one in self.preview(request)
        )

    def log(self, stage: str, offset: int | None = None, limit: int = 65536) -> LogChunk:
        """A piece of the stage's recorded log; without offset its tail."""
        with self._lock:
            self._catch_up()
            data = bytes(self._logs.get(stage, b""))
        begin = max(0, len(data) - limit) if offset is None else min(offset, len(data))
        piece = data[begin : begin + limit]
        return LogChunk(piece.decode("utf-8", "replace"), begin, begin + len(piece))

    def log_path(self, stage: str) -> Path | None:
        """None: a recording has no files."""
        return None

    def runs(self) -> tuple[RunSummary, ...]:
        """The run so far, and the earlier ones that the recording names."""
        run, report = self._snapshot.run, self._snapshot.report
        if not run.id:
            return self.story.runs
        seconds = run.ended - run.started if run.ended is not None and run.started is not None else None
        mine = RunSummary(run.id, run.state, run.started, seconds, report.top1 if report else None)
        return (mine, *self.story.runs)

    def history(self, run_id: str) -> tuple[DeviceSample, ...]:
        """The recorded readings up to now; of earlier runs there are none."""
        with self._lock:
            self._catch_up()
            if run_id != self._snapshot.run.id:
                return ()
            happened = self.story.beats[: self._next]
        return tuple(replace(value, at=self.story.began + when) for when, kind, value in happened if kind == "sample")

    def result(self, run_id: str) -> RunResult:
        """Of the recorded run its report; of earlier ones a line."""
        summary = next((one for one in self.runs() if one.id == run_id), None)
        if summary is None:
            raise InputError("unknown run {run}", hint="`r3d-tui runs` lists them", run=run_id)
        if run_id != self._snapshot.run.id:
            return RunResult(summary)
        return RunResult(summary, self._snapshot.report, self._snapshot.run)

    def export(self, run_id: str, folder: Path) -> tuple[Path, ...]:
        """Write it down; a recording has no files."""
        self.asked.append({"export": run_id, "folder": str(folder)})
        return ()

    def events(self, run_id: str, after: int = 0) -> list[tuple[int, float, Event]]:
        """The events of the story so far with a number above `after`: number, wall time in seconds, event."""
        with self._lock:
            happened = (beat for beat in self.story.beats[: self._next] if beat[1] == "event")
            numbered = enumerate(happened, 1)
            return [(number, self.story.began + when, event) for number, (when, _, event) in numbered if number > after]

    def close(self) -> None:
        """Nothing is held."""

    def _rewind(self) -> None:
        story = self.story
        self._version += 1
        self._snapshot = Snapshot(
            self._version, story.workspace, Run(), settings=story.settings, plan=story.plan, problem=story.problem
        )
        self._logs.clear()
        self._next = 0
        self._at = 0.0

    def _catch_up(self) -> None:
        if self._clock:
            self._go((self._clock() - self._origin) * self._speed)

    def _go(self, at: float) -> None:
        if at <= self._at and self._next:
            return
        self._at = max(at, self._at)
        while self._next < len(self.story.beats) and self.story.beats[self._next][0] <= self._at:
            when, kind, value = self.story.beats[self._next]
            self._next += 1
            self._happen(when, kind, value)
        self._moved.set()

    def _happen(self, when: float, kind: str, value: Any) -> None:
        old = self._snapshot
        wall = self.story.began + when
        if kind == "log":
            stage, text = value
            self._logs.setdefault(stage, bytearray()).extend(text.encode("utf-8", "surrogatepass"))
            new = old
        elif kind == "event":
            run = fold(old.run, value, wall)
            new = replace(old, run=run, alive=run.state == "running")
        elif kind == "sample":
            kept = tuple(sample for sample in old.samples if sample.device != value.device)
            fresh = replace(value, at=wall)
            new = replace(old, samples=tuple(sorted((*kept, fresh), key=lambda sample: sample.device)))
        elif kind == "report":
            new = replace(old, report=value)
        else:
            new = replace(old, **{kind: value})
        self._version += 1
        self._snapshot = replace(new, version=self._version)
