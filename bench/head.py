"""What several servers cost the machine that leads them, in processor time: stage and engine, over played servers.

The stage is the product's own (`ClusterRun` with its spool) over processes that answer in the sizes of a data set and
compute nothing (`bench.played_server`); the engine is the product's own over a stage that reports so many devices.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from msgspec import Struct

from backends.cluster.cluster_run import ClusterRun
from backends.cluster.local_carrier import LocalCarrier
from backends.cluster.shard_protocol import ModelFile, ServerSetup, ShardAnswer, ShardVideo, WireReader, model_file
from backends.cluster.spool import Spool
from backends.core.client import RunRequest
from backends.core.command_reports import BenchFigure
from backends.core.events import DeviceChanged, DeviceProgress, Event, RunStarted, ServerChip, ServerWork, to_json
from backends.core.messages import StageError, line
from backends.core.plan import Plan, Stage
from backends.core.run_state import Run, fold
from backends.core.settings import Settings
from backends.core.stage_request import Request
from backends.data.annotation import OPEN_END, Video
from backends.data.data_specs import PreprocessParams
from backends.engine import lock
from backends.engine.folders import Folders
from backends.engine.live_client import LiveClient, PlanSource
from backends.worker.job import Job
from bench.samples import sample_films


class Shape(Struct, frozen=True):
    """The shards of a data set."""

    videos: int
    """A shard."""
    clips: float
    """A video, on the average."""
    classes: int
    servers: int
    shards: int
    """A server."""


HMDB51 = Shape(64, 8492 / 1530, 51, servers=3, shards=8)
KINETICS = Shape(1024, 10.0, 700, servers=3, shards=2)


class HeadCost(Struct, frozen=True):
    """Of the stage on the head."""

    shard_s: float
    """Processor time of a shard, with everything else that the stage did meanwhile."""
    clip_bytes: float
    """On the wire, both ways together."""


class _Counted(LocalCarrier):
    """Played servers, and the bytes that cross."""

    crossed = 0

    def give(self, server: str, data: bytes) -> None:
        self.crossed += len(data)
        super().give(server, data)

    def poll(self, seconds: float) -> list[tuple[str, bytes | None]]:
        found = super().poll(seconds)
        self.crossed += sum(len(data or b"") for _, data in found)
        return found


def stage_cost(shape: Shape, shard_s: float = 0.5) -> HeadCost:
    """One run whose servers answer a shard every `shard_s` seconds."""
    with tempfile.TemporaryDirectory(prefix="r3d-bench-") as scratch:
        folder = Path(scratch)
        options = {"classes": shape.classes, "clips": shape.clips, "shard_s": shard_s}
        model = ModelFile(folder / "none.onnx", 0, "")
        setup = ServerSetup(
            "", PreprocessParams(), model, "cpu", "null", 10, folder, folder, options=options, silent_s=60.0
        )
        job = Job(Request("preprocess", "", 1, folder, folder, folder), _worded)
        carrier = _Counted(shape.servers, folder, "bench.played_server")
        count = shape.videos * shape.servers * shape.shards
        names = [f"v_{number:011d}_{number:06d}" for number in range(count)]
        videos = [ShardVideo(folder / f"{one}.mp4", Video(one, "a class", "validation", 1, 251)) for one in names]
        begun = time.process_time()
        work = ClusterRun(job, carrier, Spool(folder / "spool"), setup, (), shape.videos).run(videos)
        used = time.process_time() - begun
    return HeadCost(used / (shape.servers * shape.shards), carrier.crossed / work.clips)


class _Timed(LocalCarrier):
    """A server, and when each of its answers came."""

    def __init__(self, workspace: Path) -> None:
        super().__init__(1, workspace)
        self.answers: list[tuple[float, int]] = []
        """Seconds, and batches of ten clips."""
        self._reader = WireReader()

    def poll(self, seconds: float) -> list[tuple[str, bytes | None]]:
        found = super().poll(seconds)
        for _, data in found:
            for message, _ in self._reader.feed(data or b""):
                if isinstance(message, ShardAnswer):
                    batches = -(-sum(len(one.crc) for one in message.results) // 10)
                    self.answers.append((time.monotonic(), batches))
        return found


def server_busy(videos: int = 200, latency_s: float = 0.5, chips: int = 2) -> float:
    """Share of its time that a server's chips compute, at least, from its first answer to its last: chips of the null
    runtime, which take `latency_s` a batch, while the server decodes films for them."""
    with tempfile.TemporaryDirectory(prefix="r3d-bench-") as scratch:
        folder = Path(scratch)
        films = sorted(sample_films(folder, videos).glob("*/*"))
        shards = [ShardVideo(one, Video(one.stem, one.parent.name, "validation", 1, OPEN_END)) for one in films]
        (folder / "none.onnx").write_bytes(b"-")
        model, options = model_file(folder / "none.onnx"), {"latency_s": latency_s}
        setup = ServerSetup(
            "", PreprocessParams(), model, "cpu", "null", 10, folder, films[0], tuple(range(chips)), options
        )
        job = Job(Request("preprocess", "", 1, folder, folder, folder), _worded)
        carrier = _Timed(folder)
        ClusterRun(job, carrier, Spool(folder / "spool"), setup, (), 20).run(shards)
    (begun, _), *rest = carrier.answers
    counted = sum(batches for _, batches in rest) - chips  # one of each may have begun before the first answer
    return counted * latency_s / (chips * (rest[-1][0] - begun))


def _worded(event: Event) -> None:
    """As the worker does, which writes it to the engine."""
    to_json(event)


def play(job: Job) -> NoReturn:
    """A stage that reports `devices` of `chips` each, as inference does, until it is stopped."""
    devices, chips = (int(job.params[name]) for name in ("devices", "chips"))
    for number in range(devices):
        job.device(f"{number}", "working", name="played")
    tick = 0
    while True:
        tick += 1
        for number in range(devices):
            job.device_progress(_progress(str(number), tick, chips))
        job.progress(tick, None, "clips")
        job.check_stop()
        time.sleep(0.2)


def _progress(device: str, tick: int, chips: int) -> DeviceProgress:
    rate = 770.0 + tick % 7
    work = ServerWork(tuple(ServerChip(str(n), "working", 10 * tick, rate, 0.9) for n in range(chips)), 0.9, 0.1)
    return DeviceProgress(device, 10 * tick, rate, rate, utilisation=0.93, server=work if chips else None)


def engine_cores(devices: int, chips: int, seconds: float = 10.0) -> float:
    """Share of one core that the engine of a run takes, while its stage reports; 0 chips: devices of this machine."""
    stage = Stage("play", "bench.head:play", 1, params={"devices": devices, "chips": chips})
    with tempfile.TemporaryDirectory(prefix="r3d-bench-") as folder:
        workspace = Path(folder)
        client = LiveClient(workspace, PlanSource(lambda _: Settings(), partial(_plan, stage)))
        client.start(RunRequest())
        try:
            _wait(client, devices)
            holder = lock.owner(Folders(workspace))
            if holder is None or holder.pid is None:
                raise StageError("the engine has ended")
            before, begun = _used_s(holder.pid), time.monotonic()
            time.sleep(seconds)
            return (_used_s(holder.pid) - before) / (time.monotonic() - begun)
        finally:
            client.stop()
            while client.snapshot().alive:
                client.changed(0.2)
            client.close()


def _plan(stage: Stage, workspace: Path, _: Settings) -> Plan:
    return Plan(workspace, (stage,))


def _wait(client: LiveClient, devices: int) -> None:
    until = time.monotonic() + 60
    while sum(one.clips > 0 for one in client.snapshot().run.devices) < devices:
        if time.monotonic() > until:
            raise StageError("the played stage has not begun")
        client.changed(0.2)


def _used_s(pid: int) -> float:
    """Processor seconds of a process, its threads and no children."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fold_s(devices: int, ticks: int = 20_000) -> float:
    """Processor time of folding one tick into a run of so many devices."""
    run = fold(Run(), RunStarted("r", ("infer",), 1, "here"), 0.0)
    for number in range(devices):
        run = fold(run, DeviceChanged(str(number), "working"), 0.0)
    events = [_progress(str(number % devices), 1 + number // devices, 0) for number in range(ticks)]
    begun = time.process_time()
    for event in events:
        run = fold(run, event, 1.0)
    return (time.process_time() - begun) / ticks


def head_figures(rounds: int) -> tuple[HeadCost, tuple[BenchFigure, ...]]:
    """What the model of many servers takes of it, and the figures with their limits; medians of `rounds`."""
    small, large = ([stage_cost(shape) for _ in range(rounds)] for shape in (HMDB51, KINETICS))
    engines: Mapping[str, Any] = {
        "engine_64_servers": (line("engine, 64 played servers of eight chips"), 64, 8),
        "engine_512_chips": (line("engine, 512 played chips of one machine"), 512, 0),
    }
    middle = statistics.median
    shards, sizes = [one.shard_s for one in small], [one.clip_bytes for one in small]
    what = line("head: processor time a shard of 64 videos, 51 classes")
    figures = [
        BenchFigure("head_shard", what, 1000 * middle(shards), "ms", tuple(1000 * one for one in shards), most=10.0),
        BenchFigure("clip_bytes", line("on the wire a clip, 51 classes"), middle(sizes), "B", tuple(sizes), most=300.0),
    ]
    cost = HeadCost(middle(one.shard_s for one in large), middle(one.clip_bytes for one in large))
    what = line("head: processor time a shard of 1,024 videos, 700 classes")
    figures.append(BenchFigure("head_large_shard", what, 1000 * cost.shard_s, "ms"))
    figures.append(BenchFigure("large_clip_bytes", line("on the wire a clip, 700 classes"), cost.clip_bytes, "B"))
    for name, (what, devices, chips) in engines.items():
        shares = tuple(engine_cores(devices, chips) for _ in range(rounds))
        figures.append(BenchFigure(name, what, middle(shares), "cores", shares, most=0.3))
    busy = tuple(server_busy() for _ in range(rounds))
    what = line("a server's chips, two of the null runtime at 20 clips/s: busy from its first answer on")
    share = middle(busy)
    figures.append(BenchFigure("server_busy", what, share, "busy", busy, ratio=share, wanted=0.95))
    folds = [1e6 * fold_s(2048) for _ in range(rounds)]
    what = line("folding one tick among 2,048 devices")
    figures.append(BenchFigure("fold_2048", what, middle(folds), "us", tuple(folds), most=30.0))
    return cost, tuple(figures)
