"""Three ways to logits for the same clips: the checkpoint's own forward pass, ONNX Runtime and OpenVINO, on the CPU.

Each is handed a source of batches and gives logits (clips, classes), float32, one row a clip. They refuse to know
which clips they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from backends.core.errors import StageError
from backends.core.messages import N_
from backends.device.telemetry import no_telemetry
from backends.models.checkpoint import Checkpoint
from backends.models.network import from_architecture

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Batch = NDArray[np.float32]


class Clips(Protocol):
    """Clips in a fixed order."""

    def batches(self, size: int, kind: str = "float32") -> Iterator[tuple[NDArray[Any], int]]:
        """(size, 3, 16, 112, 112), float32 or the bytes themselves (uint8), and how many rows count.

        The last has rows of zeros at its end.
        """
        ...


def checkpoint_logits(checkpoint: Checkpoint, clips: Clips, batch: int = 5) -> Batch:
    """The network in torch, in evaluation mode, holding the checkpoint's own tensors."""
    import numpy as np
    import torch

    with torch.device("meta"):  # no memory and no random numbers for weights that are replaced at once
        network = from_architecture(checkpoint.architecture)
    network.load_state_dict(dict(checkpoint.state), strict=False, assign=True)
    _forget_counters(network)
    network.eval()
    rows = []
    with torch.inference_mode():
        for data, count in clips.batches(batch):
            rows.append(network(torch.from_numpy(data)).numpy()[:count])
    return np.concatenate(rows)


def onnxruntime_logits(model: Path, clips: Clips) -> Batch:
    """ONNX Runtime's CPU provider, on floats or bytes as the model takes. StageError where it cannot read it."""
    import numpy as np
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    try:
        session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise _unreadable(model, "ONNX Runtime", error) from error
    (end,) = session.get_inputs()
    found = clips.batches(int(end.shape[0]), "uint8" if end.type == "tensor(uint8)" else "float32")
    return np.concatenate([session.run(None, {end.name: data})[0][:count] for data, count in found])


def openvino_logits(model: Path, clips: Clips) -> Batch:
    """OpenVINO on the CPU in float32, as infer runs it. StageError where it cannot read the model."""
    import numpy as np

    no_telemetry()
    import openvino as ov

    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
    try:
        compiled = ov.Core().compile_model(model, "CPU", settings)
    except RuntimeError as error:
        raise _unreadable(model, "OpenVINO", error) from error
    found = clips.batches(int(compiled.input(0).shape[0]))
    return np.concatenate([compiled([data])[0][:count].copy() for data, count in found])


def _forget_counters(network: Any) -> None:
    """Checkpoints older than torch 0.4.1 have no `num_batches_tracked`; evaluation does not read it."""
    for module in network.modules():
        counter = getattr(module, "num_batches_tracked", None)
        if counter is not None and counter.is_meta:
            module.num_batches_tracked = None


def _unreadable(model: Path, runtime: str, error: Exception) -> StageError:
    text = N_("{name}: {runtime} cannot read the model: {reason}")
    reason = " ".join(str(error).split())[:300]
    hint = N_("see the stage's log")
    return StageError(text, hint=hint, name=model.name, runtime=runtime, reason=reason)
