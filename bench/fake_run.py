"""`python -m bench.fake_run WORKSPACE`: a played run in the files of a real one, to measure who watches it.

It writes what an engine and its companion write (plan, journal, state, samples, log, lock and heartbeat), at a stated
rate, and works nothing: every figure in it is made up. It refuses to know who watches.
"""

from __future__ import annotations

import argparse
import math
import os
import select
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from backends.core import events as ev
from backends.core.codec import dumps
from backends.core.device_samples import SampleFile
from backends.core.files import write_whole
from backends.core.messages import line
from backends.core.run_state import Run, fold
from backends.core.settings import DatasetSettings, InferSettings, ModelSettings, Settings
from backends.core.values import ClassScore, Confusion, DeviceSample, Report
from backends.engine.daemon import next_id
from backends.engine.folders import Folders
from backends.engine.journal import Journal
from backends.engine.lock import HEARTBEAT_S, WorkspaceLock
from backends.pipeline import whole_plan
from backends.workspace.settings_file import write_settings

CLIPS = 40_000_000
"""So many that a run never ends by itself while it is watched."""
BATCH = 500
"""Events of a flood in one commit."""
FIGURES: Mapping[str, Mapping[str, Any]] = {
    "check": {"met": 14, "warnings": 0, "missing": 0},
    "frames": {"classes": 51, "videos": 6764, "frames": 632_635},
    "annotate": {"classes": 51, "videos": 5098, "subset_videos": 1529, "missing": 1},
    "preprocess": {"videos": 1529, "clips": 8486, "clips_before_cut": 9524, "missing": 1, "bytes": 5_108_293_632},
    "export": {"arch": "resnet-50", "depth": 50, "classes": 51, "parameters": 46_258_163, "nodes": 124, "opset": 11},
    "simplify": {"nodes_before": 124, "nodes": 122, "bytes": 185_151_872},
    "compile": {"soc_version": "Ascend310P3", "cann": "8.0.RC3", "bytes": 94_371_840},
    "verify": {"clips": 10, "onnx_max_abs": 2.62e-6, "onnx_top1": 1.0, "sim_max_abs": 2.86e-6, "sim_top1": 1.0},
    "infer": {"runtime": "acl", "devices": 2, "clips": 8486, "seconds": 5.6, "clips_per_s": 1515.3},
    "score": {"videos": 1529, "clips": 8486},
    "evaluate": {"top1": 0.6219, "topk": 0.8751, "k": 5, "videos": 1529, "videos_set_aside": 0, "clips": 8486},
}


def prepare(workspace: Path) -> Settings:
    """Make a workspace with an r3d.toml whose inputs are there and empty."""
    settings = Settings(
        dataset=DatasetSettings(videos=workspace / "videos", splits=workspace / "splits"),
        model=ModelSettings(checkpoint=workspace / "model.pth"),
        infer=InferSettings(target="ascend"),
    )
    for name in ("videos", "splits"):
        (workspace / name).mkdir(parents=True, exist_ok=True)
    (workspace / "model.pth").touch()
    write_settings(workspace, settings)
    return settings


