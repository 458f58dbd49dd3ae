"""Pure inference, as the guide measures it (`--loop 20`): each device alone, all together; compute only, end to end.

Every runtime is measured in the same process that a run uses: opened, warmed up, then given batches of nothing (the
guide's zeros); the time of each is the runtime's own call. End to end, the clips come from a store: read, checked,
normalised, brought to the device, and their scores brought back. ais_bench is measured by itself, by its own line.
"""

from __future__ import annotations

import itertools
import os
import selectors
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from backends.ascend.ais_bench_files import prepare
from backends.ascend.ais_bench_install import AisBench, probe, pure_line, read_summary, sourced, summary_path
from backends.ascend.diagnosis import diagnose_run
from backends.core.messages import N_, InputError, Line, R3dError, StageError, line
from backends.core.model_io import ClipShape
from backends.device.model_runtime import DeviceSpec
from backends.device.protocol import CLIPS, Answer, DeviceSetup, Order
from backends.inference.device_link import ProcessLink, as_error, as_line, close_all
from backends.inference.runtime_registry import Chosen
from backends.worker.tools import Tool

BLANK = "backends.device.blank_clips:BlankClips"
WARM = 2
"""Batches before each measurement that do not count, beside the warm-up of opening."""
DEPTH = 2
"""Batches at a device at once, as in a run."""
OPEN_S = 600.0
"""For loading the model; the CANN provider compiles it then."""
SILENT_S = 120.0
CLOSE_S = 10.0


class Measured(Struct, frozen=True):
    """One device in one measurement. Times are of a batch, in milliseconds; padding counts as clips do."""

    device: str
    name: str
    batches: int
    median_ms: float
    p95_ms: float | None
    """None where the tool does not list its times."""
    mean_ms: float
    compute_clips_per_s: float
    """Batch size over the mean, as ais_bench's throughput."""
    clips_per_s: float | None
    """By the wall clock; None where only the tool saw it."""


class Perf(Struct, frozen=True):
    runtime: str
    version: str
    batch: int
    loop: int
    alone: tuple[Measured, ...]
    """Each device with the others idle."""
    together: tuple[Measured, ...]
    """All at once; those of `alone` where there is one device."""
    end_to_end: tuple[Measured, ...] = ()
    """All at once, over the clips of a store; empty where none was given."""

    def total(self, rows: Sequence[Measured]) -> float | None:
        """Clips a second of all devices: by the wall clock, or by the tool's word. None of none."""
        if not rows:
            return None
        rates = [row.clips_per_s if row.clips_per_s is not None else row.compute_clips_per_s for row in rows]
        return sum(rates)


def measure(
    chosen: Chosen,
    model: Path,
    devices: Sequence[DeviceSpec],
    workspace: Path,
    *,
    batch: int = 10,
    loop: int = 20,
    clip: ClipShape | None = None,
    store: Path | None = None,
    clips: int = 0,
    say: Callable[[Line], None] = lambda _: None,
) -> Perf:
    """Measure a runtime, `loop` batches of `batch` clips each time.

    `store` has `clips` clips; without one, `clip` is the shape of blank ones.

    Raises InputError or NeedError as the runtime says, StageError where a device fails or is silent.
    """
    clip = clip or ClipShape()
    if not devices:
        raise InputError("no device to measure", hint="give --devices 0")
    folder = store if store is not None else Path(f"blank-{clip.frames}x{clip.size}")

    def spawn(device: DeviceSpec) -> ProcessLink:
        reader = CLIPS if store is not None else BLANK
        return ProcessLink(
            DeviceSetup(os.getpid(), chosen.info.entry, str(model), str(folder), batch, device, reader),
            workspace,
            chosen,
        )

    with _opened(devices, spawn, say) as bench:
        alone = []
        for device in devices:
            say(line("{device} alone", device=device.id))
            alone += bench.run((device,), itertools.repeat(()), loop, batch)
        together = alone
        if len(devices) > 1:
            say(line("{n} devices together", n=len(devices)))
            together = bench.run(devices, itertools.repeat(()), loop, batch)
        real: list[Measured] = []
        if store is not None and clips:
            say(line("end to end, over {clips} clips", clips=clips))
            real = bench.run(devices, _numbers(clips, batch), loop, batch)
        return Perf(chosen.info.name, bench.version, batch, loop, tuple(alone), tuple(together), tuple(real))


