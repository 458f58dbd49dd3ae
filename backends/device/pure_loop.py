"""One loop of pure inference in a process of its own, without a stage to talk to: what a profiler is given to start.

`inference.operator_profile` writes the command line; `__main__` hands it on.
"""

from __future__ import annotations

import sys
from pathlib import Path

from backends.device import clip_kernels
from backends.device.model_runtime import DeviceSpec, Runtime, load, staging


def main() -> int:
    """Arguments: runtime's entry, model, index of the device, batch, frames, size, loop. A traceback where it fails."""
    entry, model, *rest = sys.argv[1:]
    index, batch, frames, size, loop = map(int, rest)
    runtime: Runtime = load(entry)()
    shape = (batch, 3, frames, size, size)
    try:
        runtime.open(Path(model), DeviceSpec(f"npu:{index}", index), shape)
        stage = staging(runtime)
        clips = clip_kernels.buffer(shape, "float32") if stage is None else stage.buffers(1)[0]
        for _ in range(loop):
            runtime.run(clips)
    finally:
        runtime.close()
    return 0
