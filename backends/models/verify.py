"""The verify stage: the exported and the simplified model against the checkpoint's own forward pass, on real clips.

It knows no accuracy: a model that agrees with its checkpoint may still be a bad one.
"""

from __future__ import annotations

import filecmp
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from backends.core.codec import decode
from backends.core.errors import InputError, NeedError, StageError
from backends.core.events import Outcome
from backends.core.files import write_whole
from backends.core.messages import N_, Scalar
from backends.core.model_io import ClipShape
from backends.data.clip_store import ClipStore
from backends.device import clip_kernels
from backends.device.failures import DeviceError
from backends.device.model_runtime import DeviceSpec, load
from backends.inference.device_link import as_line
from backends.inference.runtime_registry import choose, known_runtimes
from backends.models.architecture import ReadLimits
from backends.models.checkpoint import Checkpoint, read_checkpoint
from backends.models.families import network_of
from backends.models.forward import forward
from backends.models.model_specs import VerifyParams
from backends.worker.job import Job

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Logits = NDArray[np.float32]

TORCH_BATCH = 5
"""Clips at once through torch: its unfused values take the memory of a larger batch elsewhere."""


def run(job: Job) -> Outcome:
    """Stage `verify`: input `checkpoint`, upstream export, simplify and preprocess, to `verify.json`.

    Raises StageError, after writing `verify.json`, where a model is over one of the thresholds.
    """
    params = decode(VerifyParams, dict(job.params))
    if "checkpoint" not in job.inputs:
        raise InputError("no checkpoint", hint="name the .pth under [model] checkpoint in r3d.toml")
    limits = decode(ReadLimits, dict(job.tuning))
    checkpoint = read_checkpoint(job.inputs["checkpoint"], params.wanted, job.inputs.get("options"), limits)
    store = ClipStore.open(job.upstream["preprocess"].path("store"))
    numbers = spread(store.clip_count, params.clips)
    if not numbers:
        raise StageError("the clip store holds no clips to compare on", hint="see what preprocess skipped, and why")
    logits = _all_logits(checkpoint, job, store, numbers, params)
    reference = logits.pop("checkpoint")
    found = {name: compare(reference, rows) for name, rows in logits.items()}
    document = _document(store, numbers, reference, logits, found, params)
    write_whole(job.out / "verify.json", json.dumps(document, indent=1, allow_nan=False).encode("ascii"))
    for name, difference in found.items():
        _hold(name, difference, params, _owner(store, numbers[difference.worst]))
    figures: dict[str, Scalar] = {"clips": len(numbers)}
    for name, difference in found.items():
        figures[f"{name}_max_abs"] = difference.max_abs
        figures[f"{name}_cosine"] = difference.cosine
        figures[f"{name}_top1"] = difference.top1
    return Outcome(figures, {"verify": "verify.json"})


