"""A strict stand-in for CANN's atc: it refuses what the real one refuses, and writes an `.om` that names its chip.

It is started by the wrapper that `build.write_scripts` (or the tests of convert) writes, as the real atc is a wrapper
too. `FAKE_ATC` in the environment asks for a fault.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

KNOWN = {
    "model", "framework", "output", "input_format", "input_shape", "log", "soc_version", "precision_mode",
    "op_select_implmode", "optypelist_for_implmode", "output_type", "keep_dtype", "auto_tune_mode",
}  # fmt: skip
CHIPS = {"Ascend310", "Ascend310P3", "Ascend310B4", "Ascend910B4", "Ascend910_9392"}
CODES = {
    "precision_mode": {
        "force_fp16",
        "force_fp32",
        "cube_fp16in_fp32out",
        "allow_fp32_to_fp16",
        "allow_mix_precision",
        "allow_mix_precision_fp16",
        "allow_mix_precision_bf16",
        "must_keep_origin_dtype",
    },
    "op_select_implmode": {"high_performance", "high_precision"},
    "log": {"debug", "info", "warning", "error", "null"},
    "input_format": {"NCHW", "NCDHW", "ND"},
}


def fail(text: str) -> None:
    print("ATC run failed, Please check the detail log, Try 'atc --help' for more information")
    print(text, flush=True)
    sys.exit(255)


def options() -> dict[str, str]:
    given: dict[str, str] = {}
    for argument in sys.argv[1:]:
        name, equals, value = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or not equals or name not in KNOWN or name in given:
            fail(f"E10001: Value [{argument}] for parameter [unknown] is invalid.")
        if not value:
            fail(f"E10054: The required parameter [--{name}] for ATC is empty.")
        given[name] = value
    for name in ("framework", "model", "output", "soc_version"):
        if name not in given:
            fail(f"E10007: [PID: {os.getpid()}] 2025-03-18-09:02:18.501.341 [--{name}] is required.")
    return given


def check(given: dict[str, str]) -> None:
    if os.environ.get("FAKE_CANN") != "sourced":
        fail("EC0010: [PID: 7] 2025-07-08-10:25:28.680.962 Failed to import Python module [No module named 'tbe'].")
    if len(sys.argv) > 1 and any(
        part and Path(part, "numpy").exists() for part in os.environ.get("PYTHONPATH", "").split(":")
    ):
        fail("EC0010: Failed to import Python module [AttributeError: `np.float_` was removed].")
    for name, allowed in CODES.items():
        if name in given and given[name] not in allowed:
            fail(f"E10001: Value [{given[name]}] for parameter [--{name}] is invalid.")
    if given["soc_version"] not in CHIPS:
        fail(f"E10001: Value [{given['soc_version']}] for parameter [--soc_version] is invalid.")
    if given["framework"] != "5":
        fail("E10001: Value for parameter [--framework] is invalid.")


def check_model(given: dict[str, str]) -> None:
    import onnx

    try:
        model = onnx.load(given["model"])
    except Exception as error:  # noqa: BLE001 - whatever the parser of a broken file says
        fail(f"E10001: cannot read {given['model']}: {error}")
    if len(model.opset_import) != 1:
        fail("E16005: The model has [2] domain_version fields, but only one is allowed.")
    if model.opset_import[0].version > 18 or model.ir_version > 8:
        fail("E19010: No parser is registered for Op [conv1, optype [ai.onnx::23::Conv]].")
    name, _, shape = given.get("input_shape", "").rpartition(":")
    (end,) = model.graph.input
    if name and name != end.name:
        fail(f"E10016: Opname [{name}] specified in [--input_shape] is not found in the model.")
    if shape and [int(n) for n in shape.split(",")] != [d.dim_value for d in end.type.tensor_type.shape.dim]:
        fail("E10001: Value [-1] for parameter [input] is invalid.")


def main() -> None:
    print("ATC start working now, please wait for a moment.", flush=True)
    fault = os.environ.get("FAKE_ATC", "")
    given = options()
    check(given)
    check_model(given)
    if fault == "hang":
        helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        Path(os.environ["FAKE_PIDS"]).write_text(f"{os.getpid()} {helper.pid}")
        time.sleep(600)
    if fault.startswith("say:"):
        fail(fault.removeprefix("say:"))
    if fault.startswith("exit:"):
        sys.exit(int(fault.removeprefix("exit:")))
    for _ in range(3):
        print("...", flush=True)
    suffix = "_linux_x86_64" if fault == "suffix" else ""
    if fault != "silent":
        model = Path(given["model"]).read_bytes()  # what the fake pyACL computes with
        head = f"IMOD{given['soc_version']}\n{hashlib.sha256(model).hexdigest()}\n"
        Path(f"{given['output']}{suffix}.om").write_bytes(head.encode() + model)
    print("ATC run success, welcome to the next use.")
    print("W11001: Op [fc] does not hit the high-priority operator information library.", flush=True)


main()
