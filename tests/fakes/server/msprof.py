"""A stand-in for msprof: it runs a program as the real one does and writes tables laid out as those of a release.

`FAKE_MSPROF` names the release: 8.0 (the default), 6.0, or 5.1, which makes its tables on `--export=on` alone. Where
the program fails there is no table, and msprof ends with 0 all the same. The rows are of a 3D ResNet's operators.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

KNOWN = {"application", "output", "export", "ai-core", "aic-metrics", "task-time", "ascendcl", "type"}
FOREIGN = set("\n\f\r\b\t\v\x7f\"'\\%><|&$;`")
KINDS = ("Conv3D", "Add", "MaxPool3D", "Relu", "TransData")
RELEASE = os.environ.get("FAKE_MSPROF", "8.0")
OLD = (
    "Model Name,Model ID,Task ID,Stream ID,Infer ID,Op Name,OP Type,Task Type,Task Start Time,Task Duration(us),"
    "Task Wait Time(us),Block Dim"
)
NEW = (
    "Device_id,Model ID,Task ID,Stream ID,Op Name,OP Type,OP State,Task Type,Task Start Time(us),Task Duration(us),"
    "Task Wait Time(us),Block Dim"
)
OLD_ROW = "model,1,{task},3,1,{name},{kind},AI_CORE,{start:.3f},{us:.3f},N/A,8"
NEW_ROW = "0,1,{task},3,{name},{kind},static,AI_CORE,{start:.3f}\t,{us:.3f},0.5,8"
LAYOUT = {
    "8.0": ("mindstudio_profiler_output/op_summary_20250318090218.csv", NEW, NEW_ROW),
    "6.0": ("device_0/summary/op_summary_0_1_1.csv", OLD, OLD_ROW),
    "5.1": ("device_0/summary/op_summary_0_1.csv", OLD, OLD_ROW),
}


def fail(text: str) -> None:
    print(f"[ERROR] {text}", flush=True)
    sys.exit(1)


def write(folder: Path) -> None:
    path, head, row = LAYOUT[RELEASE]
    rows, start = [head], 1000.0
    for task in range(60):
        kind = KINDS[task % len(KINDS)]
        us = 400.0 - task % 15 if kind == "Conv3D" else 20.0 + task % 15
        rows.append(row.format(task=task, name=f"{kind}_{task % 15}", kind=kind, start=start, us=us))
        start += us
    rows.append(row.format(task=99, name="N/A", kind="N/A", start=start, us=1e6))  # a task that is no operator
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text("\n".join(rows) + "\n")


def main() -> None:
    if os.environ.get("FAKE_CANN") != "sourced":
        print("msprof: error while loading shared libraries: libmsprofiler.so: cannot open shared object file")
        sys.exit(127)
    given = dict(argument.removeprefix("--").partition("=")[::2] for argument in sys.argv[1:])
    if wrong := sorted(given.keys() - KNOWN):
        fail(f"unrecognized option '--{wrong[0]}'")
    out = given.get("output", "")
    if FOREIGN & set(out) or not Path(out).is_dir():
        fail(f"Argument --output: {out} is invalid")
    if given.get("export") == "on":
        if not (Path(out) / "device_0" / "data").is_dir():
            fail(f"There is no data to export in {out}")
        write(Path(out))
        return
    program = Path(given["application"])
    if not os.access(program, os.X_OK) or program.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        fail(f"Argument --application: {program} is invalid")
    done = subprocess.run([program], env={**os.environ, "PROFILER_SAMPLECONFIG": "{}"}, check=False)
    folder = Path(out) / "PROF_000001_20250318090218501_ABCDEF"
    (folder / "host").mkdir(parents=True)
    if done.returncode == 0:
        (folder / "device_0" / "data").mkdir(parents=True)
    if done.returncode == 0 and RELEASE != "5.1":
        write(folder)
    print(f"[INFO] Process profiling data complete. Data is saved in {folder}", flush=True)


main()
