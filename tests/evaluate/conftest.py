"""Jobs, result files and annotations for the tests of this room."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from backends.core.codec import encode
from backends.core.events import Outcome
from backends.worker.job import Job, Request, Upstream

MakeJob = Callable[..., Job]


@pytest.fixture
def make_job(tmp_path: Path) -> MakeJob:
    """A job over given params, inputs and upstream stages; the list `events` gets what it says."""

    def make(
        params: object,
        *,
        inputs: Mapping[str, Path] | None = None,
        upstream: Mapping[str, Upstream] | None = None,
        events: list[Any] | None = None,
    ) -> Job:
        out = tmp_path / "out"
        out.mkdir(exist_ok=True)
        request = Request("s", "", 1, tmp_path, out, out, encode(params), {}, inputs or {}, upstream or {})
        return Job(request, (events if events is not None else []).append)

    return make


@pytest.fixture
def upstream(tmp_path: Path) -> Callable[..., Upstream]:
    """An upstream stage whose outputs lie in `tmp_path`."""

    def make(outputs: Mapping[str, str], figures: Mapping[str, Any] | None = None, **more: Any) -> Upstream:
        return Upstream(tmp_path, Outcome(figures or {}, outputs, **more))

    return make


@pytest.fixture
def write_annotation(tmp_path: Path) -> Callable[..., Path]:
    """Write an annotation json of (video, label[, subset]) rows."""

    def write(labels: list[str], *rows: tuple[str, ...]) -> Path:
        database = {
            row[0]: {
                "subset": row[2] if len(row) > 2 else "validation",
                "annotations": {"label": row[1], "segment": [1, 33]},
            }
            for row in rows
        }
        path = tmp_path / "annotation.json"
        path.write_text(json.dumps({"labels": labels, "database": database}))
        return path

    return write
