"""The verify stage: the models of a run against what they were made from, on real clips.

The exported and the simplified model are computed here. What infer ran (an .om on its chips, OpenVINO on the CPU) is
not: its own rows of the same clips are compared, so that no device is opened twice and what counts is what is verified.
On a server with chips the reference is computed beside infer.
"""

from __future__ import annotations

import filecmp
import functools
import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from backends.core.codec import decode, encode
from backends.core.events import Outcome
from backends.core.files import write_whole
from backends.core.messages import N_, Line, Scalar, StageError, line
from backends.data.clip_store import ClipStore
from backends.data.score_rows_reader import RowsReader
from backends.inference.runtime_registry import known_runtimes
from backends.models.checkpoint import read_checkpoint
from backends.models.clip_logits import CPU_RUNTIME, ClipPass, onnx_logits, spread, torch_logits
from backends.models.model_specs import VerifyParams
from backends.models.network import ReadLimits
from backends.models.parity import ClipDifference, Difference, Limits, compare, limits_on_chip, limits_on_cpu
from backends.worker.job import Job

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Logits = NDArray[np.float32]

GIVE_WAY = 10
"""Niceness beside infer: what feeds the chips comes first."""
POLL_S = 0.05


class _Model(Struct, frozen=True):
    """One model and its logits, computed on demand."""

    name: str
    """Before its figures, and as people read it."""
    limits: Limits
    compute: Callable[[], Logits]
    file: Path | None = None
    """The ONNX file under ONNX Runtime's CPU provider; None: something else computes it."""
    hint: str = N_("see verify.json; if the difference is meant, raise the limit under [verify] in r3d.toml")


def run(job: Job) -> Outcome:
    """Stage `verify`: upstream preprocess, infer, and export, simplify, compile where they ran, to `verify.json`.

    The reference is the input `checkpoint`, else the input `onnx`. Raises StageError, after writing `verify.json`,
    where a model is over one of the thresholds.
    """
    params = decode(VerifyParams, dict(job.params))
    if job.upstream["infer"].is_growing:
        os.nice(GIVE_WAY)
    store = ClipStore.open(job.upstream["preprocess"].path("store"))
    numbers = spread(store.clip_count, params.limits.clips)
    if not numbers:
        raise StageError("the clip store holds no clips to compare on", hint="see what preprocess skipped, and why")
    clips = ClipPass(job, store, numbers)
    files = tuple(_files(job, params, clips))
    clips.expect(1 + len(files) + 1)
    reference = _reference(job, params, clips)
    _wait_for_infer(job)
    models = (*files, *_inferred(job, params, clips))
    logits = _each_once(models, clips)
    found = {model.name: _compared(model.name, reference, logits[model.name]) for model in models}
    document = _document(params, clips, reference, logits, found, models)
    write_whole(job.out / "verify.json", json.dumps(document, indent=1, allow_nan=False).encode("ascii"))
    figures = _figures(job, clips, found, models)
    clips.finish(figures)  # also of a run that fails now
    for model in models:
        _hold(model, found[model.name], _reference_name(job), clips.owner(found[model.name].worst)[0])
    return Outcome(figures, {"verify": "verify.json"})


def _reference(job: Job, params: VerifyParams, clips: ClipPass) -> Logits:
    if "checkpoint" not in job.inputs:
        return onnx_logits(job.inputs["onnx"], clips, params.clip)
    limits = decode(ReadLimits, dict(job.tuning))
    checkpoint = read_checkpoint(job.inputs["checkpoint"], params.wanted, job.inputs.get("options"), limits)
    return torch_logits(checkpoint, clips)


def _wait_for_infer(job: Job) -> None:
    """Until it has ended; the engine ends this stage where infer fails."""
    while job.upstream["infer"].is_growing:
        job.check_stop()
        job.progress(0, None, "clips", note=line("waits for {stage}", stage="infer"))
        time.sleep(POLL_S)


def _reference_name(job: Job) -> Line:
    return line("the checkpoint") if "checkpoint" in job.inputs else line("the given .onnx")


def _files(job: Job, params: VerifyParams, clips: ClipPass) -> Iterable[_Model]:
    """The ONNX files of this run."""
    known = (("onnx", "export", "onnx"), ("sim", "simplify", "onnx"), ("uint8", "simplify", "uint8"))
    for name, stage, output in known:
        if stage in job.upstream and job.upstream[stage].has(output):
            path, kind = job.upstream[stage].path(output), "uint8" if name == "uint8" else "float32"
            compute = functools.partial(onnx_logits, path, clips, params.clip, kind)
            yield _Model(name, limits_on_cpu(params.limits), compute, path)


