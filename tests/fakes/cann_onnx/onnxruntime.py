"""A strict stand-in for onnxruntime-cann: the provider, its options, and its silent way to the CPU.

FAKE_CANN_ONNX   "" works; `no_provider`: plain onnxruntime; `no_cann`: the provider is listed and does not start;
                 `cpu_nodes`: it leaves operators to the CPU; `lies`: the session says it runs on the CPU;
                 `fails NUMBER`: `run` fails, and its number stands in standard error alone, as the provider logs it
"""

import os
import sys

import numpy as np

__version__ = "1.23.2"
MODE = os.environ.get("FAKE_CANN_ONNX", "")
CANN, CPU = "CANNExecutionProvider", "CPUExecutionProvider"
KNOWN = {"device_id", "npu_mem_limit", "arena_extend_strategy", "enable_cann_graph", "enable_cann_subgraph"}


class EPFail(Exception):  # noqa: N818 - the real one's name
    """[ONNXRuntimeError] : 11 : EP_FAIL"""


def get_available_providers():
    return [CPU] if MODE == "no_provider" else [CANN, CPU]


class SessionOptions:
    def __init__(self):
        self.log_severity_level, self.entries = 2, {}

    def add_session_config_entry(self, key, value):
        self.entries[key] = value


class _End:
    def __init__(self, name, shape):
        self.name, self.shape, self.type = name, shape, "tensor(float)"


class InferenceSession:
    def __init__(self, path, sess_options=None, providers=None, *, enable_fallback=1):
        ((name, options),) = providers
        assert name == CANN
        assert set(options) <= KNOWN
        assert all(isinstance(value, str) for value in options.values())
        with open(path, "rb") as file:
            if not file.read(1):
                raise EPFail("[ONNXRuntimeError] : 7 : INVALID_PROTOBUF : Load model from x failed")
        self.providers, self.fallback = [CANN, CPU], bool(enable_fallback)
        strict = sess_options.entries.get("session.disable_cpu_ep_fallback") == "1"
        if MODE == "cpu_nodes" and strict:
            raise EPFail("This session contains graph nodes that are assigned to the default CPU EP, but fallback to")
        if MODE == "no_cann":
            if enable_fallback:
                print("EP Error create CANN ExecutionProvider fail")
                self.providers = [CPU]
            else:
                raise EPFail("create CANN ExecutionProvider fail\nsecond line")
        if MODE == "lies":
            self.providers = [CPU]
        self.device = int(options["device_id"])

    def get_providers(self):
        return self.providers

    def disable_fallback(self):
        self.fallback = False

    def get_inputs(self):
        return [_End("input", [2, 3, 16, 112, 112])]

    def get_outputs(self):
        return [_End("output", [2, 5])]

    def run(self, names, feeds):
        assert names == ["output"]
        assert not self.fallback
        if MODE.startswith("fails "):
            text = f"CANN failure {MODE.split()[1]}: failed ; NPU={self.device} ; expr=aclmdlExecute(modelID_, inputs)"
            sys.stderr.write(
                f"\x1b[1;31m2026-01-02 03:04:05.6 [E:onnxruntime:, cann_call.cc:94 CannCall] {text}\x1b[m\n"
            )
            raise EPFail("[ONNXRuntimeError] : 1 : FAIL : CANN error executing aclmdlExecute")
        (batch,) = feeds.values()
        assert (batch.shape, batch.dtype) == ((2, 3, 16, 112, 112), np.float32)
        return [batch.reshape(2, -1)[:, :5] + self.device]
