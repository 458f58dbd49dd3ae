"""The score stage: rows of logits to val.json, as the reference's postprocessing counts. `evaluate` judges them.

float32 softmax over the classes of each clip, mean over the clips, the k largest. A video counts only with all of its
clips; one that lacks some is skipped by name.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from backends.core.codec import decode
from backends.core.events import Outcome
from backends.core.files import make_folder, write_whole
from backends.core.messages import N_, InputError, Line, StageError, line
from backends.data.annotation import read_labels
from backends.data.class_names import read_class_names
from backends.data.datasets.hmdb51 import HMDB51
from backends.evaluate.accuracy import val_pieces
from backends.evaluate.result_files import match, read_info, read_rows, result_folder
from backends.worker.job import Job

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from backends.data.clip_store import VideoClips
    from backends.data.score_rows_reader import RowsReader


class ScoreParams(Struct, frozen=True):
    k: int = 5
    """Labels a video in val.json, best first; as many as there are where the classes are fewer."""


class StepScoreParams(Struct, frozen=True):
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


class _VideoRows(Struct, frozen=True):
    """One video and its clips' logits, or why they cannot be used."""

    id: str
    logits: NDArray[np.float32] | None
    problem: Line = Line("")


def run(job: Job) -> Outcome:
    """Stage `score`: upstream infer's rows and preprocess's clip index to val.json."""
    from backends.data.clip_store import read_index
    from backends.data.score_rows_reader import RowsReader

    params = decode(ScoreParams, dict(job.params))
    with RowsReader(job.upstream["infer"].path("rows")) as rows:
        if not len(rows):
            raise StageError("infer gave no scores", hint="see the infer stage: what it skipped, and its log")
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
    for item, reason in info.skipped:
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
            table, problem = read_rows(path, params.rows, len(names))
            yield _VideoRows(video, table if table is None else table[: min(clips, params.rows)], problem)

    return _write(job, params.output, videos(), len(info.clips), names, params.k)


def _names(job: Job, classes: int) -> tuple[str, ...]:
    if "labels" in job.inputs:
        path = job.inputs["labels"]
        names = read_class_names(path)
        if len(names) != classes:
            text = N_("{path}: {labels} class names, but the model gives {classes} scores a clip")
            hint = N_("name every class of the checkpoint, in its order")
            raise InputError(text, hint=hint, path=str(path), labels=len(names), classes=classes)
        return names
    path = job.upstream["annotate"].path("annotation") if "annotate" in job.upstream else job.inputs["annotation"]
    return class_names(classes, read_labels(path), str(path))


def class_names(classes: int, labels: tuple[str, ...], source: str) -> tuple[str, ...]:
    """The name of each of `classes` columns: the annotation's labels in their order.

    Where the annotation lists only some of HMDB51's classes and the model has all 51, HMDB51's order is taken.
    Raises InputError where the numbers do not fit; `source` names the annotation in it.
    """
    if len(labels) == classes:
        return labels
    if classes == len(HMDB51) and set(labels) <= set(HMDB51):
        return HMDB51
    raise InputError(
        "{source}: {labels} labels, but the model gives {classes} scores a clip",
        hint="give an annotation with all classes of the checkpoint, or a file of its class names",
        source=source,
        labels=len(labels),
        classes=classes,
    )


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
    """Score every video into `path`; what cannot be scored is skipped. StageError where no video is left."""
    begun, digest, figures = time.monotonic(), hashlib.sha256(), {"videos": 0, "clips": 0}

    def scored() -> Iterator[tuple[str, list[dict[str, Any]]]]:
        for done, video in enumerate(videos, 1):
            problem = video.problem if video.logits is None else _damage(video.logits)
            if problem.template or video.logits is None:
                job.set_aside(video.id, problem)
            else:
                figures["videos"] += 1
                figures["clips"] += len(video.logits)
                yield video.id, top(mean_scores(video.logits), names, k)
            if done % 64 == 0 or done == total:
                job.check_stop()
                job.progress(done, total, "videos", rate=done / max(time.monotonic() - begun, 1e-9))
        if not figures["videos"]:
            hint = N_("see what was skipped, and the stages before")
            raise StageError("none of {total} videos has a usable result", hint=hint, total=total)

    def pieces() -> Iterator[bytes]:
        for piece in val_pieces(scored()):
            digest.update(piece)
            yield piece

    write_whole(path, pieces())
    output = path.name if path.parent == job.out else str(path)
    return Outcome(figures=figures, outputs={"val": output}, digest=digest.hexdigest())


def mean_scores(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean over the clips of the softmax over the classes: (clips, classes) float32 -> (classes,) float32."""
    import numpy as np

    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    mean: NDArray[np.float32] = (shifted / shifted.sum(axis=1, keepdims=True)).mean(axis=0, dtype=np.float32)
    return mean


def top(scores: NDArray[np.float32], names: tuple[str, ...], k: int) -> list[dict[str, str | float]]:
    """The `k` best labels, best first, as val.json lists them; of equal scores the earlier class comes first."""
    import numpy as np

    order = np.argsort(-scores, kind="stable")[:k]
    return [{"label": names[n], "score": float(scores[n])} for n in order]


def _damage(logits: NDArray[np.float32]) -> Line:
    import numpy as np

    return Line("") if np.isfinite(logits).all() else line("its scores hold values that are not numbers")