class Actor:
    """One run of `chips` chips on a workspace, from its start to the middle of its inference and on."""

    def __init__(self, workspace: Path, settings: Settings, chips: int, clips: int = CLIPS, fails_at: int = 0) -> None:
        """`fails_at`: the tick at which the fourth chip is lost; 0: none is."""
        self._clips, self._fails_at = clips, fails_at
        self._folders = Folders(workspace)
        self._folder = self._folders.run(next_id(time.strftime("%Y%m%d-%H%M%S"), ""))
        self._hold = WorkspaceLock(self._folders, self._folder.id)
        self._plan = whole_plan(workspace, settings)
        write_whole(self._folder.plan, dumps(self._plan).encode())
        self._journal = Journal(self._folder.journal)
        self._samples = SampleFile(self._folder.samples)
        self._folder.log("infer", 1).parent.mkdir(parents=True, exist_ok=True)
        self._log = self._folder.log("infer", 1).open("a", encoding="utf-8")
        self._run = Run()
        self._chips = tuple(str(number) for number in range(chips))
        self._ticks = 0
        self._open()

    def _open(self) -> None:
        """Everything before inference is done; every chip works."""
        names = tuple(stage.name for stage in self._plan.stages)
        found: list[ev.Event] = [ev.RunStarted(self._folder.id, names, os.getpid(), socket.gethostname())]
        for number, name in enumerate(names[: names.index("infer")]):
            found += self._whole(name, 1.5 + 7.0 * number)
        found.append(ev.StageStarted("infer", 1, line("not built yet"), os.getpid()))
        found += [ev.DeviceChanged(chip, "working", "310P3", pid=os.getpid()) for chip in self._chips]
        self._say(found)
        self.write_log("runtime acl, batch 10, layout packed")
        self.tick()

    def _whole(self, stage: str, seconds: float) -> Iterator[ev.Event]:
        outputs = {"report": "report.json"} if stage == "evaluate" else {}
        outcome = ev.Outcome({"clips_per_s": None, **FIGURES.get(stage, {})}, outputs)
        yield ev.StageStarted(stage, 1, line("not built yet"), 0, fingerprint="acted")
        yield ev.StageFinished(stage, 1, outcome, seconds)

    def _say(self, events: list[ev.Event]) -> None:
        now = time.time()
        for event in events:
            self._run = fold(self._run, event, now)
        self._journal.commit([(now, event) for event in events if not isinstance(event, ev.TICKS)], self._run)

    def tick(self) -> None:
        """Every chip did some more: its figures, its reading, and the sum."""
        self._ticks += 1
        now = time.time()
        if self._ticks == self._fails_at:
            reason = line("507015: the AI Core raised an exception; its batch went to another chip")
            self._say([ev.DeviceChanged(self._chips[3], "retired", "310P3", reason)])
        works = [device.id for device in self._run.devices if device.state != "retired"]
        ticks: list[ev.Event] = [self._progress(place, c) for place, c in enumerate(self._chips) if c in works]
        done = min(self._clips, sum(device.clips for device in self._run.devices))
        ticks.append(ev.StageProgress("infer", done, self._clips, "clips", rate=770.0 * len(works)))
        self._say(ticks)
        self._samples.append([self._sample(place, chip, now) for place, chip in enumerate(self._chips)])

    def _lost(self, chip: str) -> bool:
        return any(device.id == chip and device.state == "retired" for device in self._run.devices)

    def _progress(self, place: int, chip: str) -> ev.DeviceProgress:
        wave = math.sin(self._ticks * (1.3 + place / 7))
        rate = 770 * (1 + 0.03 * wave)
        return ev.DeviceProgress(chip, 770 * self._ticks, rate, 768.2, 13.0 - wave, 14.5 - wave, 0.95 + 0.04 * wave)

    def _sample(self, place: int, chip: str, now: float) -> DeviceSample:
        wave = math.sin(self._ticks * (0.7 + place / 5))
        busy, memory = round(90 + 9 * wave), 3200 + round(9 * wave)
        return DeviceSample(
            chip,
            now,
            "310P3",
            "OK",
            power_w=42 + 3 * wave,
            temp_c=round(58 + 2 * wave),
            busy_percent=busy,
            memory_used_mb=memory,
            memory_total_mb=21_527,
            processes=1,
        )

    def write_log(self, *texts: str) -> None:
        """More lines of the inference's log."""
        self._log.write("".join(f"{text}\n" for text in texts))
        self._log.flush()

    def beat(self) -> None:
        """A sign of life."""
        self._hold.beat()

    def flood(self, events: int, log_lines: int) -> Iterator[int]:
        """So many events and log lines as fast as they can be written; gives how many events there were, now and then.

        Of eight events six are ticks of chips, one is a note and one an item set aside.
        """
        for done in range(0, events, BATCH):
            self._ticks += 1
            ticks = [self._progress(place, chip) for place, chip in enumerate(self._chips)]
            facts = [self._fact(number) for number in range(done, done + BATCH, 4)]
            many = [ticks[number % len(ticks)] for number in range(BATCH - len(facts))]
            self._say([*many, *facts])
            first, last = (place * log_lines // events for place in (done, done + BATCH))
            self.write_log(
                *(f"batch {number}: 10 clips in 12.9 ms on chip {number % 8}" for number in range(first, last))
            )
            self.beat()
            yield min(events, done + BATCH)

    def _fact(self, number: int) -> ev.Event:
        if number % 8:
            text = line("interrupted in attempt {attempt}; resumed", attempt=number)
            return ev.StageNote("infer", text, "warning")
        return ev.ItemSetAside("infer", f"video_{number}.avi", line("it has no frames"))

    def finish(self) -> None:
        """The run ends well, with a report."""
        found = [event for name in ("infer", "score", "evaluate") for event in self._whole(name, 5.6)]
        works = [chip for chip in self._chips if self._run.devices and not self._lost(chip)]
        self._say([*(ev.DeviceChanged(chip, "done") for chip in works), *found, ev.RunFinished("done")])
        folder = self._folders.artifact("evaluate", "acted")
        folder.mkdir(parents=True)
        write_whole(folder / "report.json", dumps(_report()).encode())
        self._journal.close(finished=True)
        self._hold.release()


def _report() -> Report:
    classes = tuple(ClassScore(f"class_{number:02}", 30, 30 - number % 17, 30 - number % 7) for number in range(51))
    confused = tuple(Confusion(f"class_{number:02}", f"class_{number + 1:02}", 20 - number) for number in range(15))
    shares = (0.6219, 0.8751, 0.5973, 0.6459, 0.6215)
    return Report("validation", 1529, 1530, 1, 8486, 5, *shares, classes, confused)


def _live(actor: Actor, hz: float) -> None:
    """Tick at that rate until standard input ends."""
    due = beaten = time.monotonic()
    while True:
        due += 1 / hz
        if select.select([sys.stdin], [], [], max(0.0, due - time.monotonic()))[0]:
            return
        actor.tick()
        if due - beaten >= HEARTBEAT_S:
            beaten = due
            actor.beat()
            actor.write_log(f"{time.strftime('%H:%M:%S')} 10 batches more")


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Make the workspace, say so with a line `ready`, act until standard input ends or there is nothing to act."""
    parser = argparse.ArgumentParser(prog="bench.fake_run")
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--chips", type=int, default=0, help="0: nothing has run")
    parser.add_argument("--hz", type=float, default=0.0, help="ticks a second; 0: the run is done")
    parser.add_argument("--events", type=int, default=0, help="then so many as fast as they come")
    parser.add_argument("--log-lines", type=int, default=0)
    given = parser.parse_args()
    settings = prepare(given.workspace.absolute())
    actor = Actor(given.workspace.absolute(), settings, given.chips) if given.chips else None
    if actor and not given.hz:
        actor.finish()
    _tell("ready")
    if actor and given.hz:
        if given.events:
            sys.stdin.readline()
            for done in actor.flood(given.events, given.log_lines):
                _tell(str(done))
        _live(actor, given.hz)
    return 0


if __name__ == "__main__":
    sys.exit(main())
