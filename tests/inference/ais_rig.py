"""A stage by ais_bench over its stand-in: a compiled model of the stand-in's own, faults by device, calls as made."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from backends.core.events import Outcome
from backends.core.stage_request import Request, Upstream
from backends.data.clip_writer import ClipWriter
from backends.device.clip_format import ClipHeader
from backends.inference.infer import run
from backends.worker.job import Job
from tests.fakes.server.build import Server, make_server
from tests.inference.rig import CLASSES, Rig

FAKES = Path(__file__).resolve().parents[1] / "fakes"
BATCH = 2
VIDEOS = (3, 1, 2, 4, 2)
CLIPS = sum(VIDEOS)


def make_store(folder: Path) -> Path:
    """A store of CLIPS random clips in videos of VIDEOS."""
    random = np.random.default_rng(0)
    with ClipWriter.open_or_resume(folder, ClipHeader()) as writer:
        for video, clips in enumerate(VIDEOS):
            data = random.integers(0, 256, (clips, 3, 16, 112, 112), np.uint8)
            writer.append(f"video {video}", "wave", (1, 1 + 16 * clips), clips, memoryview(data))
        writer.finish([f"video {video}" for video in range(len(VIDEOS))])
    return folder


def make_om(path: Path, *, batch: int = BATCH, soc: str = "Ascend310P3", kind: str = "<f4") -> Path:
    """What the stand-in loads."""
    about = {"batch": batch, "classes": CLASSES, "soc": soc, "kind": kind}
    path.write_bytes(b"FAKEOM\n" + json.dumps(about).encode())
    return path


class AisRig(Rig):
    """`Rig` with ais_bench as the way to infer."""

    monkeypatch: Any = None
    bins: Path | None = None

    def use(self, monkeypatch: Any, generation: str = "E", **environment: str) -> AisRig:
        """Put the stand-in of that generation where the stage finds it."""
        self.monkeypatch = monkeypatch
        monkeypatch.setenv("PYTHONPATH", str(FAKES))
        monkeypatch.setenv("FAKE_AIS_GENERATION", generation)
        monkeypatch.setenv("FAKE_AIS_CALLS", str(self.folder.with_name("calls")))
        server = self.folder.with_name("server")
        made = Server(server) if server.exists() else make_server(server, 4)
        for name, value in made.environment().items():
            monkeypatch.setenv(name, value)
        for name, value in environment.items():
            monkeypatch.setenv(f"FAKE_AIS_{name}", value)
        python = FAKES / "ais_infer.py" if generation == "A" else Path(sys.executable)
        self.generation, self.ais_bench = generation, python
        return self

    def faults(self, *faults: Mapping[str, Any]) -> None:
        """Ask for faults, see the stand-in's `device.Faults`."""
        self.monkeypatch.setenv("FAKE_AIS_FAULTS", json.dumps(faults))

    def request(self, params: Mapping[str, Any], tuning: Mapping[str, Any] | None = None) -> Request:
        """What the engine would ask for, after compile."""
        asked = super().request(params, tuning)
        om = self.folder.with_name("model.om")
        if not om.exists():
            make_om(om)
        upstream = {**asked.upstream, "compile": Upstream(om.parent, Outcome(outputs={"om": om.name}))}
        if self.bins is not None:
            outputs = {"store": self.store.name, "bins": str(self.bins)}
            upstream["preprocess"] = Upstream(self.store.parent, Outcome(outputs=outputs))
        entry = "backends.inference.infer:run"
        return Request("infer", entry, 1, self.folder, asked.out, asked.scratch, params, tuning or {}, {}, upstream)

    def ais(self, devices: int = 2, limits: Mapping[str, float] | None = None, **more: Any) -> Outcome:
        """Infer by the stand-in on so many devices, in this process."""
        job = self.job(devices, limits, **more)
        return job.complete(run(job))

    def job(self, devices: int = 2, limits: Mapping[str, float] | None = None, **more: Any) -> Job:
        """The stage's job."""
        params = {"target": "ascend", "runtime": "ais_bench", "batch": BATCH, "layout": more.pop("layout", "packed")}
        params["input"] = more.pop("input", "float32")
        tuning = {"devices": list(range(devices)), "limits": limits or {}, "sync_s": 0.02, **more}
        tuning["ais_bench"] = str(self.ais_bench)

        def say(event: Any) -> None:
            self.events.append(event)
            if self.watch is not None:
                self.watch(event, job)

        job = Job(self.request(params, tuning), say)
        return job

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The stand-in's calls that were no question for its help."""
        path = self.folder.with_name("calls")
        rows = [json.loads(text) for text in path.read_text().splitlines()] if path.exists() else []
        return [row for row in rows if "--help" not in row["argv"]]
