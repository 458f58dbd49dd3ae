"""The score stage: rows of logits to val.json. It refuses to know what is right: `evaluate` does.

A video counts only with all of its clips; one that lacks some is set aside by name.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends.core.codec import decode
from backends.core.errors import InputError, StageError
from backends.core.events import Outcome
from backends.core.files import make_folder
from backends.core.messages import Line, line
from backends.data.annotation import read_labels
from backends.data.class_names import HMDB51, read_class_names
from backends.evaluate.label_names import class_names
from backends.evaluate.result_files import match, read_info, read_rows, result_folder
from backends.evaluate.val_json import ValWriter, mean_scores, top
from backends.worker.job import Job

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from backends.data.clip_index import VideoClips
    from backends.data.score_rows_reader import RowsReader


@dataclass(frozen=True, slots=True)
class ScoreParams:
    """What decides the stage's outcome."""

    k: int = 5
    """Labels a video in val.json, best first; as many as there are where the classes are fewer."""


@dataclass(frozen=True, slots=True)
class StepScoreParams:
    """`step score RESULT_DIR K [--info I] [--output O] [--labels L]`; paths are absolute."""

    result: Path
    k: int
    output: Path
    info: Path | None = None
    """None: hmdb51.info in `cwd`, in the result folder, or beside it."""
    labels: Path | None = None
    """Class names (text, one a line) or an annotation json; None: HMDB51's 51."""
    cwd: Path | None = None
    rows: int = 10
    """Clips that each result file holds, filler included."""


@dataclass(frozen=True, slots=True)
class _VideoRows:
    """One video and its clips' logits, or why they cannot be used."""

    id: str
    logits: NDArray[np.float32] | None
    trouble: Line = Line("")


def run(job: Job) -> Outcome:
    """Stage `score`: upstream infer's rows and preprocess's clip index to val.json."""
    from backends.data.clip_store import read_index
    from backends.data.score_rows_reader import RowsReader

    params = decode(ScoreParams, dict(job.params))
    with RowsReader(job.upstream["infer"].path("rows")) as rows:
        if not len(rows):
            raise StageError("infer gave no scores", hint="see the infer stage: what it set aside, and its log")
        index = read_index(job.upstream["preprocess"].path("store"))
        names = _names(job, rows.classes)
        videos = (_rows_of(video, rows) for video in index.videos)
        return _write(job, job.out / "val.json", videos, len(index.videos), names, params.k)


def _rows_of(video: VideoClips, rows: RowsReader) -> _VideoRows:
    logits, lacking = rows.scores(video.first, video.clips)
    if lacking:
        text = line("{n} of its {clips} clips have no scores", n=lacking, clips=video.clips)
        return _VideoRows(video.id, None, text)
    return _VideoRows(video.id, logits)


def step_score(job: Job) -> Outcome:
    """`step score`: a folder of the guide's result files to the val.json that the user names."""
    params = decode(StepScoreParams, dict(job.params))
    if params.k < 1:
        raise InputError("K is {k}", hint="give 1 or more, such as 1 or 5", k=params.k)
    make_folder(params.output.parent)
    names = read_class_names(params.labels) if params.labels else HMDB51
    folder = result_folder(params.result)
    info = read_info(_info(params, folder))
    for item, reason in info.set_aside:
        job.set_aside(item, reason)
    found = match(folder, info.clips)
    for item, reason in found.foreign:
        job.set_aside(item, reason)
    if found.ignored:
        job.note(line("{n} second copies of results are ignored", n=found.ignored), "warning")

    def videos() -> Iterator[_VideoRows]:
        for video, clips in info.clips.items():
            path = found.files.get(video)
            if path is None:
                yield _VideoRows(video, None, line("no result file"))
                continue
            table, trouble = read_rows(path, params.rows, len(names))
            yield _VideoRows(video, table if table is None else table[: min(clips, params.rows)], trouble)

    return _write(job, params.output, videos(), len(info.clips), names, params.k)


def _names(job: Job, classes: int) -> tuple[str, ...]:
    if "labels" in job.inputs:
        path = job.inputs["labels"]
        names = read_class_names(path)
        if len(names) != classes:
            text = "{path}: {labels} class names, but the model gives {classes} scores a clip"
            hint = "name every class of the checkpoint, in its order"
            raise InputError(text, hint=hint, path=str(path), labels=len(names), classes=classes)
        return names
    path = job.upstream["annotate"].path("annotation") if "annotate" in job.upstream else job.inputs["annotation"]
    return class_names(classes, read_labels(path), str(path))


def _info(params: StepScoreParams, folder: Path) -> Path:
    if params.info:
        return params.info
    for place in (params.cwd, folder, params.result, folder.parent, params.result.parent):
        if place and (place / "hmdb51.info").is_file():
            return place / "hmdb51.info"
    raise InputError(
        "hmdb51.info is neither in this folder nor beside {path}",
        hint="give --info, the file that the preprocessing wrote",
        path=str(params.result),
    )


def _write(job: Job, path: Path, videos: Iterator[_VideoRows], total: int, names: tuple[str, ...], k: int) -> Outcome:
    """Score every video into `path`; what cannot be scored is set aside. StageError where no video is left."""
    begun, clips = time.monotonic(), 0
    with ValWriter(path) as val:
        for done, video in enumerate(videos, 1):
            trouble = video.trouble if video.logits is None else _damage(video.logits)
            if trouble.template or video.logits is None:
                job.set_aside(video.id, trouble)
            else:
                val.add(video.id, top(mean_scores(video.logits), names, k))
                clips += len(video.logits)
            if done % 64 == 0 or done == total:
                job.check_stop()
                job.progress(done, total, "videos", rate=done / max(time.monotonic() - begun, 1e-9))
        if not val.videos:
            hint = "see what was set aside, and the stages before"
            raise StageError("none of {total} videos has a usable result", hint=hint, total=total)
    figures: dict[str, Any] = {"videos": val.videos, "clips": clips}
    output = path.name if path.parent == job.out else str(path)
    return Outcome(figures=figures, outputs={"val": output}, digest=val.digest)


def _damage(logits: NDArray[np.float32]) -> Line:
    import numpy as np

    return Line("") if np.isfinite(logits).all() else line("its scores hold values that are not numbers")
