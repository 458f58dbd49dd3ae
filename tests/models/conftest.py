"""Fixtures of the convert room's tests: a small checkpoint, jobs, a clip store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backends.core.codec import encode
from backends.core.events import Event, Outcome
from backends.core.messages import Scalar
from backends.core.stage_request import Request, Upstream
from backends.data.clip_writer import ClipWriter
from backends.device.clip_format import ClipHeader
from backends.worker.job import Job
from tests.models.small import save_checkpoint


@pytest.fixture
def small_checkpoint(tmp_path: Path) -> Path:
    """A depth-10 checkpoint of 5 classes and an eighth of the width."""
    return save_checkpoint(tmp_path / "small.pth")


@pytest.fixture
def make_job(tmp_path: Path) -> Callable[..., Job]:
    """Builds a job in `tmp_path`; its events are in `job.said`."""

    def make(
        stage: str,
        params: Any = None,
        inputs: Mapping[str, Path] | None = None,
        upstream: Mapping[str, tuple[Path, Mapping[str, str]]] | None = None,
        figures: Mapping[str, Mapping[str, Scalar]] | None = None,
    ) -> Job:
        known = figures or {}
        above = {
            name: Upstream(folder, Outcome(known.get(name, {}), outputs))
            for name, (folder, outputs) in (upstream or {}).items()
        }
        out, scratch = tmp_path / stage, tmp_path / f"{stage}.scratch"
        out.mkdir(exist_ok=True)
        scratch.mkdir(exist_ok=True)
        table = params if isinstance(params, dict) else encode(params) if params is not None else {}
        said: list[Event] = []
        request = Request(stage, "", 1, tmp_path, out, scratch, table, {}, inputs or {}, above)
        job = Job(request, said.append)
        job.said = said  # type: ignore[attr-defined]
        return job

    return make


@pytest.fixture
def clip_store(tmp_path: Path) -> Path:
    """A finished store of three videos of 4, 1 and 2 noisy clips."""
    folder = tmp_path / "store"
    header = ClipHeader()
    rng = np.random.default_rng(3)
    with ClipWriter.open_or_resume(folder, header) as writer:
        for name, clips in (("first", 4), ("second", 1), ("third", 2)):
            data = rng.integers(0, 256, (clips, *header.shape), np.uint8)
            writer.append(name, "wave", (1, 1 + 16 * clips), clips, memoryview(data.reshape(-1)))
        writer.finish(("first", "second", "third"))
    return folder
