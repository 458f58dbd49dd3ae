"""ONNX Runtime's CANN provider: the ONNX file on a chip, compiled at its first run. It never runs on the CPU instead.

The package onnxruntime-cann imports without CANN and then computes on the CPU with a line of warning, and the provider
leaves single operators that it does not know to the CPU. Both are refused here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backends.device.failures import N_, DeviceError
from backends.device.model_runtime import DeviceSpec, RuntimeInfo, check_ports, read_failure
from backends.inference.runtimes.onnxruntime import OnnxRuntime, port

RUNTIME = RuntimeInfo("cann", "backends.inference.runtimes.cann:CannOnnx", "onnxruntime", ("ascend",), in_cann=True)

PROVIDER = "CANNExecutionProvider"
_NO_CPU = "session.disable_cpu_ep_fallback"
"""ONNX Runtime's own switch: a graph with a node for the CPU makes no session."""


class CannOnnx(OnnxRuntime):
    """One session on one chip; see the module's text. Its first `run` compiles the model for the chip: minutes."""

    def open(self, model: Path, device: DeviceSpec, shape: tuple[int, ...]) -> int:
        """As in `Runtime.open`; DeviceError with exit code 3 where the package, CANN or the chip cannot be had, or a
        node would be left to the CPU."""
        import onnxruntime as ort

        self.version = f"onnxruntime-cann {ort.__version__}"
        if PROVIDER not in ort.get_available_providers():
            hint = N_("pip uninstall onnxruntime, then pip install onnxruntime-cann: they exclude each other")
            raise DeviceError("this ONNX Runtime has no CANN provider", hint=hint, exit_code=3)
        if not model.is_file():
            raise read_failure(model, "ONNX Runtime", FileNotFoundError())
        session = _open(ort, model, device)
        providers = session.get_providers()
        if not providers or providers[0] != PROVIDER:
            text = N_("ONNX Runtime would compute on {provider} instead of the chip")
            raise DeviceError(text, hint=_FIX, exit_code=3, provider=providers[0] if providers else "nothing")
        session.disable_fallback()
        inputs, outputs = ([port(end) for end in ends] for ends in (session.get_inputs(), session.get_outputs()))
        classes = check_ports(model, shape, inputs, outputs)
        self._session = session
        return classes


_FIX = N_("source CANN's set_env.sh, see `npu-smi info`, and pair this onnxruntime-cann with its CANN; or use acl")


def _open(ort: Any, model: Path, device: DeviceSpec) -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry(_NO_CPU, "1")
    provider = (PROVIDER, {"device_id": str(device.index)})
    try:
        return ort.InferenceSession(str(model), options, providers=[provider], enable_fallback=0)
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]
        if "CPU EP" in str(error):
            hint = N_("use the runtime acl: atc compiles all of the model")
            text = N_("the CANN provider would leave part of the model to the CPU")
            raise DeviceError(text, hint=hint, exit_code=3) from error
        if "CANN" in str(error) or "EP Error" in str(error) or "acl" in str(error).lower():
            raise DeviceError(
                "the CANN provider does not start: {reason}", hint=_FIX, exit_code=3, reason=reason
            ) from error
        raise read_failure(model, "ONNX Runtime", error) from error