def _inferred(job: Job, params: VerifyParams, clips: ClipPass) -> Iterable[_Model]:
    """What infer ran, by the rows that it wrote; nothing where its scores are of no model (`null`)."""
    runtime = str(job.upstream["infer"].figure("runtime")).partition(" ")[0]
    name = "om" if "compile" in job.upstream else runtime
    info, compute = known_runtimes().get(name), functools.partial(_rows, job, name, clips)
    if runtime == "null":
        return
    if info is not None and "cpu" in info.targets:
        file = job.upstream["simplify"].path("onnx") if runtime == CPU_RUNTIME else None
        yield _Model(name, limits_on_cpu(params.limits), compute, file)
        return
    hint = N_(
        "see verify.json; compile with another compile.precision_mode or with op_select_implmode = high_precision, or "
        "raise the om_ limit under [verify] in r3d.toml"
    )
    yield _Model(name, limits_on_chip(params.limits, _mode(job)), compute, hint=hint)


def _mode(job: Job) -> str | None:
    """The precision mode of the .om; None where it is not known or there is no .om."""
    mode = job.upstream["compile"].figure("precision_mode") if "compile" in job.upstream else None
    return mode if isinstance(mode, str) else None


def _each_once(models: Sequence[_Model], clips: ClipPass) -> dict[str, Logits]:
    """The logits by name. A file that another model has byte for byte is computed once, or not at all: infer did."""
    found: dict[str, Logits] = {}
    computed: list[tuple[Path, Logits]] = []
    for model in reversed(models):  # infer's first
        same = (rows for path, rows in computed if model.file and filecmp.cmp(path, model.file, shallow=False))
        rows = next(same, None)
        if rows is None:
            rows = model.compute()
        else:
            clips.count(len(clips.numbers))
        found[model.name] = rows
        computed += [(model.file, rows)] if model.file else []
    return found


def _rows(job: Job, name: str, clips: ClipPass) -> Logits:
    """The rows of the chosen clips that infer wrote."""
    import numpy as np

    rows = []
    with RowsReader(job.upstream["infer"].path("rows")) as reader:
        for place, number in enumerate(clips.numbers):
            logits, lacking = reader.scores(number, 1)
            if lacking:
                text, hint = N_("{model}: infer gave no scores for a clip of {video}"), N_("see what infer skipped")
                raise StageError(text, hint=hint, model=name, video=clips.owner(place)[0])
            rows.append(logits)
    clips.count(len(rows))
    return np.concatenate(rows)


def _compared(name: str, reference: Logits, found: Logits) -> Difference:
    if reference.shape != found.shape:
        text = N_("{model}: {found} scores a clip, {expected} are expected")
        hint = N_("it is another network: give models that belong together under [model] in r3d.toml")
        raise StageError(text, hint=hint, model=name, found=found.shape[1], expected=reference.shape[1])
    return compare(reference, found)


_BROKEN = {
    "max_abs": N_("{model}: logits differ from {reference} by {found:.3g}, {limit:.3g} is allowed (a clip of {video})"),
    "cosine": N_("{model}: cosine similarity to {reference} is {found:.6f}, the limit is {limit:.6f}"),
    "top1": N_("{model}: the top class matches {reference} on {found:.3f} of the clips, the limit is {limit:.3f}"),
}
"""By the threshold that is passed."""


def _hold(model: _Model, found: Difference, reference: Line, video: str) -> None:
    """StageError with the first threshold that is passed, and by how much."""
    if (broken := model.limits.broken(found)) is not None:
        facts: dict[str, Any] = {"found": getattr(found, broken), "limit": getattr(model.limits, broken)}
        raise StageError(_BROKEN[broken], hint=model.hint, model=model.name, reference=reference, video=video, **facts)


def _figures(job: Job, clips: ClipPass, found: dict[str, Difference], models: Sequence[_Model]) -> dict[str, Scalar]:
    figures: dict[str, Scalar] = {"clips": len(clips.numbers)}
    for model in models:
        measured = {**_measured(found[model.name]), "passed": model.limits.broken(found[model.name]) is None}
        figures |= {f"{model.name}_{name}": value for name, value in measured.items()}
    if "om" in found:
        simulated = str(job.upstream["infer"].figure("runtime")).partition(" ")[2]
        figures["precision_mode"] = " ".join(part for part in (_mode(job), simulated) if part) or None
    return figures


def _document(
    params: VerifyParams,
    clips: ClipPass,
    reference: Logits,
    logits: dict[str, Logits],
    found: dict[str, Difference],
    models: Sequence[_Model],
) -> dict[str, Any]:
    """`verify.json`: the limits, each model's worst figures with its own, and each clip under each model."""
    rows = []
    for place, number in enumerate(clips.numbers):
        video, label = clips.owner(place)
        row: dict[str, Any] = {"clip": number, "video": video, "label": label, "top1": int(reference[place].argmax())}
        for name, difference in found.items():
            row[name] = {**_measured(difference.clips[place]), "top1": int(logits[name][place].argmax())}
        rows.append(row)
    worst = {one.name: {**_measured(found[one.name]), "limits": encode(one.limits)} for one in models}
    return {"limits": encode(limits_on_cpu(params.limits)), "models": worst, "clips": rows}


def _measured(found: Difference | ClipDifference) -> dict[str, Scalar]:
    """Plain JSON: what is no number is null."""
    max_abs = None if found.max_abs == float("inf") else found.max_abs
    return {"max_abs": max_abs, "cosine": found.cosine, "top1": found.top1}
