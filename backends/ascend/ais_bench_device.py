"""One chip with ais_bench on it, as a device of the pool: leases in, scores out, one run of the tool for many leases.

What has been ordered is staged as files in a thread, the tool is started on them, its outputs are read as they come and
answered lease by lease; then what was ordered meanwhile. Success is exit status 0, a summary, and every output there
with its size; the tool's words prove nothing. Seconds are monotonic.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from backends.ascend import plog
from backends.ascend.ais_bench_files import Kind, RunResults, ToolRun, affordable, place, usable, write_input
from backends.ascend.ais_bench_install import (
    AisBench,
    Summary,
    bar_position,
    infer_line,
    read_summary,
    sourced,
    summary_path,
)
from backends.ascend.diagnosis import diagnose_run
from backends.core.messages import N_, Line, line, os_reason
from backends.device.clip_reader import ClipReader
from backends.device.failures import HANGS, MEMORY, DeviceError, Message
from backends.device.model_runtime import DeviceSpec
from backends.device.protocol import Answer, Order
from backends.worker.tools import TimedCopy, Tool

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOOK_S = 0.25
"""How often outputs and the bar are looked at."""
CLOSE_S = 60.0
"""From the last output to the end: the summary, and CANN releasing the chip."""
FROM_OUTSIDE = (128 + 2, 128 + 9, 128 + 15)
"""Exit statuses of a tool that a person or the kernel ended."""


class ToolSetup(Struct, frozen=True):
    """What all chips of a stage share."""

    tool: AisBench
    base: Path
    model: Path
    clips: ClipReader
    batch: int
    kind: Kind
    guide_files: Mapping[tuple[int, ...], Path]
    """The guide's files that hold a batch each, by its clips: preprocess writes them in that layout."""
    most_files: int
    """Of one run: a chip with more gets several, each of which loads the model again."""
    chips: int
    workspace: Path
    plog: Path
    """Where CANN's own logs go, a folder a run."""
    say: Callable[[Line], None]
    summaries: dict[str, list[Summary]] = {}
    """By device, of each run that succeeded."""
    times_ms: dict[str, list[float]] = {}
    """By device, how long each batch computed, as its summaries report."""

    @property
    def file_bytes(self) -> int:
        return self.batch * self.clips.header.clip_bytes * (4 if self.kind == "float32" else 1)


