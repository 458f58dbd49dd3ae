"""The console's lists over many videos: `python -m bench.catalog [VIDEOS] [CLASSES]` times a run's catalog, then the
console's browser over it.

A workspace with one run of made-up artifacts (clip index, predictions.csv) is made in a temporary folder. A thread
that only looks at the clock stands for the event loop: its longest pause is what a key would wait. In the browser, a
process of its own, a task looks at the clock in the event loop itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from backends.core.catalog_pages import Query
from backends.core.events import Outcome
from backends.core.run_state import Run, StageRun
from backends.data.clip_store import VideoClips
from backends.device.clip_format import INDEX, ClipHeader, header_line, seal, video_line
from backends.engine.folders import Folders
from backends.engine.journal import Journal


def make_workspace(root: Path, videos: int, classes: int) -> None:
    """A run that made clips and predictions of so many videos."""
    folders = Folders(root)
    store, evaluated = folders.artifact("preprocess", "f" * 20) / "store", folders.artifact("evaluate", "e" * 20)
    for path in (store, evaluated, folders.run("r").path):
        path.mkdir(parents=True)
    with open(store / INDEX, "wb") as index, open(evaluated / "predictions.csv", "w", encoding="utf-8") as rows:
        index.write(header_line(ClipHeader()))
        rows.write("video,class,right,in_top_k,reason" + "".join(f",label_{n},score_{n}" for n in range(1, 6)) + "\n")
        for number in range(videos):
            name, label = f"v_{number * 7919 % videos:07d}_{number:06d}", f"class {number % classes:03d}"
            clips = VideoClips(name, label, number, 1, 1, (1, 40 + number % 200))
            index.write(video_line(clips, [number]))
            best = [
                f"class {(number + n * (number % 3)) % classes:03d},{0.9 / (n + 1 + number % 7):.6f}" for n in range(5)
            ]
            rows.write(f"{name},{label},{int(number % 3 == 0)},1,,{','.join(best)}\n")
        index.write(seal({"end": [videos, videos], "digest": "d"}))
    stages = (
        StageRun("preprocess", "done", outcome=Outcome(outputs={"store": "store"}), fingerprint="f" * 20),
        StageRun("evaluate", "done", outcome=Outcome(outputs={"predictions": "predictions.csv"}), fingerprint="e" * 20),
    )
    folders.run("r").plan.write_text("{}")
    journal = Journal(folders.run("r").journal)
    journal.commit([], Run(id="r", state="done", stages=stages))
    journal.close(finished=True)


class Watch:
    """The longest pause of a thread that waits a millisecond at a time."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def _work(self) -> None:
        last = time.perf_counter()
        while not self._ended.is_set():
            time.sleep(0.001)
            now = time.perf_counter()
            self.longest, last = max(self.longest, now - last), now

    @contextlib.contextmanager
    def on(self) -> Iterator[None]:
        """Watch inside."""
        self._thread.start()
        try:
            yield
        finally:
            self._ended.set()
            self._thread.join()


def measure(root: Path) -> Iterator[tuple[str, float, float]]:
    """Name, seconds, longest pause of the other thread."""
    from backends.workspace.browser import open_catalog

    def timed(name: str, work: Callable[[], Any]) -> tuple[str, float, float]:
        watch, begun = Watch(), time.perf_counter()
        with watch.on():
            work()
            took = time.perf_counter() - begun
        return name, took, watch.longest

    kept: list[Any] = []
    yield timed("open, made first", lambda: kept.append(open_catalog(root)))
    yield timed("open again", lambda: open_catalog(root).close())
    catalog = kept[0]
    every = Query("videos")
    yield timed("classes", lambda: catalog.page(Query("classes"), 0, 60))
    yield timed("a class", lambda: catalog.page(Query("videos", label="class 007"), 0, 60))
    yield timed("all videos, first page", lambda: catalog.page(every, 0, 60))
    yield timed("all videos, last page", lambda: catalog.page(every, catalog.count(every) - 60, 60))
    yield timed("filter", lambda: catalog.page(Query("videos", "0012"), 0, 60))
    for order in ("video", "frames", "outcome", "score"):
        query = Query("videos", order=order)
        yield timed(f"sort by {order}", functools.partial(catalog.page, query, 0, 60))
        yield timed("its last page", functools.partial(catalog.page, query, catalog.count(every) - 60, 60))
    yield timed("one by name", lambda: catalog.video("v_0000000_000000"))


