"""Stages for the engine's tests: they do almost nothing, and can be told to fail, to hang or to be slow."""

from __future__ import annotations

import os
import time
from pathlib import Path

from backends.core.events import Outcome
from backends.core.messages import StageError, line
from backends.worker.job import Job


def count(job: Job) -> Outcome:
    """Append one line an item to a file, and take up what is there."""
    path = job.out / "items.txt"
    done = len(path.read_text().splitlines()) if path.exists() else 0
    total = int(job.params.get("items", 3))
    with path.open("a") as file:
        for item in range(done, total):
            job.check_stop()
            time.sleep(float(job.tuning.get("pause", 0)))
            file.write(f"{item}\n")
            file.flush()
            job.progress(item + 1, total, "items")
    return Outcome({"items": total}, {"items": "items.txt"}, digest=f"{total} items")


def grow(job: Job) -> Outcome:
    """As `count`; fail half way until a file says otherwise."""
    (job.out / "items.txt").touch()
    total, fixed = int(job.params["items"]), Path(str(job.params["fixed"]))
    while (done := len((job.out / "items.txt").read_text().splitlines())) < total:
        job.check_stop()
        if done == total // 2 and not fixed.exists():
            raise StageError("not fixed", hint="touch {path}", path=str(fixed))
        time.sleep(float(job.tuning.get("pause", 0)))
        with (job.out / "items.txt").open("a") as file:
            file.write(f"{done}\n")
    return Outcome({"items": total}, {"items": "items.txt"}, digest=f"{total} items")


def follow(job: Job) -> Outcome:
    """Copy the lines that another stage writes, as they come; an attempt's own lines begin with its number."""
    copy, was_growing, attempt = job.out / "copy.txt", job.upstream["a"].is_growing, job.scratch.name[2:]
    copy.touch()
    while True:
        is_growing = job.upstream["a"].is_growing
        source = job.upstream["a"].path("items")
        lines, done = source.read_text().splitlines() if source.exists() else [], len(copy.read_text().splitlines())
        with copy.open("a") as file:
            file.writelines(f"{attempt} {text}\n" for text in lines[done:])
        if not is_growing:
            text = "".join(row.split()[1] + "\n" for row in copy.read_text().splitlines())
            return Outcome({"items": len(lines), "followed": was_growing}, {"items": "copy.txt"}, digest=text)
        job.check_stop()
        time.sleep(0.01)


def follow_slowly(job: Job) -> Outcome:
    """The same, and not end in time."""
    follow(job)
    return hang(job)


def add(job: Job) -> Outcome:
    """Sum what the stages before gave; sets one item aside."""
    total = sum(int(str(up.figure("items"))) for up in job.upstream.values())
    job.set_aside("odd one", line("it is odd"))
    print("a library prints to standard output")  # must land in the log, not in the protocol
    return Outcome({"total": total})


def measure(job: Job) -> Outcome:
    """Figures of each kind, one of them not measured."""
    del job
    return Outcome({
        "clips_per_s": 32.078955594211564, "clips": 8492, "bytes": 155_344_896, "published_top1": None,
        "videos_set_aside": 2, "videos_skipped": 2, "largest_difference": 1.9073486328125e-06, "peak": 6359.204,
        "layout": "packed", "clips_taken_up": 0,
    })  # fmt: skip


def fail(job: Job) -> Outcome:
    """Fail until a file says otherwise."""
    if not Path(str(job.params["mended"])).exists():
        raise StageError("not mended", hint="touch {path}", path=str(job.params["mended"]))
    return Outcome({"items": 1})


def crash(job: Job) -> Outcome:
    """A fault of ours."""
    raise ZeroDivisionError("a fault with [markup] in it")


def hang(job: Job) -> Outcome:
    """Wait for the end of the world, deaf to stop."""
    (job.scratch / "hanging").touch()
    time.sleep(3600)
    return Outcome()


def endless(job: Job) -> Outcome:
    """Work on and on, and listen to stop."""
    for item in range(1, 100_000):
        job.progress(item, None, "items")
        job.check_stop()
        time.sleep(0.05)
    return Outcome()


def leave(job: Job) -> Outcome:
    """End the process, as a native library may."""
    os._exit(7)


def lose(job: Job) -> Outcome:
    """Look for a file that is not there, as a fault of ours would."""
    return Outcome({"bytes": (job.out / "lost").stat().st_size})


def fork(job: Job) -> Outcome:
    """Leave a forked process behind that holds every descriptor, as a library may."""
    if os.fork() == 0:
        time.sleep(3600)
    return Outcome({"items": 1})


def read(job: Job) -> Outcome:
    """Read an input from outside."""
    text = job.inputs["text"].read_text()
    return Outcome({"items": len(text)}, digest=text)


def wait(job: Job) -> Outcome:
    """Read an input from outside, and go on once a file is there."""
    text = job.inputs["text"].read_text() if job.inputs["text"].exists() else "gone"
    (job.scratch / "reading").touch()
    while not Path(str(job.tuning["until"])).exists():
        time.sleep(0.01)
    (job.out / "text").write_text(text)
    return Outcome({"items": len(text)}, {"items": "text"})


def lack(job: Job) -> Outcome:
    """Skip an item for as long as a file is missing, for a reason that may pass."""
    found = Path(str(job.tuning["file"])).exists()
    if not found:
        job.set_aside("one", line("cannot be read"), is_temporary=True)
    return Outcome({"items": int(found)}, digest=str(found))


def pry(job: Job) -> Outcome:
    """Read what no spec declares."""
    return Outcome({"items": next(iter(job.upstream.values())).figure("secret")})