class ToolDevice:
    """A `DeviceLink` over ais_bench."""

    def __init__(self, spec: DeviceSpec, setup: ToolSetup) -> None:
        self.device = spec.id
        self.failed: Answer | None = None
        self.plog: Path | None = None
        self._spec, self._setup = spec, setup
        self._orders: deque[Order] = deque()
        version = f"ais_bench, generation {setup.tool.generation}"
        self._log = TimedCopy()
        self._heard: deque[tuple[Answer, bytes]] = deque()
        self._heard += ((Answer("started"), b""), (Answer("ready", version=version), b""))
        self._stager = ThreadPoolExecutor(1, f"staging {spec.id}")
        self._staging: Future[ToolRun] | None = None
        self._stop = threading.Event()
        self._run: ToolRun | None = None
        self._results: RunResults | None = None
        self._tool: Tool | None = None
        self._classes: int | None = None
        self._runs = self._bar = 0
        self._started = self._looked = self._last = 0.0
        """When the tool was started, was looked at last, and gave its last sign."""
        self._began: float | None = None
        """When it began to compute."""
        self._is_closing = self._is_killed = False

    @property
    def pid(self) -> int | None:
        return self._tool.pid if self._tool else None

    def fileno(self) -> int:
        """There is none: its outputs are files."""
        return -1

    def order(self, order: Order) -> None:
        """Take an order; to close ends a run that still owes answers, and lets one that owes none write its summary."""
        if not order.close:
            self._orders.append(order)
            return
        self._is_closing = True
        if self._orders or self._staging is not None or (self._results is not None and self._results.left):
            self.kill()

    def flush(self) -> None:
        """Orders are here at once."""

    def gone(self) -> bool:
        """It was ended, or asked to close and has."""
        return self._is_killed or (self._is_closing and self._run is None)

    def ended(self) -> Answer:
        self.kill()
        return self.failed or _failed(N_("it stopped answering"), HANGS)

    def silence(self, seconds: float) -> Answer:
        """Why it may be silent: the tool itself never gives up."""
        return _failed(N_("no new output for {seconds:.0f} s"), HANGS, blame=self._began is not None, seconds=seconds)

    def kill(self) -> None:
        """End the tool with its whole group, and the staging; what it had written by then is answered."""
        if self._is_killed:
            return
        self._is_killed = True
        self._stop.set()
        tool, self._tool = self._tool, None
        if tool is not None:
            tool.end(0.0, 1.0)
        self._stager.shutdown(wait=True)
        if self._results is not None:
            self._heard += self._results.new(ended=True)
        if self._run is not None:
            self._run.remove()

    def answers(self) -> tuple[list[tuple[Answer, bytes]], bool]:
        """What has come; called in each turn, and looks at files four times a second."""
        found: list[tuple[Answer, bytes]] = []
        while self._heard:
            found.append(self._heard.popleft())
        now = time.monotonic()
        if now - self._looked < LOOK_S or self._is_killed:
            return found, False
        try:
            found += self._turn(now)
        except OSError as error:  # R3dError is for the whole run
            self.failed = _failed(N_("it cannot be started: {reason}"), "", blame=False, reason=os_reason(error))
        self._looked = now
        return found, self.failed is not None

    def _turn(self, now: float) -> list[tuple[Answer, bytes]]:
        if self._staging is not None:
            if self._staging.done():
                self._start(now)
            return [(Answer("alive"), b"")]
        if self._run is not None:
            return self._follow(now)
        if self._orders:
            self._staging = self._stager.submit(self._stage)
        return []

    # staging, in the thread

    def _stage(self) -> ToolRun:
        import numpy as np

        setup = self._setup
        most = min(setup.most_files, affordable(setup.base, setup.file_bytes, setup.chips))
        files: dict[str, Order] = {}
        self._runs += 1
        run = ToolRun(setup.base / f"{self.device.replace(':', '')}-{self._runs:04d}", files)
        run.make()
        rows = np.empty((setup.batch, *setup.clips.header.shape), setup.kind)
        while self._orders and len(files) < most and not self._stop.is_set():
            order = self._orders.popleft()
            name = f"{len(files):06d}"
            if self._write(run.inputs / f"{name}.bin", order, rows):
                files[name] = order
        return run

    def _write(self, path: Path, order: Order, rows: NDArray[Any]) -> bool:
        """Write one input; clips that cannot be read are refused."""
        setup = self._setup
        ready = setup.guide_files.get(order.clips)
        if ready is not None and setup.kind == "float32" and usable(ready, setup.file_bytes):
            place(ready, path)
            return True
        try:
            setup.clips.batch(order.clips, rows, pad_to=len(rows))
        except DeviceError as error:
            self._heard.append((Answer("refused", order.lease, reason=error.reason), b""))
            return False
        write_input(path, rows)
        return True

    # a run

    def _start(self, now: float) -> None:
        assert self._staging is not None
        staging, self._staging = self._staging, None
        run = self._run = staging.result()
        self._results = RunResults(run, self._setup.batch, self._classes)
        self._started = self._last = now
        self._began, self._bar = None, 0
        if run.files:
            setup = self._setup
            command = infer_line(setup.tool, setup.model, run.inputs, run.output, self._spec.index, setup.batch)
            self.plog = setup.plog / run.folder.name
            extra = plog.environment(self.plog)
            self._tool = Tool(sourced(command), run.folder, setup.workspace, terminal=True, extra=extra)

    def _follow(self, now: float) -> list[tuple[Answer, bytes]]:
        assert self._results is not None
        is_over = self._tool is None or self._tool.gone()
        moved = self._hear()
        scores = self._results.new(ended=is_over)
        self._classes = self._results.classes
        found = self._at_work(now, has_scores=bool(scores), has_moved=moved)
        each = max(0.0, now - self._last) / len(scores) if scores else 0.0
        found += [(replace(answer, seconds=each), body) for answer, body in scores]
        if scores or moved:
            self._last = now
        if is_over:
            self._judge()
        elif not self._results.left and now - self._last > CLOSE_S:
            text = N_("it did not end in {seconds:.0f} s after its last output")
            self.failed = _failed(text, HANGS, blame=False, seconds=CLOSE_S)
        return found

    def _at_work(self, now: float, *, has_scores: bool, has_moved: bool) -> list[tuple[Answer, bytes]]:
        """A sign of work. It began when it was looked at before the first; without a bar, when it was started."""
        if not has_scores and not has_moved:
            return []
        if self._began is None:
            self._began = self._looked if has_moved else self._started
            self._last = self._began
        return [(Answer("alive", seconds=max(1e-6, now - self._began)), b"")]

    def _hear(self) -> bool:
        """Copy the tool's words to our log; whether its bar is there for the first time, or further."""
        if self._tool is None:
            return False
        if heard := self._tool.hear():
            self._log.write(heard)
        position = bar_position(self._tool.words[-4096:].decode("utf-8", "replace"))
        if position is None or (self._began is not None and position[0] <= self._bar):
            return False
        self._bar = position[0]
        return True

    def _judge(self) -> None:
        """The run is over: its summary, or why it failed."""
        assert self._run is not None
        assert self._results is not None
        tool, self._tool = self._tool, None
        ending = tool.end(0.5) if tool else None
        summary = read_summary(summary_path(self._setup.tool, self._run.output)) if tool else None
        if ending is not None and ending.status != 0:
            self.failed = self._diagnosed(ending.status, ending.words)
        elif self._results.left or (tool and summary is None):
            self.failed = self._incomplete(self._results)
        files = len(self._run.files)
        self._run.remove()
        self._run = self._results = None
        if self.failed is not None and self._is_closing:  # nobody waits for it any more
            self._setup.say(Line(self.failed.reason.template, dict(self.failed.reason.facts)))
        if summary is not None and self.failed is None:
            self._setup.summaries.setdefault(self.device, []).append(summary)
            self._setup.times_ms[self.device] += summary.times_ms or [summary.mean_ms] * files
            text = N_("{device}: ais_bench reports {rate:.2f} clips/s while computing, {mean:.2f} ms a batch")
            self._setup.say(line(text, device=self.device, rate=summary.throughput, mean=summary.mean_ms))

    def _diagnosed(self, status: int, words: str) -> Answer:
        failure = diagnose_run(status, words)
        killed = status in FROM_OUTSIDE
        return Answer(
            "failed",
            reason=Message(failure.reason.template, dict(failure.reason.facts)),
            hint=Message(MEMORY) if killed else Message(failure.fix.template, dict(failure.fix.facts)),
            exit_code=1,
            policy="again" if failure.again or killed else "never",
            blame=self._began is not None and not killed,
            is_killed=killed,
        )

    def _incomplete(self, results: RunResults) -> Answer:
        """What is missing though the exit status is 0."""
        blame, files = bool(results.left) and self._began is not None, len(results.left)
        if not results.left:
            return _failed(N_("it ended with exit status 0 but wrote no summary"), "", blame=False)
        if results.nameless():
            text = N_("its outputs do not carry the names of its inputs")
            hint = N_("this early ais_infer numbers its inputs: install a later one")
            return replace(_failed(text, hint, blame=False), policy="never")
        if results.misfits:
            found, due = results.misfits[0]
            text = N_("{files} files failed, the first: its output has {found} bytes, not {due}")
            return _failed(text, "", blame=blame, files=files, found=found, due=due)
        text = N_("it ended with exit status 0 but {files} outputs are missing")
        return _failed(text, "", blame=blame, files=files)


def _failed(template: str, hint: str, *, blame: bool = True, **facts: Any) -> Answer:
    return Answer("failed", reason=Message(template, facts), hint=Message(hint), exit_code=1, blame=blame)
