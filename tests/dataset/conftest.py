"""Small videos and jobs for the tests of the dataset room."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from backends.contract.events import Event
from backends.worker.job import Job, Request

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
