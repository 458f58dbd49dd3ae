"""What the board knows and where the person is, as plain values; commands change it, the board draws it."""

from dataclasses import dataclass, field

from backends.core.client import Preview, RunSummary, Snapshot
from backends.core.command_reports import Overview, SettingChange
from backends.core.messages import Line
from backends.core.values import DeviceSample, VideoScore
from r3d_tui.lang.words import Words
from r3d_tui.state.feed import History
from r3d_tui.state.log_buffer import LogBook
from r3d_tui.views.devices import Arrangement, Device, arranged, joined
from r3d_tui.views.look import Look
from r3d_tui.views.look import stages as stages_of
from r3d_tui.views.phase import Phase, main_stage, phase_of
from r3d_tui.views.tracks import Tracks

STATUS_S = 6.0
"""How long a notice stands in the status line."""


@dataclass
class Status:
    """A notice: its words, how it is drawn, and until when (monotonic)."""

    text: str = ""
    role: str = ""
    until: float = 0.0


@dataclass
class BoardState:
    """Changed in the event loop alone."""

    snapshot: Snapshot | None = None
    broken: str = ""
    """Why the workspace cannot be read now."""
    polled: tuple[DeviceSample, ...] = ()
    """Readings of devices outside a run."""
    unread: Line = Line("")
    """Why there is none."""
    overview: Overview | None = None
    plan: tuple[Preview, ...] | None = None
    change: SettingChange | None = None
    runs: tuple[RunSummary, ...] = ()
    took: dict[str, float] = field(default_factory=dict)
    """Seconds that stages took in earlier runs."""
    current: str = "main"
    """The panel that keys go to."""
    zoomed: bool = False
    device: str = ""
    """The device under the cursor."""
    wrong: int = 0
    """The place of the misclassified video that is chosen in the result."""
    pinned: str | None = None
    """The stage that was chosen; None follows what runs."""
    arrangement: Arrangement = field(default_factory=Arrangement)
    wishes: dict[str, str] = field(default_factory=dict)
    """Devices to exclude or include once inference begins: device → out or in."""
    book: LogBook = field(default_factory=LogBook)
    rates: History = field(default_factory=History)
    tracks: Tracks = field(default_factory=Tracks)
    status: Status = field(default_factory=Status)

    @property
    def phase(self) -> Phase:
        return phase_of(self.snapshot)

    @property
    def running(self) -> bool:
        """An engine works on the latest run."""
        return self.snapshot is not None and self.snapshot.run.state == "running" and self.snapshot.alive

    @property
    def misclassified(self) -> VideoScore | None:
        """The one that is chosen, once the run is done."""
        report = self.snapshot.report if self.snapshot is not None and self.phase == "done" else None
        return report.worst[min(self.wrong, len(report.worst) - 1)] if report is not None and report.worst else None

    @property
    def devices(self) -> tuple[Device, ...]:
        """All devices, of the run and those that were only read."""
        return joined(self.snapshot, self.polled)

    def listed(self, words: Words) -> tuple[Device, ...]:
        """Those that are shown, in order."""
        return arranged(self.devices, self.arrangement, Look(words, 80))

    @property
    def selected(self) -> str:
        """The stage that is looked at: the one chosen, else the one that failed, runs, or came last."""
        if self.snapshot is None:
            return ""
        found = stages_of(self.snapshot)
        if self.pinned is not None and any(stage.name == self.pinned for stage in found):
            return self.pinned
        for state in ("failed", "running", "interrupted"):
            some = [stage for stage in found if stage.state == state]
            if some:
                return main_stage(some).name if state == "running" else some[0].name
        ended = [stage.name for stage in found if stage.state in ("done", "cached", "stopped")]
        return ended[-1] if ended else found[0].name if found else ""

    def take(self, snapshot: Snapshot, now: float) -> None:
        self.snapshot, self.broken = snapshot, ""
        self.rates.add(snapshot.run, now)
        self.tracks.add(snapshot.run.id, snapshot.samples)
        self.keep_cursor()

    def take_polled(self, samples: tuple[DeviceSample, ...]) -> None:
        self.polled = tuple(sample for sample in samples if ":" in sample.device)
        self.unread = next((sample.trouble for sample in samples if ":" not in sample.device), Line(""))
        if self.snapshot is not None:
            self.tracks.add(self.snapshot.run.id, samples)
        self.keep_cursor()

    def keep_cursor(self) -> None:
        """The cursor stands on a device that is there."""
        ids = [device.id for device in self.devices]
        if self.device not in ids:
            self.device = ids[0] if ids else ""