def spread(count: int, wanted: int) -> tuple[int, ...]:
    """`wanted` of `count` clip numbers, evenly spaced, so that they fall on many videos; all where there are fewer."""
    wanted = min(wanted, count)
    return tuple((2 * place + 1) * count // (2 * wanted) for place in range(wanted))


class _Pass:
    """The chosen clips under one model after another, one batch in memory at a time."""

    def __init__(self, job: Job, store: ClipStore, numbers: Sequence[int], passes: int) -> None:
        self._job, self._store, self._numbers = job, store, numbers
        self._done, self._total = 0, passes * len(numbers)
        job.progress(0, self._total, "clips")

    def logits(self, compute: Callable[[NDArray[Any]], Logits], batch: int, kind: str = "float32") -> Logits:
        """One row a clip, of float32 or uint8 batches filled up with zeros."""
        import numpy as np

        rows, out = [], clip_kernels.buffer((batch, *self._store.header.shape), kind)
        for start in range(0, len(self._numbers), batch):
            self._job.check_stop()
            some = self._numbers[start : start + batch]
            rows.append(compute(self._store.batch(some, out, pad_to=batch))[: len(some)].copy())
            self._done += len(some)
            self._job.progress(self._done, self._total, "clips")
        return np.concatenate(rows)


class _Model(Struct, frozen=True):
    """What is compared with the checkpoint."""

    path: Path
    runtime: str = "onnxruntime"
    kind: str = "float32"
    """Of its input."""


def _models(job: Job, params: VerifyParams) -> dict[str, _Model]:
    """By the names that their figures bear."""
    exported, simplified = job.upstream["export"].path("onnx"), job.upstream["simplify"].path("onnx")
    models = {"onnx": _Model(exported), "sim": _Model(simplified)}
    if job.upstream["simplify"].has("uint8"):
        models["uint8"] = _Model(job.upstream["simplify"].path("uint8"), kind="uint8")
    try:
        chosen = choose("cpu", params.runtime).info.name
    except NeedError as error:
        job.note(error.line)
        return models
    if chosen not in ("onnxruntime", "null"):
        models[chosen] = _Model(simplified, chosen)
    return models


def _all_logits(
    checkpoint: Checkpoint, job: Job, store: ClipStore, numbers: Sequence[int], params: VerifyParams
) -> dict[str, Logits]:
    """Of the checkpoint and each model; a simplified model that is the exported one byte for byte is computed once."""
    models = _models(job, params)
    is_same = filecmp.cmp(models["onnx"].path, models["sim"].path, shallow=False)
    todo = {name: model for name, model in models.items() if name != "sim" or not is_same}
    clips = _Pass(job, store, numbers, 1 + len(todo))
    logits = {"checkpoint": clips.logits(_torch(checkpoint), TORCH_BATCH)}
    for name, model in todo.items():
        logits[name] = _logits(model, clips, params.clip)
    if is_same:
        logits["sim"] = logits["onnx"]
    return {name: logits[name] for name in ("checkpoint", *models)}


def _torch(checkpoint: Checkpoint) -> Callable[[NDArray[Any]], Logits]:
    import torch

    network = network_of(checkpoint.architecture)

    def compute(batch: NDArray[Any]) -> Logits:
        with torch.inference_mode():
            found: Logits = forward(network, checkpoint.state, torch.from_numpy(batch)).numpy()
        return found

    return compute


def _logits(model: _Model, clips: _Pass, clip: ClipShape) -> Logits:
    """A model under the runtime that infer uses for it, on all cores."""
    runtime = load(known_runtimes()[model.runtime].entry)()
    cores = tuple(sorted(os.sched_getaffinity(0)))
    device = DeviceSpec("cpu:0", cores=cores, options={"input": model.kind})
    try:
        runtime.open(model.path, device, (clip.batch, *clip.clip))
        return clips.logits(runtime.run, clip.batch, model.kind)
    except DeviceError as error:
        reason = as_line(error.reason)
        raise StageError(reason.template, hint=as_line(error.hint), **reason.facts) from error
    finally:
        runtime.close()


def _owner(store: ClipStore, number: int) -> tuple[str, str]:
    """Id and label of the video that a clip is of."""
    return next((video.id, video.label) for video in store.videos if number in video.numbers)


def _hold(name: str, found: Difference, params: VerifyParams, owner: tuple[str, str]) -> None:
    """StageError with the first threshold that is passed, and by how much."""
    hint = N_("see verify.json; if the difference is meant, raise the limit under [verify] in r3d.toml")
    facts: dict[str, Any] = {"model": name, "video": owner[0]}
    if not found.max_abs <= params.max_abs:
        text = N_(
            "{model}: logits differ from the checkpoint's by {found:.3g}, {limit:.3g} is allowed (a clip of {video})"
        )
        raise StageError(text, hint=hint, found=found.max_abs, limit=params.max_abs, **facts)
    if not found.cosine >= params.cosine:
        text = N_("{model}: cosine similarity to the checkpoint is {found:.6f}, the limit is {limit:.6f}")
        raise StageError(text, hint=hint, found=found.cosine, limit=params.cosine, **facts)
    if not found.top1 >= params.top1:
        text = N_("{model}: the top class is the checkpoint's on {found:.3f} of the clips, the limit is {limit:.3f}")
        raise StageError(text, hint=hint, found=found.top1, limit=params.top1, **facts)


def _document(
    store: ClipStore,
    numbers: Sequence[int],
    reference: Logits,
    logits: dict[str, Logits],
    found: dict[str, Difference],
    params: VerifyParams,
) -> dict[str, Any]:
    """`verify.json`: the limits, each model's worst figures, and each clip under each model."""
    clips = []
    for place, number in enumerate(numbers):
        video, label = _owner(store, number)
        row: dict[str, Any] = {"clip": number, "video": video, "label": label, "top1": int(reference[place].argmax())}
        for name, difference in found.items():
            one = difference.clips[place]
            best = int(logits[name][place].argmax())
            row[name] = {"max_abs": _number(one.max_abs), "cosine": one.cosine, "top1": best}
        clips.append(row)
    models = {
        name: {"max_abs": _number(one.max_abs), "cosine": one.cosine, "top1": one.top1} for name, one in found.items()
    }
    limits = {"max_abs": params.max_abs, "cosine": params.cosine, "top1": params.top1}
    return {"limits": limits, "models": models, "clips": clips}


def _number(value: float) -> float | None:
    return None if value == float("inf") else value


class ClipDifference(Struct, frozen=True):
    """One clip under a model and under the reference."""

    max_abs: float
    """Largest absolute difference of its logits; infinite where one is not a number."""
    cosine: float
    """Of the two rows of logits; -1 where one is not a number."""
    top1: bool
    """True where the best class is the same."""


class Difference(Struct, frozen=True):
    """All clips: the worst of each measure."""

    max_abs: float
    cosine: float
    top1: float
    """Share of clips with the same best class, 0 to 1."""
    worst: int
    """Place of the clip with the largest difference."""
    clips: tuple[ClipDifference, ...]


def compare(reference: NDArray[np.float32], found: NDArray[np.float32]) -> Difference:
    """Compare logits (clips, classes), row by row, in float64. ValueError where the shapes differ or are empty."""
    if reference.shape != found.shape or reference.ndim != 2 or 0 in reference.shape:
        raise ValueError(f"logits {found.shape} against {reference.shape}")
    clips = tuple(_clip(*rows) for rows in zip(reference, found, strict=True))
    worst = max(range(len(clips)), key=lambda place: clips[place].max_abs)
    return Difference(
        max_abs=clips[worst].max_abs,
        cosine=min(clip.cosine for clip in clips),
        top1=sum(clip.top1 for clip in clips) / len(clips),
        worst=worst,
        clips=clips,
    )


def _clip(reference: NDArray[np.float32], found: NDArray[np.float32]) -> ClipDifference:
    import numpy as np

    a, b = reference.astype(np.float64), found.astype(np.float64)
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return ClipDifference(float("inf"), -1.0, False)
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    cosine = float(np.clip(a @ b / norms, -1, 1)) if norms else float(np.array_equal(a, b))
    return ClipDifference(float(np.abs(a - b).max()), cosine, bool(a.argmax() == b.argmax()))