def _numbers(clips: int, batch: int) -> Iterator[tuple[int, ...]]:
    """Full batches over the store's clips, round and round."""
    numbers = itertools.cycle(range(clips))
    while True:
        yield tuple(itertools.islice(numbers, batch))


@contextmanager
def _opened(
    devices: Sequence[DeviceSpec], spawn: Callable[[DeviceSpec], ProcessLink], say: Callable[[Line], None]
) -> Iterator[_Open]:
    """All devices with the model loaded; they are closed in order, or killed where that fails."""
    links: dict[str, ProcessLink] = {}
    seconds = 0.0
    try:
        say(line("loading the model on {n} devices", n=len(devices)))
        for device in devices:
            links[device.id] = spawn(device)
        bench = _Open(links, {device.id: device.name for device in devices})
        bench.wait_ready()
        yield bench
        seconds = CLOSE_S
    finally:
        close_all(list(links.values()), seconds)


class _Open:
    """The open devices, given orders and listened to."""

    def __init__(self, links: dict[str, ProcessLink], names: dict[str, str]) -> None:
        self._links = links
        self._names = names
        self.version = ""

    def wait_ready(self) -> None:
        """Until every device has its model loaded and its warm-up done."""
        waiting = set(self._links)
        for device, answer in self._answers(self._links, OPEN_S, waiting.__contains__):
            if answer.kind == "ready":
                self.version = answer.version
                waiting.discard(device)
                if not waiting:
                    return

    def run(
        self, devices: Sequence[DeviceSpec], orders: Iterator[tuple[int, ...]], loop: int, batch: int
    ) -> list[Measured]:
        """`loop` batches on each of `devices` at once, after some that do not count."""
        names = [device.id for device in devices]
        left = dict.fromkeys(names, WARM + loop)
        seen: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
        for name in names * DEPTH:
            self._give(name, next(orders), left)
        links = {name: self._links[name] for name in names}
        for device, answer in self._answers(links, SILENT_S, lambda name: len(seen[name]) < WARM + loop):
            if answer.kind == "refused":
                raise StageError(
                    "a clip cannot be read: {reason}", hint="preprocess again", reason=str(as_line(answer.reason))
                )
            if answer.kind == "scores":
                seen[device].append((time.monotonic(), answer.seconds))
                self._give(device, next(orders), left)
            if all(len(rows) == WARM + loop for rows in seen.values()):
                break
        return [_measured(name, self._names[name], seen[name], batch) for name in names]

    def _give(self, device: str, clips: tuple[int, ...], left: dict[str, int]) -> None:
        if left[device]:
            left[device] -= 1
            self._links[device].order(Order(left[device], clips))

    def _answers(
        self, links: dict[str, ProcessLink], silent_s: float, due: Callable[[str], bool]
    ) -> Iterator[tuple[str, Answer]]:
        """Answers as they come, for as long as they are taken. Raises what a device failed with, and the silence of
        one that owes an answer."""
        heard = dict.fromkeys(links, time.monotonic())
        with selectors.DefaultSelector() as selector:
            for name, link in links.items():
                selector.register(link, selectors.EVENT_READ, name)
            while True:
                for key, _ in selector.select(0.1):
                    answers, ended = links[key.data].answers()
                    heard[key.data] = time.monotonic()
                    for answer, _ in answers:
                        if answer.kind == "failed":
                            raise _failure(key.data, answer)
                        yield key.data, answer
                    if ended:
                        raise _failure(key.data, self._links.pop(key.data).ended())
                for name, link in links.items():
                    link.flush()
                    if due(name) and time.monotonic() - heard[name] > silent_s:
                        hint = N_("see `npu-smi info`, or give other --devices")
                        raise StageError("{device}: no answer for {s:.0f} s", hint=hint, device=name, s=silent_s)


