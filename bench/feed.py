"""`bench feed`, the chips' half: what clips cost the host on their way to a chip, and how busy chips are kept.

No chip is there: the null runtime takes the published time a batch and no core, so that all that is measured is ours;
and a stand-in for pyACL that watches every call (`tests/fakes/server`) takes the same, through the code of real chips.
Costs are processor time, which other work on the machine hardly touches; how busy chips were is wall time, which it
does. It refuses to know JPEG files and how figures are shown.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from unittest.mock import patch

from msgspec import Struct

from backends.core.messages import N_, Line, StageError, line
from backends.core.model_io import ClipShape
from backends.data.clip_store import ClipStore
from backends.device import clip_kernels
from backends.device.model_runtime import DeviceSpec
from backends.inference.runtimes.null import Null
from bench.null_loop import PUBLISHED, LoopBench, bench_loop, sample, spread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Kind = Literal["float32", "uint8"]
"""What the model takes: normalised floats, or bytes where the graph normalises."""
Through = Literal["null", "acl"]
"""The runtime: `null`, or pyACL as its stand-in has it."""
BATCH = 10
CLIPS_A_VIDEO = 8492 / 1530
"""HMDB51's validation, at most ten clips a video."""


class Cost(Struct, frozen=True):
    """What one clip costs the host on one part of its way."""

    name: str
    what: Line
    cpu_s: float
    """Processor time a clip, all threads; median of the rounds."""

    @property
    def clips_per_core_s(self) -> float:
        """Clips that one core brings through in a second."""
        return 1 / self.cpu_s


class ChipRun(Struct, frozen=True):
    """So many chips at the published latency, fed from a real store."""

    chip: str
    chips: int
    kind: Kind
    checked: bool
    through: Through
    busy: float
    """Share of each chip's time from its first batch on that its published time is, in the middle; median of the
    rounds. Starting eight processes on two cores takes a second, which a run of hours does not notice."""
    clips_per_s: float


class Feed(Struct, frozen=True):
    """What one run of the bench found. `costs` are of `batches` (float32, checked), `batches_unchecked`, `bytes`,
    `bytes_unchecked` and `loop` (handing out, answers, rows)."""

    costs: tuple[Cost, ...]
    runs: tuple[ChipRun, ...]
    written_bytes_s: float
    """`written_floats`; median of the rounds."""

    def cpu_s(self, *names: str) -> float:
        """Processor time of a clip on the named parts of its way together."""
        found = {cost.name: cost.cpu_s for cost in self.costs}
        return sum(found[name] for name in names)


def cores_needed(cpu_s: float, chip: str, chips: int) -> float:
    """How many cores keep so many chips busy."""
    return chips * PUBLISHED[chip] * cpu_s


def bench_feed(
    store: Path,
    *,
    chips: Sequence[int] = (1, 8),
    seconds: float = 5.0,
    rounds: int = 3,
    say: Callable[[Line], None] = lambda _: None,
) -> Feed:
    """Measure with the clips of `store`, which should be small enough to stay in memory.

    `seconds` is about how long each run of chips takes; there are four for each number of `chips` and round.
    """
    say(line("what reading a clip costs"))
    costs = (*read_costs(store, rounds), loop_cost(rounds))
    ways: tuple[tuple[Kind, bool, Through], ...] = (
        ("float32", True, "null"),
        ("uint8", True, "null"),
        ("float32", True, "acl"),
        ("uint8", True, "acl"),
    )
    asked = [("310P", count, *way) for count in chips for way in ways]
    found: dict[tuple[str, int, Kind, bool, Through], list[LoopBench]] = {key: [] for key in asked}
    for number in range(rounds):
        for key in asked:
            text = N_("round {n} of {rounds}: {count} x {chip}, {kind}, {runtime}")
            say(line(text, n=number + 1, rounds=rounds, count=key[1], chip=key[0], kind=key[2], runtime=key[4]))
            found[key].append(run_chips(store, *key, seconds=seconds))
    runs = tuple(
        ChipRun(
            *key, statistics.median(r.busy_at_work or 0.0 for r in runs), statistics.median(r.clips_per_s for r in runs)
        )
        for key, runs in found.items()
    )
    return Feed(costs, runs, statistics.median(written_floats() for _ in range(rounds)))


def run_chips(
    store: Path, chip: str, chips: int, kind: Kind, checked: bool, through: Through = "null", *, seconds: float
) -> LoopBench:
    """Feed so many chips for about so long."""
    videos = max(chips, round(seconds * chips * PUBLISHED[chip] / CLIPS_A_VIDEO))
    place = store / f"{'checked' if checked else 'unchecked'}-{videos}"
    run = partial(bench_loop, chip, videos=videos, devices=chips, store=place, clips="bench.feed:Around")
    if through == "acl":
        with _server(chips, kind) as om:
            return run(om=om)
    return run(entry="bench.feed:Bytes" if kind == "uint8" else "")


@contextlib.contextmanager
def _server(chips: int, kind: Kind) -> Iterator[Path]:
    """A server of 310P chips whose pyACL refuses wrong calls, computes nothing and takes the published time; an `.om`.

    Copies to its chips cost no core, as those of a real chip's DMA. StageError where a call was wrong.
    """
    from tests.fakes.server.build import make_server

    with tempfile.TemporaryDirectory(prefix="r3d-bench-") as name:
        server = make_server(Path(name, "server"), chips, null=True, published=True)
        with patch.dict(os.environ, server.environment()):
            yield _om(Path(name, "model.om"), kind)
        if wrong := [text for report in server.reports() for text in report["wrong"]]:
            raise StageError("pyACL: {wrong}", wrong=wrong[0])


