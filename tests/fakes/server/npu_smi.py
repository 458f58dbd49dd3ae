"""A stand-in for npu-smi: `info` and `info -m` of the server that `FAKE_SERVER` describes, in the real layouts.

Processes are those that have a chip open in the fake pyACL, and those that `server.json` puts there.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(os.environ["FAKE_SERVER"])
CONFIG: dict[str, Any] = json.loads((ROOT / "server.json").read_text())


def processes(chip: dict[str, Any]) -> list[tuple[int, str, int]]:
    found = [(one["pid"], one["name"], 1200) for one in CONFIG.get("busy", ()) if one["device"] == chip["device"]]
    for marker in (ROOT / "open").glob(f"{chip['device']}-*"):
        pid = int(marker.name.partition("-")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            continue
        found.append((pid, "python3", 412))
    return found


def row(cells: tuple[object, ...], widths: tuple[int, ...]) -> str:
    return "|" + "|".join(f" {cell!s:<{width - 1}}"[:width] for cell, width in zip(cells, widths, strict=False)) + "|"


def rule(sign: str, widths: tuple[int, ...]) -> str:
    return "+" + "+".join(sign * width for width in widths) + "+"


def chips() -> list[dict[str, Any]]:
    return [chip for chip in CONFIG["chips"] if not (ROOT / f"gone-{chip['device']}").exists()]


def table() -> Iterator[str]:
    """Layouts of 24.1: with a Device column and one memory (310, 310P), or without and with HBM (910)."""
    hbm = CONFIG["chips"][0]["name"].startswith("910")
    widths = (27, 15, 52) if hbm else (31, 17, 54)
    whole = sum(widths) + 2
    yield rule("-", (whole,))
    yield f"| {'npu-smi 24.1.0':<33}{'Version: 24.1.0':<{whole - 34}}|"
    yield rule("-", widths)
    pages = (
        "Power(W)    Temp(C)           Hugepages-Usage(page)"
        if hbm
        else "Power(W)     Temp(C)           Hugepages-Usage(page)"
    )
    yield row(("NPU   Name" if hbm else "NPU     Name", "Health", pages), widths)
    load = "AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)" if hbm else "AICore(%)    Memory-Usage(MB)"
    yield row(("Chip" if hbm else "Chip    Device", "Bus-Id", load), widths)
    yield rule("=", widths)
    for chip in chips():
        busy = processes(chip)
        power = chip.get("power", "NA")
        first = f"{chip['npu']:<5} {chip['name']}" if hbm else f"{chip['npu']:<7} {chip['name']}"
        yield row((first, chip["health"], f"{power:<11} {41:<17} 0    / 0"), widths)
        second = f"{chip['chip']}" if hbm else f"{chip['chip']:<7} {chip['device']}"
        used = 1041 + sum(size for _, _, size in busy)
        memory = f"0    / 0          {used:<6}/ 65536" if hbm else f"{used:<5}/ 21534"
        yield row((second, f"0000:0{chip['npu'] % 10}:00.0", f"{93 if busy else 0:<11} {memory}"), widths)
        yield rule("=", widths)
    yield from process_table(widths)


def process_table(widths: tuple[int, ...]) -> Iterator[str]:
    columns = (widths[0], widths[1], 26, widths[2] - 27)
    yield rule("-", columns)
    yield row(("NPU     Chip", "Process id", "Process name", "Process memory(MB)"), columns)
    yield rule("=", columns)
    for chip in chips():
        for pid, name, size in processes(chip):
            yield row((f"{chip['npu']:<7} {chip['chip']}", pid, name[:15], size), columns)
        if not processes(chip):
            yield f"| {'No running processes found in NPU ' + str(chip['npu']):<{sum(widths) + 1}}|"
        yield rule("=", columns)


def mapping() -> Iterator[str]:
    heads = ("NPU ID", "Chip ID", "Chip Logic ID", "Chip Name")
    yield "\t" + "".join(f"{head:<31}" for head in heads)
    for chip in chips():
        cells = (chip["npu"], chip["chip"], chip["device"], f"Ascend {chip['name']}")
        yield "\t" + "".join(f"{cell!s:<31}" for cell in cells)


def board(npu: str) -> Iterator[str]:
    """The fields of `-t board` that matter here, of a card."""
    chips = [chip for chip in CONFIG["chips"] if str(chip["npu"]) == npu]
    fields = {
        "NPU ID": npu,
        "Product Name": "NA",
        "Software Version": "24.1.0",
        "Firmware Version": "7.5.0.5.220",
        "Compatibility": CONFIG.get("compatibility", "OK"),
        "Chip Count": len(chips),
    }
    yield from (f"\t{name:<30} : {value}" for name, value in fields.items())


def main() -> int:
    if CONFIG.get("smi") == "hang":
        time.sleep(600)
    if CONFIG.get("smi") == "fail":
        print("dcmi module initialize failed. ret is -8005")
        return 1
    given = sys.argv[1:]
    if given[:-1] == ["info", "-t", "board", "-i"] and given[-1] in {str(chip["npu"]) for chip in CONFIG["chips"]}:
        print("\n".join(board(given[-1])))
        return 0
    if given not in (["info"], ["info", "-m"]):
        print("Error parameter of the command")
        return 1
    print("\n".join(table() if given == ["info"] else mapping()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
