"""What the tests of inference stand on: a small clip store and model, a job without an engine, a hand that kills."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from backends.core.events import DeviceChanged, DeviceProgress, Event, Outcome, StageNote, StageProgress
from backends.core.stage_request import Request, Upstream
from backends.data.clip_writer import ClipWriter
from backends.device.clip_format import ClipHeader
from backends.inference.infer import run
from backends.worker.job import Job
from tests.whole_rows import load_rows

VIDEOS = (3, 1, 7, 2, 10, 4, 5, 6)
"""Clips of the videos of the small store: 38, which fill 4 batches of ten across videos and 8 one by one."""
CLIPS = sum(VIDEOS)
CLASSES = 5


def make_store(folder: Path) -> Path:
    """A store of CLIPS random clips; the first byte of each is its number."""
    random = np.random.default_rng(0)
    writer = ClipWriter.open_or_resume(folder, ClipHeader())
    number = 0
    for video, clips in enumerate(VIDEOS):
        data = random.integers(0, 256, (clips, 3, 16, 112, 112), np.uint8)
        data[:, 0, 0, 0, 0] = range(number, number + clips)
        number += clips
        writer.append(f"video {video}", "wave", (1, 1 + 16 * clips), clips, memoryview(data))
    writer.finish([f"video {video}" for video in range(len(VIDEOS))])
    writer.close()
    return folder


def make_model(path: Path, batch: int | None = 10, *, name: str = "input", frames: int = 16, kind: int = 1) -> Path:
    """An average pool and a matrix product with the ends of the guide's model; `batch` None is a free dimension."""
    import onnx
    from onnx import helper, numpy_helper

    weights = np.random.default_rng(1).normal(size=(3 * 4 * 4 * 4, CLASSES)).astype(np.float32)
    ends = [
        helper.make_tensor_value_info(name, kind, [batch or "n", 3, frames, 112, 112]),
        helper.make_tensor_value_info("output", 1, [batch or "n", CLASSES]),
    ]
    nodes = [
        helper.make_node("Cast", [name], ["cast"], to=1),
        helper.make_node(
            "AveragePool", ["cast"], ["p"], kernel_shape=[frames // 4, 28, 28], strides=[frames // 4, 28, 28]
        ),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "w"], ["output"]),
    ]
    graph = helper.make_graph(nodes, "small", ends[:1], ends[1:], [numpy_helper.from_array(weights, "w")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6), str(path))
    return path


@dataclass
class Rig:
    """One stage's folder; `infer` may be called again, which takes the work up."""

    folder: Path
    store: Path
    model: Path
    events: list[Event] = field(default_factory=list)
    watch: Callable[[Event, Job], None] | None = None

    def request(self, params: Mapping[str, Any], tuning: Mapping[str, Any] | None = None) -> Request:
        """What the engine would ask for."""
        for name in ("out", "scratch"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        upstream = {
            "preprocess": Upstream(self.store.parent, Outcome(outputs={"store": self.store.name})),
            "simplify": Upstream(self.model.parent, Outcome(outputs={"onnx": self.model.name})),
        }
        out, scratch = self.folder / "out", self.folder / "scratch"
        entry = "backends.inference.infer:run"
        return Request("infer", entry, 1, self.folder, out, scratch, params, tuning or {}, {}, upstream)

    def infer(self, params: Mapping[str, Any], tuning: Mapping[str, Any] | None = None) -> Outcome:
        """Run the stage in this process; its devices are real processes."""

        def say(event: Event) -> None:
            self.events.append(event)
            if self.watch is not None:
                self.watch(event, job)

        job = Job(self.request(params, tuning), say)
        return job.complete(run(job))

    def faulty(self, devices: int = 2, limits: Mapping[str, float] | None = None, **options: Any) -> Outcome:
        """Infer with the runtime that fails as told, by default in batches of two for many of them."""
        params = {"entry": "tests.inference.faulty:Faulty", "runtime": "faulty", "batch": options.pop("batch", 2)}
        params["options"] = {"classes": CLASSES, **options}
        return self.infer(params, {"devices": list(range(devices)), "limits": limits or {}, "sync_s": 0.02})

    @property
    def rows(self) -> dict[int, bytes]:
        """The scores by clip number; a clip that stands twice fails the test."""
        rows = load_rows(self.folder / "out" / "rows.bin")
        assert rows.duplicates == 0
        return {int(n): row.tobytes() for n, row in zip(rows.numbers, rows.logits, strict=True)}

    def states(self, device: str) -> list[str]:
        """The states that a device went through."""
        return [e.state for e in self.events if isinstance(e, DeviceChanged) and e.device == device]

    def retired(self) -> list[tuple[str, str]]:
        """Each device that was retired, and why, in order."""
        changes = [event for event in self.events if isinstance(event, DeviceChanged)]
        return [(event.device, str(event.reason)) for event in changes if event.state == "retired"]

    @property
    def notes(self) -> list[str]:
        """Notes said so far."""
        return [str(e.text) for e in self.events if isinstance(e, StageNote)]

    @property
    def progress(self) -> list[StageProgress]:
        """Ticks of the stage."""
        return [e for e in self.events if isinstance(e, StageProgress)]

    def device_clips(self) -> dict[str, int]:
        """Clips of each device by its last tick."""
        return {e.device: e.clips for e in self.events if isinstance(e, DeviceProgress)}


def signal_when(device: str, state: str, sig: int = signal.SIGKILL, after: float = 0.0, times: int = 1) -> Any:
    """A watch that signals a device's process `after` seconds from each of its first `times` entries to `state`."""
    left = [times]
    pids: dict[str, int] = {}

    def watch(event: Event, job: Job) -> None:
        if not isinstance(event, DeviceChanged) or event.device != device or event.pid is None:
            return
        if event.state == state and left[0] and pids.get(state) != event.pid:
            left[0] -= 1
            pids[state] = event.pid
            threading.Timer(after, _kill, (event.pid, sig)).start()

    return watch


def _kill(pid: int, sig: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, sig)


def obey_after(job: Job, seconds: float, **command: str) -> None:
    """Hand the job a command later."""
    threading.Timer(seconds, job.obey, (command,)).start()


__all__ = ["CLASSES", "CLIPS", "VIDEOS", "Rig", "make_model", "make_store", "obey_after", "signal_when"]
