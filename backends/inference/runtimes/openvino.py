"""OpenVINO on a group of cores: one stream over all of them, float32 throughout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends.device.lifeline import no_telemetry
from backends.device.model_runtime import DeviceSpec, Port, RuntimeInfo, check_ports, read_failure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RUNTIME = RuntimeInfo("openvino", "backends.inference.runtimes.openvino:OpenVino", "openvino", ("cpu",), rank=1)


class OpenVino:
    """The faster CPU runtime: 81 to 90 % of the machine's sgemm rate for depth 50 on one thread."""

    def __init__(self) -> None:
        self.version = "openvino"
        self._request: Any = None

    def open(self, model: Path, device: DeviceSpec, shape: tuple[int, ...]) -> int:
        no_telemetry()
        import openvino as ov

        self.version = f"openvino {ov.__version__.partition('-')[0]}"
        core = ov.Core()
        try:
            network = core.read_model(str(model))
        except RuntimeError as error:
            raise read_failure(model, "OpenVINO", error) from error
        inputs, outputs = ([_port(end) for end in ends] for ends in (network.inputs, network.outputs))
        classes = check_ports(model, shape, inputs, outputs)
        if network.is_dynamic():
            network.reshape(list(shape))
        self._request = core.compile_model(network, "CPU", _settings(device)).create_infer_request()
        return classes

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """As in `Runtime.run`; the input is read where it lies, the result is copied."""
        result: NDArray[np.float32] = self._request.infer([batch], share_inputs=True)[0].copy()
        return result

    def close(self) -> None:
        self._request = None


def _settings(device: DeviceSpec) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": "f32",  # otherwise bfloat16 on processors that have it: other scores
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "ENABLE_CPU_PINNING": False,  # the process is pinned to its cores already
    }
    if device.cores:
        settings["INFERENCE_NUM_THREADS"] = len(device.cores)
    return settings


def _port(end: Any) -> Port:
    shape = tuple(dim.get_length() if dim.is_static else None for dim in end.get_partial_shape())
    names = sorted(end.get_names())
    kinds = {"f32": "float32", "f16": "float16", "u8": "uint8"}
    kind = end.get_element_type().get_type_name()
    return Port(names[0] if names else "", shape, kinds.get(kind, kind))