async def browse(root: Path) -> None:
    """Press the keys of the browser and print how long each took, the event loop's longest pause, and the memory."""
    from backends import api
    from r3d_tui.app import ConsoleApp
    from r3d_tui.lang.words import Words
    from r3d_tui.screens.run_browser import RunBrowser

    app, longest = ConsoleApp(api.open_client(root), words=Words(), theme="r3d-dark"), 0.0

    async def watch() -> None:
        nonlocal longest
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now

    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause(1.0)
        watching = asyncio.create_task(watch())
        for name, keys, page, key, pattern in STEPS:
            longest, begun, used = 0.0, time.perf_counter(), time.process_time()
            for one in keys:  # as somebody types: a pilot would wait until the processor is idle
                app.simulate_key(one)
                await asyncio.sleep(TYPED_S)
            while not (isinstance(app.screen, RunBrowser) and _stands(app.screen.state, page, key, pattern)):
                if time.perf_counter() - begun > LIMIT_S:
                    raise TimeoutError(name)
                await asyncio.sleep(0.002)
            took, cpu = time.perf_counter() - begun, time.process_time() - used
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
            times = f"{took * 1000:8.1f} ms   cpu {cpu * 1000:6.1f} ms   pause {longest * 1000:6.1f} ms"
            print(f"{name:26} {times}   {memory} MB")
        watching.cancel()


LIMIT_S, TYPED_S = 60.0, 0.1
STEPS = (
    ("console: classes", ("b",), "classes", 1, ""),
    ("console: a class", ("enter",), "videos", 4, ""),
    ("console: all videos", ("q", "4"), "videos", -1, ""),
    ("console: sort by name", ("s",), "videos", 0, ""),
    ("console: the last page", ("G",), "videos", 0, ""),
    ("console: filter", ("slash", "1", "1", "9", "9", "enter"), "videos", 0, "1199"),
    ("console: misclassified", ("5",), "wrong", 3, ""),
    ("console: skipped", ("a",), "skipped", -1, ""),
)
"""Keys, and the page, the sort key and the filter that they lead to."""


def _stands(state: Any, page: str, key: int, pattern: str) -> bool:
    """The page is there, and the entry under its cursor, where it has any, has been read."""
    listing = state.listing
    is_shown = state.page == page and listing is not None and (listing.key, listing.pattern) == (key, pattern)
    return bool(is_shown and (not len(listing) or listing.chosen is not None))


def main() -> None:
    """Print the tables."""
    if sys.argv[1:2] == ["--browse"]:
        asyncio.run(browse(Path(sys.argv[2])))
        return
    videos, classes = (int(text) for text in (*sys.argv[1:], "650000", "700")[:2] if text)
    with tempfile.TemporaryDirectory() as folder:
        make_workspace(Path(folder), videos, classes)
        for name, seconds, pause in measure(Path(folder)):
            print(f"{name:26} {seconds * 1000:8.1f} ms   pause {pause * 1000:6.1f} ms")
        size = Path(folder, ".r3d/runs/r/catalog.db").stat().st_size
        print(f"file {size >> 20} MB, peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MB")
        print(f"of the child {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10} MB, pid {os.getpid()}")
        sys.stdout.flush()
        subprocess.run([sys.executable, "-m", "bench.catalog", "--browse", folder], check=True)


if __name__ == "__main__":
    main()
