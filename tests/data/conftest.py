"""What the tests of the data package stand on: small videos, frames, jobs without an engine, both kernels."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from PIL import Image

from backends.core.events import Event, ItemSetAside, Outcome
from backends.core.stage_request import Request, Upstream
from backends.data import pixels
from backends.device import clip_kernels
from backends.worker.job import Job

FilmMaker = Callable[..., Path]
JobMaker = Callable[..., Job]


@pytest.fixture
def film() -> FilmMaker:
    """A function that writes a video of a moving square: `film(path, frames=5, width=64, height=48)`."""

    def write(path: Path, frames: int | Iterable[int] = 5, width: int = 64, height: int = 48, **options: Any) -> Path:
        import av
        import numpy as np

        path.parent.mkdir(parents=True, exist_ok=True)
        times = list(range(frames)) if isinstance(frames, int) else list(frames)
        with av.open(str(path), "w", format=options.get("container")) as container:
            stream = container.add_stream(options.get("codec", "mpeg4"), rate=30)
            stream.width, stream.height, stream.pix_fmt = width, height, options.get("pixels", "yuv420p")
            stream.gop_size = 4
            for number, at in enumerate(times):
                picture = np.full((height, width, 3), 60, np.uint8)
                picture[number % height : number % height + 9, number % width : number % width + 9] = (250, 20, 120)
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=stream.pix_fmt)
                frame.pts, frame.time_base = at, Fraction(1, 30)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return write


@pytest.fixture
def job(tmp_path: Path) -> JobMaker:
    """A function that makes a job whose events go to `job.said`; every job of a test has the same `out`."""

    def make(**fields: Any) -> Job:
        said: list[Event] = []
        out = tmp_path / "out"
        out.mkdir(exist_ok=True)
        request = Request(fields.pop("stage", "frames"), "", 1, tmp_path, out, tmp_path / "scratch", **fields)
        made = Job(request, said.append)
        made.said = said  # type: ignore[attr-defined] - for the tests only
        return made

    return make


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
        if not (pixels.kernel_in_use() and clip_kernels.kernel_in_use()):
            pytest.skip("no C kernel was built, or it is switched off")
        yield "kernel"
        return
    with patch.dict(os.environ, {clip_kernels.KERNEL_SWITCH: "0"}):
        yield "fallback"
