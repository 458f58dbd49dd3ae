"""ONNX Runtime on a group of cores: its CPU provider and nothing else, so that it never runs where nobody looks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends.device.model_runtime import INPUT, OUTPUT, DeviceSpec, Port, RuntimeInfo, check_ports, read_failure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RUNTIME = RuntimeInfo(
    "onnxruntime", "backends.inference.runtimes.onnxruntime:OnnxRuntime", "onnxruntime", ("cpu",), rank=2
)


class OnnxRuntime:
    """The CPU runtime that is always there: wheels for every platform that we know of.

    A device's option `input` is the element type that the model takes, `uint8` for one that normalizes (verify).
    """

    def __init__(self) -> None:
        self.version = "onnxruntime"
        self._session: Any = None

    def open(self, model: Path, device: DeviceSpec, shape: tuple[int, ...]) -> int:
        import onnxruntime as ort

        self.version = f"onnxruntime {ort.__version__}"
        try:
            session = ort.InferenceSession(str(model), _options(ort, device), providers=["CPUExecutionProvider"])
        except Exception as error:
            raise read_failure(model, "ONNX Runtime", error) from error
        inputs, outputs = ([port(end) for end in ends] for ends in (session.get_inputs(), session.get_outputs()))
        classes = check_ports(model, shape, inputs, outputs, str(device.options.get("input", "float32")))
        self._session = session
        return classes

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        result: NDArray[np.float32] = self._session.run([OUTPUT], {INPUT: batch})[0]
        return result

    def close(self) -> None:
        self._session = None


def _options(ort: Any, device: DeviceSpec) -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    if device.cores:
        options.intra_op_num_threads = len(device.cores)
    return options


def port(end: Any) -> Port:
    kinds = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(uint8)": "uint8"}
    shape = tuple(n if isinstance(n, int) else None for n in end.shape)
    return Port(end.name, shape, kinds.get(end.type, end.type))