def _measured(device: str, name: str, seen: Sequence[tuple[float, float]], batch: int) -> Measured:
    """From (time of the answer, seconds in compute) of each batch, the first WARM not counted."""
    counted = seen[WARM:]
    times = [1000 * seconds for _, seconds in counted]
    wall = counted[-1][0] - seen[WARM - 1][0]
    mean = statistics.fmean(times)
    return Measured(
        device,
        name,
        len(times),
        statistics.median(times),
        percentile(times, 0.95),
        mean,
        1000 * batch / mean,
        batch * len(times) / wall,
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of the values do not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def _failure(device: str, answer: Answer) -> R3dError:
    return as_error(answer, line("{device}: {reason}", device=device, reason=as_line(answer.reason)))


LIMIT_S = 900.0
"""For one measurement: loading, warming up, the loop, closing."""


def measure_tool(
    model: Path,
    devices: Sequence[DeviceSpec],
    workspace: Path,
    *,
    given: Path | None = None,
    batch: int = 10,
    loop: int = 20,
    say: Callable[[Line], None] = lambda _: None,
) -> Perf:
    """As `measure`, the times being the tool's own. Nothing is measured end to end: a run does that.

    Raises NeedError where the tool is not here, StageError with its words where it fails.
    """
    tool = probe(given, workspace)
    with tempfile.TemporaryDirectory(prefix="r3d-perf-") as folder:
        base = Path(folder).resolve() / "ais_bench"
        ours = prepare(base, model, strict=tool.checks_paths)
        alone: list[Measured] = []
        for device in devices:
            say(line("{device} alone", device=device.id))
            alone += _round(tool, ours, base / f"alone{device.index}", (device,), workspace, batch, loop)
        together = alone
        if len(devices) > 1:
            say(line("{n} devices together", n=len(devices)))
            together = _round(tool, ours, base / "together", devices, workspace, batch, loop)
    version = f"ais_bench, generation {tool.generation}"
    return Perf("ais_bench", version, batch, loop, tuple(alone), tuple(together))


def _round(
    tool: AisBench, model: Path, folder: Path, devices: Sequence[DeviceSpec], workspace: Path, batch: int, loop: int
) -> list[Measured]:
    """One process a device, all at once."""
    running: dict[str, tuple[DeviceSpec, Tool, Path]] = {}
    try:
        for device in devices:
            place = folder / str(device.index)
            (place / "out").mkdir(mode=0o700, parents=True)
            command = pure_line(tool, model, place / "out", device.index, batch, loop)
            started = Tool(sourced(command), place, workspace, terminal=True)
            running[device.id] = (device, started, summary_path(tool, place / "out"))
        until = time.monotonic() + LIMIT_S
        while time.monotonic() < until and not all(started.gone() for _, started, _ in running.values()):
            for _, started, _ in running.values():
                started.hear()  # a tool that blocks on its words does not compute
            time.sleep(0.01)
        return [_ended(*one, batch, loop) for one in running.values()]
    finally:
        for _, started, _ in running.values():
            started.end()


def _ended(device: DeviceSpec, tool: Tool, summary: Path, batch: int, loop: int) -> Measured:
    over = tool.gone()
    ending = tool.end()
    if not over:
        hint = N_("see `npu-smi info`, or give other --devices")
        raise StageError("{device}: no answer for {s:.0f} s", hint=hint, device=device.id, s=LIMIT_S)
    if ending.status != 0:
        failure = diagnose_run(ending.status, ending.words)
        facts = {**failure.fix.facts, "device": device.id, "reason": failure.reason}
        raise StageError("{device}: {reason}", hint=failure.fix.template, **facts)
    found = read_summary(summary)
    if found is None:
        raise StageError("{device}: ais_bench wrote no summary", hint="run its line by hand", device=device.id)
    batches = len(found.times_ms) or loop
    rate = 1000 * batch / found.mean_ms
    return Measured(device.id, device.name, batches, found.median_ms, found.p95_ms, found.mean_ms, rate, None)
