"""One chip with ais_bench on it: a run is staged, started, followed by its outputs and its bar, judged at its end.

Success is exit status 0, a summary, and every output there with its size and finite; the tool's words prove nothing.
It refuses to know queues and other chips. Seconds are the caller's monotonic clock.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec import Struct, field

from backends.ascend.ais_bench_command import Summary, bar_position, infer_line, read_summary, summary_path
from backends.ascend.ais_bench_install import AisBench, sourced
from backends.ascend.diagnosis import diagnose_run
from backends.core.messages import Line, line
from backends.device.model_runtime import DeviceSpec
from backends.inference import ais_stage
from backends.inference.batch_layout import Batch
from backends.inference.lease_scheduler import Limits
from backends.inference.throughput import Meter
from backends.worker.tools import Ending, Tool

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from backends.data.clip_store import ClipStore

CLOSE_S = 60.0
"""From the last output to the end: the summary, and CANN letting go of the chip."""


class Place(Struct, frozen=True):
    """What all chips of a stage share."""

    tool: AisBench
    base: Path
    model: Path
    store: ClipStore
    batch: int
    kind: ais_stage.Kind
    bins: dict[tuple[int, ...], Path]
    limits: Limits
    workspace: Path


class Verdict(Struct, frozen=True):
    """How a run ended."""

    ok: bool
    unfinished: tuple[Batch, ...] = ()
    """Files without a usable output, in the order of the tool."""
    blamed: tuple[Batch, ...] = ()
    """Those of them that may be the cause: the one in compute, and those with unusable outputs."""
    reason: Line = Line("")
    fix: Line = Line("")
    again: bool = True


class Chip(Struct):
    """One chip, over all its runs."""

    spec: DeviceSpec
    meter: Meter = field(default_factory=Meter)
    """Fed with the time from output to output; what the chip itself took stands in the summaries."""
    summaries: list[Summary] = field(default_factory=list)
    dropped: dict[int, Line] = field(default_factory=dict)
    computed_ms: float = 0.0
    """The tool's own word for the time in compute, all successful runs together."""
    state: Literal["idle", "staging", "running"] = "idle"
    ready_at: float | None = None
    """When the first run showed its first sign of work."""
    _tool: Tool | None = None
    _run: ais_stage.Run | None = None
    _results: ais_stage.Results | None = None
    _future: Future[ais_stage.Run] | None = None
    _share: tuple[Batch, ...] = ()
    _since: float = 0.0
    """The last sign of work."""
    _came: float = 0.0
    """The last output."""
    _bar: int = 0
    _shown: bool = False

    @property
    def pid(self) -> int | None:
        """Of the process group on it."""
        return self._tool.pid if self._tool else None

    @property
    def working(self) -> bool:
        """Its run has shown that it computes."""
        return self._shown

    def begin(self, place: Place, number: int, share: Sequence[Batch], pool: ThreadPoolExecutor, stop: object) -> None:
        """Stage a share in a thread of `pool`; `stop` is a threading.Event."""
        self.state, self._share = "staging", tuple(share)
        folder = place.base / f"{number:04d}"
        self._future = pool.submit(
            ais_stage.stage,
            folder,
            self._share,
            place.store,
            place.batch,
            place.kind,
            place.bins,
            stop.is_set,  # type: ignore[attr-defined]
        )

    def staged(self) -> bool:
        """The staging has ended, well or not."""
        return self._future is not None and self._future.done()

    def start(self, place: Place, at: float, classes: int | None) -> None:
        """Start the tool on what was staged. Raises what staging ended with, and OSError."""
        assert self._future is not None
        future, self._future = self._future, None
        self._run = run = future.result()
        self.dropped |= run.dropped
        self._results = ais_stage.Results(run, place.batch, classes)
        self.state, self._since, self._bar, self._shown = "running", at, 0, False
        if run.files:
            command = infer_line(place.tool, place.model, run.inputs, run.output, self.spec.index, place.batch)
            self._tool = Tool(sourced(command), run.folder, place.workspace, terminal=True)

    def turn(self, at: float, *, ended: bool = False) -> list[tuple[Batch, NDArray[np.float32]]]:
        """What came since the last turn; copies the tool's words to our log."""
        assert self._results is not None
        if self._tool is not None:
            if heard := self._tool.hear():
                sys.stdout.buffer.write(heard)
                sys.stdout.flush()
            self._look_at_bar(at)
        found = self._results.new(ended=ended)
        if found:
            if not self._shown:
                self._show(at)
            each = max(0.0, at - self._came) / len(found)
            for batch, _ in found:
                self.meter.add(at, len(batch.clips), each)
            self._since = self._came = at
        return found

    @property
    def classes(self) -> int | None:
        """As its outputs tell."""
        return self._results.classes if self._results else None

    def over(self) -> bool:
        """The tool has ended."""
        return self._tool is None or self._tool.gone()

    def silent_s(self, at: float, limits: Limits) -> float | None:
        """How long it has been silent, where that is too long."""
        silent = at - self._since
        assert self._results is not None
        if not self._shown:
            limit = limits.start_s + limits.load_s
        else:
            limit = limits.answer_s or max(10.0, 20 * (self.meter.p95_s or 0.0))
        if not self._results.left:
            limit = max(limit, CLOSE_S)
        return silent if silent > limit else None

    def stop(self, grace_s: float = 1.0) -> Ending | None:
        """End the tool with its whole group."""
        tool, self._tool = self._tool, None
        return tool.end(0.0, grace_s) if tool else None

    def judge(self, place: Place, *, silent_s: float | None = None) -> Verdict:
        """Whether the run succeeded; call it once the tool is over or silent, after the last turn with `ended`."""
        assert self._results is not None
        assert self._run is not None
        results, ran = self._results, self._tool is not None
        tool, self._tool = self._tool, None
        ending = tool.end(0.0 if silent_s is not None else 0.5) if tool else Ending(0, "")
        unfinished = tuple(results.left.values())
        bad = tuple(results.left[stem] for stem in results.wrong)
        summary = read_summary(summary_path(place.tool, self._run.output)) if ran else None
        if silent_s is not None:
            reason = line("no new output for {seconds:.0f} s", seconds=silent_s)
            return Verdict(ok=False, unfinished=unfinished, blamed=unfinished[:1], reason=reason)
        if ending.status != 0:
            failure = diagnose_run(ending.status, ending.words)
            outside = ending.status in (128 + 2, 128 + 9, 128 + 15)  # a person or the kernel, not its work
            blamed = () if outside or not self._shown else unfinished[:1]
            return Verdict(False, unfinished, blamed, failure.reason, failure.fix, failure.again)
        if unfinished or (ran and summary is None):
            reason, fix = self._lack(unfinished)
            return Verdict(False, unfinished, bad, reason, fix, again=not fix.template)
        if summary is not None:
            self.summaries.append(summary)
            self.computed_ms += sum(summary.times_ms) or summary.mean_ms * len(self._run.files)
        return Verdict(ok=True)

    def clear(self) -> None:
        """Remove what the run left on the disk; its outputs must be durable elsewhere."""
        if self._run is not None:
            ais_stage.drop(self._run)
        self._run = self._results = None
        self.state, self._share, self._shown = "idle", (), False

    @property
    def share(self) -> tuple[Batch, ...]:
        """What it was given."""
        return self._share

    def _lack(self, unfinished: Sequence[Batch]) -> tuple[Line, Line]:
        """What is missing though the exit status is 0, and the mend where there is one."""
        assert self._results is not None
        if not unfinished:
            return line("it ended with exit status 0 but wrote no summary"), Line("")
        if self._results.nameless():
            text = line("its outputs do not carry the names of its inputs")
            return text, line("this early ais_infer numbers its inputs: install a later one")
        wrong = next(iter(self._results.wrong.values()), None)
        if wrong is not None:
            return line("{files} files failed, the first: {reason}", files=len(unfinished), reason=str(wrong)), Line("")
        return line("it ended with exit status 0 but {files} outputs are missing", files=len(unfinished)), Line("")

    def _look_at_bar(self, at: float) -> None:
        assert self._tool is not None
        position = bar_position(self._tool.words[-4096:].decode("utf-8", "replace"))
        if position is None:
            return
        if not self._shown:
            self._show(at)
        if position[0] > self._bar:
            self._bar, self._since = position[0], at

    def _show(self, at: float) -> None:
        """It computes: from here on the deadline is that of outputs."""
        self._shown = True
        self._since = self._came = at
        self.meter.begin(at)
        if self.ready_at is None:
            self.ready_at = at
