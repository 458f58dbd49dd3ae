"""What the tests of preprocessing stand on: small videos of JPEG frames, a job without an engine, both kernels."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backends.contract.events import Event, ItemSetAside, Outcome
from backends.contract.request import Request, Upstream
from backends.preprocess import pixels
from backends.stores import feed
from backends.worker.job import Job


class Bench:
    """A folder with frames, their annotation, and a job that runs the stage on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.frames = folder / "frames"
        self.events: list[Event] = []
        self._database: dict[str, Any] = {}

    def add(self, name: str, frames: int, *, size: tuple[int, int] = (40, 30), label: str = "wave") -> Path:
        """A video of random frames, annotated for validation; the folder of its frames."""
        self.annotate(name, frames, label)
        folder = self.frames / label / name
        folder.mkdir(parents=True)
        random = np.random.default_rng(len(self._database))
        for number in range(1, frames + 1):
            coarse = Image.fromarray(random.integers(0, 256, (4, 5, 3), np.uint8))
            coarse.resize(size).save(folder / f"image_{number:05d}.jpg", quality=90)
        return folder

    def annotate(self, name: str, frames: int, label: str = "wave", subset: str = "validation") -> None:
        """An entry of the annotation, with or without frames."""
        entry = {"subset": subset, "annotations": {"label": label, "segment": [1, frames + 1]}}
        self._database[name] = entry
        document = {"labels": ["cartwheel", "wave"], "database": self._database}
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "annotation.json").write_text(json.dumps(document))

    def job(
        self, params: Mapping[str, Any] | None = None, workers: int = 2, out: str = "out", like: str | None = None
    ) -> Job:
        """A job of the stage on these frames; what it says is in `events`. `like` is the `out` of an earlier one."""
        upstream = {"annotate": Upstream(self.folder, Outcome(outputs={"annotation": "annotation.json"}))}
        request = Request(
            stage="preprocess",
            entry="",
            attempt=1,
            workspace=self.folder,
            out=self.folder / out,
            scratch=self.folder / "scratch",
            params=params or {},
            tuning={"workers": workers},
            inputs={"frames": self.frames},
            upstream=upstream,
            like=None if like is None else self.folder / like,
        )
        self.events.clear()
        return Job(request, self.events.append)

    @property
    def set_aside(self) -> dict[str, str]:
        """Videos set aside by the last job, and why."""
        return {event.item: str(event.reason) for event in self.events if isinstance(event, ItemSetAside)}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An empty bench."""
    return Bench(tmp_path / "bench")


@pytest.fixture(params=["kernel", "fallback"])
def each_kernel(request: pytest.FixtureRequest) -> Iterator[str]:
    """Runs the test with the C kernels (skipped where they are not built) and without."""
    if request.param == "kernel":
        if not (pixels.kernel_in_use() and feed.kernel_in_use()):
            pytest.skip("no C kernel was built, or it is switched off")
        yield "kernel"
        return
    with feed.without_kernel():
        yield "fallback"
