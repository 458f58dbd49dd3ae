"""A strict stand-in for CANN's aoe: options, paths, repository and words as its guides of 6.0 to 9.0 have them.

It tunes four operators of the model, each for `FAKE_AOE_S` seconds. Operators that the repository holds are passed over
unless `REPEAT_TUNE` is true; subgraphs go on only with `--reload`, in the folder where the work was cut off. `FAKE_AOE`
asks for a fault.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import time
from pathlib import Path

KNOWN = {
    "model", "job_type", "framework", "input_format", "input_shape", "reload", "device", "progress_bar", "output",
    "log", "output_type", "precision_mode", "precision_mode_v2", "op_select_implmode", "optypelist_for_implmode",
    "keep_dtype",
}  # fmt: skip
NAME = re.compile(r"[A-Za-z0-9_.\-\u4e00-\u9fff/]+")
OPERATORS = ("Conv_0", "Conv_3", "Conv_7", "Gemm_120")


def fail(text: str) -> None:
    print(f"[Aoe]{text}\n[Aoe]Aoe process failed.", flush=True)
    sys.exit(1)


def options() -> dict[str, str]:
    given: dict[str, str] = {}
    for argument in sys.argv[1:]:
        name, equals, value = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or name not in KNOWN or name in given or (not equals and name != "reload"):
            fail(f"E10001: Value [{argument}] for parameter [unknown] is invalid.")
        given[name] = value
    if given.get("job_type") not in ("1", "2"):
        fail("E10001: Value for parameter [--job_type] is invalid. Reason: it is 1 or 2.")
    for name in ("model", "output"):
        if not NAME.fullmatch(given.get(name, "")):
            fail(f"E10001: Value [{given.get(name)}] for parameter [--{name}] is invalid.")
    if given.get("progress_bar", "on") not in ("on", "off") or given.get("framework") != "5":
        fail("E10001: Value for parameter [--progress_bar] or [--framework] is invalid.")
    return given


def chip(device: int) -> str:
    if "FAKE_SERVER" not in os.environ:
        return "Ascend310P3"
    chips = json.loads((Path(os.environ["FAKE_SERVER"]) / "server.json").read_text())["chips"]
    found = next((one["soc"] for one in chips if one["device"] == device), None)
    if found is None:
        fail(f"EE1001: The argument is invalid. Reason: device {device} is not there.")
    return str(found)


def bank() -> Path:
    folder = Path(os.environ.get("TUNE_BANK_PATH", ""))
    if not os.environ.get("TUNE_BANK_PATH") or not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        fail(f"E10001: Value [{folder}] for environment [TUNE_BANK_PATH] is invalid. Reason: The path does not exist.")
    return folder


def tune_operators(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in OPERATORS:
        held = folder / f"{name}.json"
        if held.exists() and os.environ.get("REPEAT_TUNE", "False").lower() != "true":
            continue
        wait()
        held.write_text("{}")
        print(f"[Aoe]<{name}> Tuning process finished.", flush=True)
    report = {"model_performance_improvement": "5.25%", "opat_tuning_result": "tuning successful"}
    result = {"report_1_1": [{"basic": {"tuning_time(s)": 1827}}, {"OPAT": report}]}
    Path(f"aoe_result_opat_20250318090218_{os.getpid()}.json").write_text(json.dumps(result))


def tune_subgraphs(*, reload: bool) -> None:
    work = Path("aoe_workspace")
    jobs = sorted(work.glob("*/done"))
    if reload and not jobs:
        fail("E10001: Value for parameter [--reload] is invalid. Reason: there is no job to go on with.")
    done = jobs[-1] if reload else work / f"model_{time.time_ns()}" / "done"
    done.parent.mkdir(parents=True, exist_ok=True)
    done.touch()
    for name in OPERATORS:
        if name not in done.read_text().split():
            wait()
            done.write_text(f"{done.read_text()} {name}")
            print(f"[Aoe]<subgraph_{name}> Tuning process finished.", flush=True)
    print("[Aoe]<model> process finished. Performance improved by 12.50%", flush=True)


def wait() -> None:
    time.sleep(float(os.environ.get("FAKE_AOE_S", "0")))


def main() -> None:
    if os.environ.get("FAKE_CANN") != "sourced":
        print("aoe: error while loading shared libraries: libaoe_tuning.so: cannot open shared object file")
        sys.exit(127)
    given = options()
    soc, folder = chip(int(given.get("device", "0"))), bank()
    if not Path(given["model"]).is_file():
        fail(f"E10410: Get key path {given['model']} failed.")
    if os.environ.get("FAKE_AOE", "").startswith("say:"):
        fail(os.environ["FAKE_AOE"].removeprefix("say:"))
    if given["job_type"] == "1":
        tune_subgraphs(reload="reload" in given)
    else:
        tune_operators(folder / soc / "cube")
    model = Path(given["model"]).read_bytes()
    head = f"IMOD{soc}\n{hashlib.sha256(model).hexdigest()}\n"
    Path(f"{given['output']}_linux_{os.uname().machine}.om").write_bytes(head.encode() + model)
    print("[Aoe]Aoe process finished,cost time 1109s.", flush=True)


main()
