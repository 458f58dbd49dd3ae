"""What a front end holds of a run: the protocol that the live client and the recorded one both meet."""

from pathlib import Path
from typing import Literal, Protocol

from msgspec import Struct

from backends.core.events import Event
from backends.core.messages import Line
from backends.core.plan import Plan
from backends.core.run_state import Run
from backends.core.settings import Settings
from backends.core.values import DeviceSample, Report


class Snapshot(Struct, frozen=True):
    """All that a front end draws, in one value. Equal `version` means equal content."""

    version: int
    workspace: Path
    run: Run
    """The latest run; `Run()` (state `new`) where there was none."""
    settings: Settings | None = None
    """None where r3d.toml is missing or wrong; `problem` says how."""
    plan: Plan | None = None
    problem: Line = Line("")
    alive: bool = False
    """An engine works on the workspace now."""
    stalled_s: float | None = None
    """Seconds since the engine's last sign of life, where it is alive but silent for too long."""
    samples: tuple[DeviceSample, ...] = ()
    """The latest of each device."""
    report: Report | None = None
    """Of the latest run's evaluate stage, once it is done."""


class RunRequest(Struct, frozen=True):
    mode: Literal["run", "rerun"] = "run"
    """`rerun`: what failed in the latest run and what depends on it (or `stages`)."""
    stages: tuple[str, ...] = ()
    """For `rerun`: run these and what depends on them again."""
    first: str | None = None
    """`--from`: run this stage and what depends on it again."""
    last: str | None = None
    """`--to`: go no further than this stage and what it depends on."""
    force: bool = False
    """Run everything again."""


class Preview(Struct, frozen=True):
    """What a run would do with one stage, and why."""

    stage: str
    action: Literal["run", "cached", "skip", "unknown"]
    reason: Line
    acceptable: bool = False
    """It would run only because its code or its parameters changed: what it made before may be accepted as it is."""


class LogChunk(Struct, frozen=True):
    """A piece of a stage's log. Foreign text: make it safe before showing it."""

    text: str
    offset: int
    """Where this piece begins, in bytes."""
    end: int
    """Where the next piece begins."""


class RunSummary(Struct, frozen=True):
    id: str
    state: str
    started: float | None
    seconds: float | None
    top1: float | None = None
    clips_per_s: float | None = None
    """Of inference."""
    simulated: bool = False
    """The throughput is of simulated chips."""
    clips_per_s_beside: str = ""
    """The stage that used the same cores while the throughput was measured; empty: none."""

    @property
    def is_comparable(self) -> bool:
        """Whether the throughput may stand beside another one."""
        return not (self.simulated or self.clips_per_s_beside)


class RunResult(Struct, frozen=True):
    """What one run, the latest or an earlier one, found."""

    run: RunSummary
    report: Report | None = None
    """None where the run did not evaluate, or where its artifacts are gone."""
    state: Run = Run()
    """Its stages and devices as they ended."""
    settings: Settings | None = None
    """Those that it worked by; None where its plan is gone or was written by a version with other settings."""


class Candidates(Struct, frozen=True):
    """What lies about in a folder that a workspace could be made of, best first."""

    videos: tuple[Path, ...] = ()
    frames: tuple[Path, ...] = ()
    annotations: tuple[Path, ...] = ()
    splits: tuple[Path, ...] = ()
    checkpoints: tuple[Path, ...] = ()


class Client(Protocol):
    """Start, follow and stop runs of one workspace. Calls may block for some milliseconds: use them from a thread."""

    @property
    def workspace(self) -> Path:
        """The folder that holds r3d.toml."""

    def snapshot(self) -> Snapshot:
        """The state now; cheap enough for a few times a second."""

    def glance(self) -> Snapshot:
        """The state now, as far as it can be had at once: the plan may be that of the latest run."""

    def changed(self, timeout: float) -> bool:
        """Wait until the next snapshot may differ from the last one, or `timeout` seconds."""

    def start(self, request: RunRequest) -> str:
        """Start a detached engine and give the run's id. Raises BusyError, InputError or NeedError."""

    def stop(self) -> None:
        """Ask the engine to stop; returns at once. InputError where none is running."""

    def command(self, stage: str, command: dict[str, str]) -> None:
        """Hand a command to a running stage, such as {"command": "device", "id": "cpu:1", "take": "out"}."""

    def preview(self, request: RunRequest) -> tuple[Preview, ...]:
        """What `start(request)` would do, stage by stage, and why."""

    def accept(self, request: RunRequest, stages: tuple[str, ...]) -> tuple[Preview, ...]:
        """Let what those stages made before count as it is, as far as it is acceptable; gives the preview after it.

        The next run takes them as cached, and its events say "accepted as it is" and what had changed.
        BusyError while a run is on.
        """

    def log(self, stage: str, offset: int | None = None, limit: int = 65536) -> LogChunk:
        """A piece of the stage's latest log in the latest run; without offset its tail."""

    def log_path(self, stage: str) -> Path | None:
        """The raw log file, for $PAGER; None where there is none."""

    def runs(self) -> tuple[RunSummary, ...]:
        """All runs, latest first."""

    def history(self, run_id: str) -> tuple[DeviceSample, ...]:
        """The readings of a run's devices that were kept, oldest first; none where it has none. Slow: megabytes."""

    def result(self, run_id: str) -> RunResult:
        """What a run found, by its id. InputError where there is no such run."""

    def export(self, run_id: str, folder: Path) -> tuple[Path, ...]:
        """Copy val.json, predictions.csv and the report of a run to `folder`, which is made; gives the copies.

        InputError where there is none yet, or where another file stands in a copy's place: nothing is overwritten.
        """

    def events(self, run_id: str, after: int = 0) -> list[tuple[int, float, Event]]:
        """The facts of a run's journal with a number above `after`: number, wall time in seconds, event."""

    def close(self) -> None:
        """Let go of files; the run goes on."""
