"""Stages for the faults: they write much, say much, or leave the clock in disorder."""

from __future__ import annotations

import os
import time

from backends.core.events import Outcome
from backends.core.messages import line
from backends.worker.job import Job


def write(job: Job) -> Outcome:
    """Write `megabytes` in synced pieces of 64 kB and take up what is there."""
    total = int(job.params["megabytes"]) * 16
    path = job.out / "data"
    begun = path.stat().st_size // 65536 if path.exists() else 0
    with open(path, "ab") as file:
        file.truncate(begun * 65536)
        for piece in range(begun, total):
            job.check_stop()
            file.write(bytes([piece % 251]) * 65536)
            file.flush()
            os.fsync(file.fileno())
            job.progress(piece + 1, total, "pieces")
    return Outcome({"items": total, "begun": begun}, {"data": "data"}, digest=str(total))


def talk(job: Job) -> Outcome:
    """Say `notes` notes of a kilobyte: they fill the journal and nothing else."""
    for number in range(int(job.params["notes"])):
        job.check_stop()
        job.note(line("{n} {text}", n=number, text="x" * 1000))
        if number % 50 == 0:
            time.sleep(0.02)
    return Outcome({"items": 1}, digest="talked")


def tally(job: Job) -> Outcome:
    """Note outside the workspace that it was run, wait a moment, and give the sum of what it reads."""
    text = job.inputs["text"].read_text() if "text" in job.inputs else ""
    total = len(text) + sum(int(str(up.figure("items"))) for up in job.upstream.values())
    with open(str(job.tuning["tally"]), "a", encoding="ascii") as file:
        file.write(f"{job.stage} {job.params.get('factor', 1)} {total}\n")
    time.sleep(0.05)
    job.check_stop()
    figure = total * int(job.params.get("factor", 1))
    (job.out / "figure").write_text(str(figure))
    return Outcome({"items": figure}, {"figure": "figure"}, digest=f"{job.stage} {figure}")
