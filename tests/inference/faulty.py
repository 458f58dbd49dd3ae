"""A runtime that fails as it is told to; for these tests alone, reached by its entry and by no name.

Options beside those of the null runtime: `fault` (error, memory, crash, exit, hang, shape, nan, open, input), `device`
(the one that fails; absent: all), `at` (from which of its batches on, the warm-up not counted), `once` (a file that
marks that it has failed already), `poison` (the number of a clip that makes any batch fail).
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from backends.device.failures import DeviceError
from backends.device.model_runtime import DeviceSpec
from backends.inference.runtimes.null import Null


class Faulty(Null):
    """See the module's text."""

    version = "faulty 1"

    def open(self, model: Path, device: DeviceSpec, shape: tuple[int, ...]) -> int:
        """Open, or fail to."""
        self.options = device.options
        self.mine = self.options.get("device") in (None, device.id)
        self.runs = -1
        print("libraries print")  # descriptor 1 belongs to the protocol
        os.write(1, b"even past Python\n")
        if self.options.get("fault") == "input" and self.mine:
            raise DeviceError("{path}: not a model", hint="export it", exit_code=2, path=str(model))
        if self.options.get("fault") == "open" and self._due():
            raise OSError("the device is busy")
        return super().open(model, device, shape)

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Compute, or fail to."""
        logits = super().run(batch)
        self.runs += 1
        fault = self.options.get("fault")
        if self.runs == 0 or fault in (None, "open", "input") or not self._due(batch):
            return logits
        if fault == "error":
            raise RuntimeError("aicore exception 507015")
        if fault == "memory":
            raise MemoryError("Failed to allocate memory for requested buffer")
        if fault == "crash":
            os.abort()
        if fault == "exit":
            os._exit(9)
        while fault == "hang":
            time.sleep(1)
        return logits[:-1] if fault == "shape" else logits * np.float32("nan")

    def _due(self, batch: np.ndarray | None = None) -> bool:
        poison, once = self.options.get("poison"), self.options.get("once")
        if poison is not None and batch is not None:
            marks = ((batch[:, 0, 0, 0, 0] * 0.2768 + 0.4345) * 255).round()
            return bool((marks == poison).any())
        if not self.mine or 0 <= self.runs < int(self.options.get("at") or 0):
            return False
        if once:
            try:
                Path(str(once)).touch(exist_ok=False)
            except FileExistsError:
                return False
        return True
