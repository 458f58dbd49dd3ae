"""Logits of a few clips of a store, spread over it, under PyTorch and under ONNX Runtime. `verify` calls it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends.core.messages import Scalar, StageError
from backends.core.model_io import ClipShape
from backends.data.clip_store import ClipStore
from backends.device import clip_kernels
from backends.device.failures import DeviceError
from backends.device.model_runtime import DeviceSpec, load
from backends.inference.device_link import as_line
from backends.inference.runtime_registry import known_runtimes
from backends.models.checkpoint import Checkpoint
from backends.models.families import network_of
from backends.models.forward import forward
from backends.worker.job import Job

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Logits = NDArray[np.float32]

TORCH_BATCH = 5
"""Clips at once through torch: its unfused values take the memory of a larger batch elsewhere."""
CPU_RUNTIME = "onnxruntime"
"""What computes an ONNX file here."""


def spread(count: int, wanted: int) -> tuple[int, ...]:
    """`wanted` of `count` clip numbers, evenly spaced, so that they fall on many videos; all where there are fewer."""
    wanted = min(wanted, count)
    return tuple((2 * place + 1) * count // (2 * wanted) for place in range(wanted))


class ClipPass:
    """The chosen clips under one model after another, one batch in memory at a time."""

    def __init__(self, job: Job, store: ClipStore, numbers: Sequence[int]) -> None:
        self.numbers = numbers
        self._job, self._store = job, store
        self._done = self._total = 0

    def expect(self, passes: int) -> None:
        self._total = passes * len(self.numbers)
        self.count(0)

    def count(self, clips: int) -> None:
        """So many more clips are done."""
        self._done += clips
        self._job.progress(self._done, self._total, "clips")

    def finish(self, figures: dict[str, Scalar]) -> None:
        self._job.progress(self._total, self._total, "clips", figures=figures)

    def owner(self, place: int) -> tuple[str, str]:
        """Id and label of the video that the clip at that place is of."""
        number = self.numbers[place]
        return next((video.id, video.label) for video in self._store.videos if number in video.numbers)

    def logits(self, compute: Callable[[NDArray[Any]], Logits], batch: int, kind: str = "float32") -> Logits:
        """One row a clip, of float32 or uint8 batches filled up with zeros."""
        import numpy as np

        rows, out = [], clip_kernels.buffer((batch, *self._store.header.shape), kind)
        for start in range(0, len(self.numbers), batch):
            self._job.check_stop()
            some = self.numbers[start : start + batch]
            rows.append(compute(self._store.batch(some, out, pad_to=batch))[: len(some)].copy())
            self.count(len(some))
        return np.concatenate(rows)


def torch_logits(checkpoint: Checkpoint, clips: ClipPass) -> Logits:
    import torch

    network = network_of(checkpoint.architecture)
    state = {name: torch.from_numpy(values) for name, values in checkpoint.state.items()}

    def compute(batch: NDArray[Any]) -> Logits:
        with torch.inference_mode():
            found: Logits = forward(network, state, torch.from_numpy(batch)).numpy()
        return found

    return clips.logits(compute, TORCH_BATCH)


def onnx_logits(model: Path, clips: ClipPass, clip: ClipShape, kind: str = "float32") -> Logits:
    """An ONNX file under the runtime that infer uses for it, on all cores; `kind` is of its input."""
    runtime = load(known_runtimes()[CPU_RUNTIME].entry)()
    cores = tuple(sorted(os.sched_getaffinity(0)))
    device = DeviceSpec("cpu:0", cores=cores, options={"input": kind})
    try:
        runtime.open(model, device, (clip.batch, *clip.clip))
        return clips.logits(runtime.run, clip.batch, kind)
    except DeviceError as error:
        reason = as_line(error.reason)
        raise StageError(reason.template, hint=as_line(error.hint), **reason.facts) from error
    finally:
        runtime.close()