def _om(path: Path, kind: Kind) -> Path:
    """The smallest model with the ends of the guide's, as the stand-in's atc writes one for a 310P3."""
    from onnx import TensorProto, helper

    taken = TensorProto.UINT8 if kind == "uint8" else TensorProto.FLOAT
    shape = [BATCH, *ClipShape().clip]
    ends = [helper.make_tensor_value_info("input", taken, shape),
            helper.make_tensor_value_info("output", TensorProto.FLOAT, [BATCH, 51])]  # fmt: skip
    random = helper.make_node("RandomNormal", [], ["output"], shape=[BATCH, 51])
    graph = helper.make_graph([random], "nothing", ends[:1], ends[1:])
    opsets = [helper.make_opsetid("", 11)]
    data = helper.make_model(graph, opset_imports=opsets, ir_version=6).SerializeToString()
    path.write_bytes(b"IMODAscend310P3\n" + hashlib.sha256(data).hexdigest().encode() + b"\n" + data)
    return path


def read_costs(store: Path, rounds: int = 3) -> tuple[Cost, ...]:
    """Batches out of the store, hot, by one thread: float32 and uint8, with checksums and without."""
    import numpy as np

    ways: tuple[tuple[str, Line, Any, bool], ...] = (
        ("batches", line("store to float32 batches, with checksums"), np.float32, True),
        ("batches_unchecked", line("store to float32 batches, without checksums"), np.float32, False),
        ("bytes", line("store to uint8 batches, with checksums"), np.uint8, True),
        ("bytes_unchecked", line("store to uint8 batches, without checksums"), np.uint8, False),
    )
    taken: dict[str, list[float]] = {name: [] for name, *_ in ways}
    for _ in range(rounds):
        for name, _what, kind, check in ways:
            taken[name].append(
                _read_cost(ClipStore.open(store, check=check), clip_kernels.buffer((BATCH, *ClipShape().clip), kind))
            )
    return tuple(Cost(name, what, statistics.median(taken[name])) for name, what, *_ in ways)


def written_floats(seconds: float = 0.5) -> float:
    """Bytes a second that all cores together write beside each other, one batch of floats after another."""
    import numpy as np

    def write(out: NDArray[Any]) -> int:
        written, until = 0, time.perf_counter() + seconds
        while time.perf_counter() < until:
            out.fill(written)  # releases the interpreter's lock
            written += out.nbytes
        return written

    count = len(os.sched_getaffinity(0))
    batches = [np.zeros((BATCH, *ClipShape().clip), np.float32) for _ in range(count)]
    with ThreadPoolExecutor(count) as pool:
        return sum(pool.map(write, batches)) / seconds


def loop_cost(rounds: int = 3) -> Cost:
    """Handing out, computing nothing, answers and durable rows; from two lengths of run, which leaves starting out."""
    taken = []
    for _ in range(rounds):
        short, long = (bench_loop(videos=videos, latency_s=0.0) for videos in (306, 3060))
        used = long.host_s_per_clip * long.clips - short.host_s_per_clip * short.clips
        taken.append(used / (long.clips - short.clips))
    return Cost("loop", line("handing out, answers, rows of scores"), statistics.median(taken))


def _read_cost(store: ClipStore, out: NDArray[Any], clips: int = 2000) -> float:
    spread = [range(first, first + BATCH) for first in range(0, max(1, store.clip_count - BATCH + 1), BATCH)]
    passes = max(1, clips // (BATCH * len(spread)))
    begun = time.process_time()
    for _ in range(passes):
        for numbers in spread:
            store.batch(numbers, out)
    return (time.process_time() - begun) / (passes * BATCH * len(spread))


class Around:
    """A small store read round and round, as if it held HMDB51's clips many times over.

    Its path is `<store>/checked-<videos>` or `<store>/unchecked-<videos>`; only the store is there.
    """

    def __init__(self, store: ClipStore, videos: int) -> None:
        self._store = store
        self.videos = spread(sample(videos))
        self.clip_count = sum(video.clips for video in self.videos)
        self.header = store.header

    @classmethod
    def open(cls, folder: Path) -> Around:
        """Open the store above."""
        how, _, videos = folder.name.partition("-")
        return cls(ClipStore.open(folder.parent, check=how == "checked"), int(videos))

    def batch(self, numbers: Sequence[int], out: NDArray[Any], pad_to: int | None = None) -> NDArray[Any]:
        """As `ClipStore.batch`, clip n being the store's clip n modulo its clips."""
        return self._store.batch([number % self._store.clip_count for number in numbers], out, pad_to=pad_to)


class Bytes(Null):
    """The null runtime with a model that takes uint8 clips and normalises them itself."""

    def open(self, model: Path, device: DeviceSpec, shape: tuple[int, ...]) -> int:
        """As in `Null.open`."""
        self._shape = shape
        return super().open(model, device, shape)

    def buffers(self, count: int) -> list[NDArray[np.uint8]]:
        """Plain memory: there is no chip to copy to."""
        import numpy as np

        return [clip_kernels.buffer(self._shape, np.uint8) for _ in range(count)]

    def stage(self, batch: NDArray[Any]) -> None:
        """Nothing to copy."""
