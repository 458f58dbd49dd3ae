"""npu-smi of a simulated server, run as a program: `info`, and the board of a card, as a 310P3 prints them.

A chip's processes are those that have it open in the simulated pyACL. It runs without site packages, and imports
nothing of ours.
"""

import json
import math
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

VERSION = "24.1.0"
WIDTHS = (31, 17, 54)
COLUMNS = (31, 17, 26, 27)
"""Of the table of processes."""
MEMORY_MB, MODEL_MB, IDLE_MB = 21534, 412, 1041


def processes(root: Path, device: int) -> list[int]:
    found = [int(marker.name.partition("-")[2]) for marker in (root / "open").glob(f"{device}-*")]
    return [pid for pid in sorted(found) if Path(f"/proc/{pid}").exists()]


def _row(cells: tuple[object, ...], widths: tuple[int, ...] = WIDTHS) -> str:
    return "|" + "|".join(f" {cell!s:<{width - 1}}" for cell, width in zip(cells, widths, strict=True)) + "|"


def _rule(sign: str, widths: tuple[int, ...] = WIDTHS) -> str:
    return "+" + "+".join(sign * width for width in widths) + "+"


def table(root: Path, chips: list[dict[str, Any]]) -> Iterator[str]:
    open_by = {chip["device"]: processes(root, chip["device"]) for chip in chips}
    whole = sum(WIDTHS) + 2
    yield _rule("-", (whole,))
    yield _row((f"npu-smi {VERSION:<25}Version: {VERSION}",), (whole,))
    yield _rule("-")
    yield _row(("NPU     Name", "Health", "Power(W)     Temp(C)           Hugepages-Usage(page)"))
    yield _row(("Chip    Device", "Bus-Id", "AICore(%)    Memory-Usage(MB)"))
    yield _rule("=")
    for chip in chips:
        busy = len(open_by[chip["device"]])
        wave = math.sin(time.time() / 4 + chip["device"]) if busy else 0.0
        power = chip["power"] if chip["power"] == "NA" else f"{17.5 + busy * (23 + 4 * wave):.1f}"
        status = f"{power:<12} {round(55 + 4 * wave) if busy else 41:<17} 0    / 0"
        yield _row((f"{chip['npu']:<7} {chip['name']}", chip["health"], status))
        load = f"{round(93 + 6 * wave) if busy else 0:<12} {IDLE_MB + busy * MODEL_MB:<5}/ {MEMORY_MB}"
        yield _row((f"{chip['chip']:<7} {chip['device']}", f"0000:{chip['npu']:02x}:00.0", load))
        yield _rule("=")
    yield _rule("-", COLUMNS)
    yield _row(("NPU     Chip", "Process id", "Process name", "Process memory(MB)"), COLUMNS)
    yield _rule("=", COLUMNS)
    for chip in chips:
        for pid in open_by[chip["device"]]:
            yield _row((f"{chip['npu']:<7} {chip['chip']}", pid, "python3", MODEL_MB), COLUMNS)
        if not open_by[chip["device"]]:
            yield _row((f"No running processes found in NPU {chip['npu']}",), (whole,))
        yield _rule("=", COLUMNS)


def board(npu: str) -> Iterator[str]:
    """The fields of `-t board` that a reader looks at."""
    fields = {"NPU ID": npu, "Software Version": VERSION, "Firmware Version": "7.5.0.5.220", "Compatibility": "OK"}
    yield from (f"\t{name:<30} : {value}" for name, value in fields.items())


def main(given: list[str]) -> int:
    """Print what is asked for; exit status 1 where this npu-smi has no answer."""
    root = Path(os.environ["R3D_TUI_SIMULATED"])
    chips = json.loads((root / "server.json").read_text(encoding="utf-8"))["chips"]
    if given == ["info"]:
        lines = table(root, chips)
    elif given[:-1] == ["info", "-t", "board", "-i"] and given[-1] in {str(chip["npu"]) for chip in chips}:
        lines = board(given[-1])
    else:
        lines = iter(("Error parameter of the command",))
    text = "\n".join(lines)
    sys.stdout.write(text + "\n")
    return int(text.startswith("Error"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
