"""Eight hours of a run, compressed: journal, fold, samples of every chip and a console's feed, each the real one.

Only the work and the clock are made up: a second of the run takes as long as writing it down. The console's feed
follows from its own threads meanwhile, as it does beside a living engine.
"""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from textual.message import Message

from backends.core.codec import dumps
from backends.core.device_samples import LIMIT, SampleFile, read_history, read_samples
from backends.core.events import (
    DeviceChanged,
    DeviceProgress,
    Event,
    ItemSetAside,
    RunFinished,
    RunStarted,
    StageNote,
    StageProgress,
    StageStarted,
)
from backends.core.messages import line
from backends.core.plan import Plan, Stage
from backends.core.run_state import Run, fold
from backends.core.settings import Settings
from backends.core.values import DeviceSample
from backends.engine.folders import Folders
from backends.engine.journal import Journal
from backends.engine.live_client import LiveClient, PlanSource
from backends.engine.lock import WorkspaceLock
from r3d_tui.state.feed import Feed, FeedBroke, SnapshotCame
from r3d_tui.views.tracks import Tracks, tracks_of

NOTES = 35
"""Facts a second: over eight hours a million."""
BEGUN = 1_700_000_000.0


def megabytes() -> float:
    """What this process has in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


@dataclass
class Console:
    """What a board keeps of what its feed posts."""

    tracks: Tracks = field(default_factory=Tracks)
    snapshots: int = 0
    last: Run = field(default_factory=Run)
    broke: list[str] = field(default_factory=list)

    def post(self, message: Message) -> None:
        """Take a message as the board does."""
        if isinstance(message, SnapshotCame):
            self.snapshots += 1
            self.last = message.snapshot.run
            self.tracks.add(self.last.id, message.snapshot.samples)
        elif isinstance(message, FeedBroke):
            self.broke.append(str(message))


class Hours:
    """A workspace in which a run goes on for hours."""

    def __init__(self, workspace: Path, chips: int) -> None:
        self.folders = Folders(workspace)
        self.folder = self.folders.run("20261123-000000-0000")
        self.chips = [f"npu:{number}" for number in range(chips)]
        self._hold = WorkspaceLock(self.folders, self.folder.id)
        self.folder.path.mkdir(parents=True)
        plan = Plan(workspace, (Stage("infer", "toys:count", 1),))
        self.folder.plan.write_bytes(dumps(plan).encode())
        self._journal = Journal(self.folder.journal)
        self._samples = SampleFile(self.folder.samples)
        self._run = Run()
        self._commit(0, RunStarted(self.folder.id, ("infer",), os.getpid()), StageStarted("infer", 1, line("new"), 1))
        self._commit(0, *(DeviceChanged(chip, "working", "310P3") for chip in self.chips))
        self.planner = PlanSource(lambda _: Settings(), lambda _workspace, _settings: plan)

    def _commit(self, second: int, *events: Event) -> None:
        for event in events:
            self._run = fold(self._run, event, BEGUN + second)
        facts = [event for event in events if not isinstance(event, StageProgress | DeviceProgress)]
        self._journal.commit([(BEGUN + second, event) for event in facts], self._run)

    def work(self, first: int, end: int, seconds: int) -> None:
        """What is said and read in the seconds from `first` to `end` of `seconds`."""
        for second in range(first, end):
            facts: list[Event] = []
            for number in range(NOTES):
                note = StageNote("infer", line("note {n} of {second}", n=number, second=second))
                aside = ItemSetAside("infer", f"video {second} {number}", line("it is broken"))
                facts.append(aside if number % 2 else note)
            ticks = [DeviceProgress(chip, second * 800, 800.0, 790.0, 12.5, 13.0, 0.98) for chip in self.chips]
            self._commit(second, *facts, *ticks, StageProgress("infer", second, seconds))
            self._samples.append(
                [
                    DeviceSample(chip, BEGUN + second, "310P3", "OK", 60.5, None, 55.0, 97.0, 1200, 21534, 1)
                    for chip in self.chips
                ]
            )
            self._hold.beat()

    def end(self, seconds: int) -> None:
        """The run is over."""
        self._commit(seconds, RunFinished("done"))
        self._journal.close(finished=True)
        self._samples.close()
        self._hold.release()


def follow(workspace: Path, seconds: int, chips: int, warm: int) -> tuple[Console, float, dict[str, float]]:
    """A run of so many seconds with a console on it: the console, memory grown since second `warm`, what it took."""
    begun = time.process_time()
    hours, console = Hours(workspace, chips), Console()
    client = LiveClient(workspace, hours.planner)
    feed = Feed(client, console.post)
    feed.start()
    try:
        hours.work(0, warm, seconds)
        before = megabytes()
        hours.work(warm, seconds, seconds)
        grown = megabytes() - before
        hours.end(seconds)
        until = time.monotonic() + 30
        while console.last.state != "done" and time.monotonic() < until:
            time.sleep(0.05)
    finally:
        feed.end()
    used = time.process_time() - begun
    fresh = LiveClient(workspace, hours.planner)
    at = time.monotonic()
    assert "done" == fresh.snapshot().run.state
    attach = time.monotonic() - at
    fresh.close()
    at = time.process_time()
    history = read_history(hours.folder.samples)
    tracks_of(history)
    took = {"cpu": used, "attach": attach, "history": time.process_time() - at, "kept": len(history)}
    assert hours.folder.samples.stat().st_size <= LIMIT
    assert {len(hours.chips)} == {len(read_samples(hours.folder.samples))}
    assert (BEGUN, BEGUN + seconds - 1) == (history[0].at, history[-1].at)
    assert ([], seconds * (NOTES // 2)) == (console.broke, console.last.stage("infer").set_aside_count)
    assert set(hours.chips) == set(console.tracks.by_device)
    return console, grown, took


def test_a_minute_of_sixteen_chips_reaches_the_console(tmp_path: Path) -> None:
    """The quick share of the soak below: every fact is counted, every chip is seen, the end arrives."""
    console, _, took = follow(tmp_path, 60, 16, 1)
    assert console.snapshots > 1
    assert [60 * 800 - 800] * 16 == [device.clips for device in console.last.devices]
    assert took["attach"] < 1.0


@pytest.mark.soak
def test_eight_hours_of_sixty_four_chips_keep_memory_flat(tmp_path: Path) -> None:
    """A million facts, 1.8 million ticks and as many readings: from the first half hour on memory stays as it is.

    The samples stay within their limit and reach back to the beginning; a new console is there within a second.
    """
    console, grown, took = follow(tmp_path, 8 * 3600, 64, 1800)
    size = sum(path.stat().st_size for path in (tmp_path / ".r3d/runs").rglob("*") if path.is_file()) / 1e6
    print(
        f"8 h of 64 chips in {took['cpu']:.0f} s of processor time, {size:.0f} MB on disk, "
        f"{console.snapshots} snapshots; memory grew by {grown:.1f} MB; attached in {took['attach']:.3f} s; "
        f"{took['kept']:.0f} readings of the devices read in {took['history']:.2f} s"
    )
    assert grown < 20
    assert took["attach"] < 1.0
    assert took["history"] < 3.0
