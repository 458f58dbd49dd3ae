"""The verify stage: the exported and the simplified model against the checkpoint's own forward pass, on real clips.

It refuses to know accuracy: a model that agrees with its checkpoint may still be a bad one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any

from backends.core.codec import decode
from backends.core.errors import InputError, StageError
from backends.core.events import Outcome
from backends.core.files import write_whole
from backends.core.messages import N_, Scalar, line
from backends.data.clip_store import ClipStore
from backends.device import clip_kernels
from backends.models import forward
from backends.models.checkpoint import Checkpoint, read_checkpoint
from backends.models.params import VerifyParams
from backends.models.parity import Difference, compare
from backends.worker.job import Job

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Logits = NDArray[np.float32]


def run(job: Job) -> Outcome:
    """Stage `verify`: input `checkpoint`, upstream export, simplify and preprocess, to `verify.json`.

    Raises StageError, after writing `verify.json`, where a model is over one of the thresholds.
    """
    params = decode(VerifyParams, dict(job.params))
    if "checkpoint" not in job.inputs:
        raise InputError("no checkpoint", hint="name the .pth under [model] checkpoint in r3d.toml")
    checkpoint = read_checkpoint(job.inputs["checkpoint"], params.wanted)
    store = ClipStore.open(job.upstream["preprocess"].path("store"))
    numbers = spread(store.clip_count, params.clips)
    if not numbers:
        raise StageError("the clip store holds no clips to compare on", hint="see what preprocess set aside, and why")
    logits = _all_logits(checkpoint, _StoredClips(job, store, numbers), _models(job, params))
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


class _StoredClips:
    """The chosen clips, read anew for each model so that one batch is in memory at a time."""

    def __init__(self, job: Job, store: ClipStore, numbers: Sequence[int]) -> None:
        self._job = job
        self._store = store
        self._numbers = numbers
        self._done = 0
        self._passes = 1

    def announce(self, passes: int) -> None:
        """Say how often all clips will be read: once a model."""
        self._passes = passes
        self._job.progress(0, passes * len(self._numbers), "clips")

    def batches(self, size: int, kind: str = "float32") -> Iterator[tuple[NDArray[Any], int]]:

        out = clip_kernels.buffer((size, *self._store.header.shape), kind)
        for start in range(0, len(self._numbers), size):
            self._job.check_stop()
            some = self._numbers[start : start + size]
            yield self._store.batch(some, out, pad_to=size), len(some)
            self._done += len(some)
            self._job.progress(self._done, self._passes * len(self._numbers), "clips")


def _models(job: Job, params: VerifyParams) -> dict[str, Callable[[forward.Clips], Logits]]:
    """What is held against the checkpoint, by the name that its figures bear."""
    exported, simplified = job.upstream["export"].path("onnx"), job.upstream["simplify"].path("onnx")
    models: dict[str, Callable[[forward.Clips], Logits]] = {
        "onnx": lambda clips: forward.onnxruntime_logits(exported, clips),
        "sim": lambda clips: forward.onnxruntime_logits(simplified, clips),
    }
    if job.upstream["simplify"].has("uint8"):
        fed_bytes = job.upstream["simplify"].path("uint8")
        models["uint8"] = lambda clips: forward.onnxruntime_logits(fed_bytes, clips)
    if params.runtime in ("auto", "openvino") and PathFinder.find_spec("openvino"):
        models["openvino"] = lambda clips: forward.openvino_logits(simplified, clips)
    elif params.runtime in ("auto", "openvino"):
        job.note(line("openvino is not installed: the models are compared in ONNX Runtime alone"))
    return models


def _all_logits(
    checkpoint: Checkpoint, clips: _StoredClips, models: dict[str, Callable[[forward.Clips], Logits]]
) -> dict[str, Logits]:
    clips.announce(1 + len(models))
    logits = {"checkpoint": forward.checkpoint_logits(checkpoint, clips)}
    for name, model in models.items():
        logits[name] = model(clips)
    return logits


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
        text = N_("{model}: cosine similarity to the checkpoint is {found:.6f}, at least {limit:.6f} is asked for")
        raise StageError(text, hint=hint, found=found.cosine, limit=params.cosine, **facts)
    if not found.top1 >= params.top1:
        text = N_("{model}: the top class is the checkpoint's on {found:.3f} of the clips, {limit:.3f} is asked for")
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
