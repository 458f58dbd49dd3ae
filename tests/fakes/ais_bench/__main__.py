"""The run itself: what is selected, how it is batched, what is written where."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from pathlib import Path

import aclruntime  # noqa: F401 - imported before the options are read, as in the real one
import numpy as np

from ais_bench.device import Cpp, Device, Faults
from ais_bench.options import LEGAL, at_least, generation, parse, safe_file


class OpenException(Exception):  # noqa: N818 - the real one's name
    """A path that the newer generations refuse."""


def log(text: str) -> None:
    print(f"[INFO] {text}", flush=True)


def error(text: str) -> None:
    print(f"[ERROR] {text}", flush=True)


def natural(path: Path) -> list:
    return [int(part) if part.isdigit() else part.lower() for part in re.split(r"(\d+)", path.name)]


def select(given: str) -> list[Path]:
    parts = given.split(",")
    if len(parts) == 1 and os.path.isdir(given):
        found = [path for path in Path(given).iterdir() if path.suffix.lower() in (".npy", ".bin")]
        if at_least("E") and len(found) > 100_000:
            raise OpenException("too many files")
    else:
        found = [Path(part) for part in parts]
    for path in found:
        if at_least("D"):
            if not LEGAL.fullmatch(os.path.abspath(path) if at_least("E") else str(path)):
                print("[\x1b[1;32mSOLUTION\x1b[0m] visit the FAQ", flush=True)
                raise OpenException("create FileStat failed")
            try:
                safe_file(str(path), "input")
            except argparse.ArgumentTypeError as reason:
                raise OpenException(str(reason)) from None
    return sorted(found, key=natural)


def out_folder(args) -> Path:
    folder = Path(args.output, args.output_dirname or time.strftime("%Y_%m_%d-%H_%M_%S"))
    if generation() == "A":
        folder.mkdir(parents=True)  # fails where it exists
    else:
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    if at_least("D"):
        folder.chmod(0o750)
    log(f"output path:{folder}")
    return folder


def bar(name: str, done: int, total: int, begun: float) -> str:
    if sys.stdout.isatty() and os.get_terminal_size(1).columns == 0:
        return ""  # tqdm draws nothing in a terminal without a size
    share = done / total
    filled = int(10 * share)
    rate = f"{done / max(1e-6, time.monotonic() - begun):.2f}it/s" if done else "?it/s"
    left = "00:00" if done else "?"
    return f"\r{name}: {int(100 * share):3d}%|{'█' * filled:<10}| {done}/{total} [00:00<{left}, {rate}]"


def infer(args, device: Device, faults: Faults) -> tuple[dict, Path | None]:
    if args.input is None:
        return pure(args, device)
    files = select(args.input)
    first = files[0].stat().st_size
    if not first or device.size % first:
        error(f"arg0 tensorsize: {device.size} filesize: {first} not match")
        raise RuntimeError("tensorsize and filesize not match")
    per = device.size // first
    runs = [files[at : at + per] for at in range(0, len(files), per)]
    folder = out_folder(args) if args.output else None
    log(f"get filesperbatch files0 size:{first} tensor0size:{device.size} filesperbatch:{per} runcount:{len(runs)}")
    device.execute(bytes(device.size), -1, count=False)
    log("warm up 1 times done" if generation() == "A" else "warm up 1 done")
    name = "Inference Processing" if generation() == "A" else "Inference array Processing"
    begun, drawn, written = time.monotonic(), time.monotonic(), {}
    print(bar(name, 0, len(runs), begun), end="", flush=True)
    for number, group in enumerate(runs):
        logits = device.execute(load(group, per, first, device), number, name=group[0].name.partition(".")[0])
        if folder is not None:
            rows = np.split(logits, per)
            written[str(number)] = save(group, rows, folder, faults, number)
        if time.monotonic() - drawn > 0.1 or number + 1 == len(runs):
            drawn = time.monotonic()
            print(bar(name, number + 1, len(runs), begun), end="", flush=True)
    print(flush=True)
    return written, folder


def load(group: list[Path], per: int, first: int, device: Device) -> bytes:
    parts = [path.read_bytes() for path in group]
    data = b"".join(parts + [parts[0]] * (per - len(parts)))
    if len(data) != device.size:
        if per == 1:
            error(f"check i:0 name:input in size:{len(data)} needsize:{device.size} not match")
        else:
            error(f"ndata size:{len(data)} not match {device.size}")
        raise RuntimeError("[1][ACL: invalid parameter] ")
    return data


def save(group: list[Path], rows: list[np.ndarray], folder: Path, faults: Faults, number: int) -> dict:
    outs = []
    for path, logits in zip(group, rows, strict=False):
        target = folder / f"{path.name.partition('.')[0]}_0.bin"
        data = logits.tobytes()
        target.write_bytes(data[:-4] if faults.due("short", number) else data)
        if at_least("D"):
            target.chmod(0o640)
        outs.append([str(target)])
    return {"infiles": [str(path) for path in group], "outfiles": outs}


def pure(args, device: Device) -> tuple[dict, Path | None]:
    data = bytes(device.size)
    device.execute(data, -1, count=False)
    log("warm up 1 done")
    for number in range(args.loop):
        print(f"\rloop inference exec: ({number + 1}/{args.loop})", end="", flush=True)
        logits = device.execute(data, number)
    print(flush=True)
    folder = out_folder(args) if args.output else None
    if folder is not None:
        (folder / "pure_infer_data_0.bin").write_bytes(logits.tobytes())
    return {}, folder


def summary(args, argv: list[str], device: Device, files: dict, folder: Path | None) -> None:
    times = device.times
    stats = {
        "min": min(times),
        "max": max(times),
        "mean": float(np.mean(times)),
        "median": float(np.median(times)),
        "percentile(99%)": float(np.percentile(times, 99)),
    }
    size = args.batchsize
    if size is None:
        size = device.batch
        log(f"try get model batchsize:{size}")
    rate = 1000 * size / stats["mean"]
    log("-----------------Performance Summary------------------")
    shown = ", ".join(f"{name} = {value:.2f}" for name, value in stats.items())
    log(f"NPU_compute_time (ms): {shown}")
    if generation() == "A":
        log("H2D_latency (ms): min = 0.5, max = 0.5, mean = 0.5, median = 0.5, percentile(99%) = 0.5")
        log("D2H_latency (ms): min = 0.01, max = 0.01, mean = 0.01, median = 0.01, percentile(99%) = 0.01")
    word = "batchsize" if generation() == "A" else "batchsize.mean"
    log(f"throughput 1000*{word}({size})/NPU_compute_time.mean({stats['mean']}): {rate}")
    log("------------------------------------------------------")
    if folder is None:
        return
    body = {"filesinfo": files, "args": argv, "NPU_compute_time": stats, "throughput": rate}
    body |= {"H2D_latency": {"mean": 0.5}, "D2H_latency": {"mean": 0.01}}
    if generation() != "A":
        body |= {"npu_compute_time_list": times, "pid": os.getpid()}
        stats["count"] = len(times)
    target = folder / "sumary.json" if generation() == "A" else folder.with_name(folder.name + "_summary.json")
    target.write_text(json.dumps(body))


def main(argv: list[str]) -> int:
    if calls := os.environ.get("FAKE_AIS_CALLS"):
        call = {"argv": argv, "pid": os.getpid(), "cwd": os.getcwd(), "terminal": sys.stdout.isatty()}
        with open(calls, "a") as file:
            file.write(json.dumps(call) + "\n")
    args = parse(argv)
    cpp, faults = Cpp(), Faults(args.device[0])
    device = None
    try:
        device = Device.__new__(Device)
        device.__init__(args.device[0], args.model, cpp, faults)
        files, folder = infer(args, device, faults)
        if not faults.due("no_summary"):
            summary(args, argv, device, files, folder)
    finally:
        device.close()
        cpp.flush()
    return 7 if faults.due("exit") else 0


if __name__ == "__main__":
    if generation() == "A":
        sys.exit("/usr/bin/python3: No module named ais_bench")
    sys.exit(main(sys.argv[1:]))
