"""A runtime that computes almost nothing: cheap logits of a clip's own values after a stated latency.

What is measured with it is everything but the model: reading, handing out, counting, making durable. Options of its
device: `latency_s` (seconds a batch, default 0) and `classes` (default 51). Its logits depend on the clip alone, not
on its place in a batch, so that layouts and devices can be compared to the bit.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from backends.device.model_runtime import DeviceSpec, RuntimeInfo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RUNTIME = RuntimeInfo("null", "backends.inference.runtimes.null:Null", "numpy", ("cpu", "ascend"))

_SAMPLES = 64
"""Values of a clip that enter its logits."""


class Null:
    """Stands where a model would; see the module's text."""

    version = "null 1"

    def __init__(self) -> None:
        self._latency_s = 0.0
        self._weights: NDArray[np.float32] | None = None

    def open(self, model: Path, device: DeviceSpec, shape: tuple[int, ...]) -> int:  # noqa: ARG002 - no model is read
        import numpy as np

        classes = int(device.options.get("classes") or 51)
        self._latency_s = float(device.options.get("latency_s") or 0.0)
        grid = np.arange(_SAMPLES * classes, dtype=np.float32).reshape(_SAMPLES, classes)
        self._weights = np.cos(grid)
        return classes

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Sampled values times fixed weights, after the latency; the wait sleeps and takes no core."""
        assert self._weights is not None, "run before open"
        due = time.monotonic() + self._latency_s
        flat = batch.reshape(len(batch), -1)
        samples = flat[:, 7 :: flat.shape[1] // _SAMPLES][:, :_SAMPLES]
        logits: NDArray[np.float32] = (samples[:, :, None] * self._weights).sum(1)
        while time.monotonic() < due:
            time.sleep(max(0.0, due - time.monotonic()))
        return logits

    def close(self) -> None:
        self._weights = None
