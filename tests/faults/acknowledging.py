"""Writes rows, clips, events and files as the stages do, and says aloud what it may count on from then on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from backends.core.events import RunStarted, StageNote
from backends.core.files import write_whole
from backends.core.messages import line
from backends.core.run_state import Run, fold
from backends.data.clip_writer import ClipWriter
from backends.data.score_rows import RowsWriter
from backends.device.clip_format import ClipHeader
from backends.engine.journal import Journal

HEADER = ClipHeader(frames=2, height=8, width=8, shard_clips=4)


def clip(number: int, count: int = 2) -> memoryview:
    """`count` clips that belong to a video number."""
    return memoryview(bytes((number * 7 + i) % 251 for i in range(count * HEADER.clip_bytes)))


def logits(number: int) -> list[float]:
    """The scores of a clip."""
    return [number + share / 10 for share in range(5)]


def main(root: Path, steps: int) -> None:
    with open(root / "acks", "ab", buffering=0) as acks:
        work(root, steps, lambda text: acks.write(text + b"\n"))


def work(root: Path, steps: int, acknowledge: Callable[[bytes], object]) -> None:
    rows = RowsWriter.open_or_resume(root / "rows.bin", 5, "toy")
    store = ClipWriter.open_or_resume(root / "store", HEADER)
    journal = Journal(root / "journal.db")
    run = Run()
    for step in range(steps):
        event = RunStarted("r", ("a",), 1) if step == 0 else StageNote("a", line("note {n}", n=step))
        run = fold(run, event, float(step))
        journal.commit([(float(step), event)], run)
        acknowledge(b"journal %d" % (step + 1))
        rows.append([2 * step, 2 * step + 1], np.array([logits(2 * step), logits(2 * step + 1)], np.float32))
        if step % 2:
            rows.sync()
            acknowledge(b"rows %d" % (2 * step + 2))
        store.append(f"v{step}", "wave", (1, 9), 2, clip(step))
        if step % 3 == 2:
            store.sync()
            acknowledge(b"clips %d" % (step + 1))
        write_whole(root / "whole.json", b'{"step": %d}' % step)
        acknowledge(b"whole %d" % step)
    journal.close(finished=True)
    acknowledge(b"closed 1")
    store.finish([f"v{step}" for step in range(steps)])
    acknowledge(b"finished %d" % steps)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
