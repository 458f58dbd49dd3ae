"""Tables as npu-smi prints them, from chips: every layout, by the widths and order of its columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from backends.core.values import Chip, ChipProcess


@dataclass(frozen=True)
class Layout:
    """One layout: widths of its cells without the bars, and what stands in them."""

    widths: tuple[int, ...]
    gaps: tuple[int, int, int]
    """Characters of power, temperature, used hugepages; likewise of load and the first memory."""
    kind: Literal["ddr", "hbm"] = "hbm"
    second: str = ""
    """What stands beside the chip's id in row 2: Device, Phy-ID or nothing."""
    hugepages: bool = True
    own_cell: bool = False
    """The NPU's id and its name stand in two cells, and row 2 has no ids."""
    container: bool = False
    """Processes have a last column for the id in the container."""

    @property
    def whole(self) -> int:
        """Characters of a row."""
        return sum(self.widths) + len(self.widths) + 1


LAYOUTS = {
    "310_20": Layout((19, 17, 40), (17, 20, 5), "ddr", "Device", hugepages=False),
    "310P_22": Layout((31, 17, 54), (12, 17, 6), "ddr", "Device"),
    "310P_cropped_name": Layout((19, 17, 54), (12, 17, 5), "ddr", "Device"),
    "910A_20": Layout((22, 15, 45), (10, 17, 5), hugepages=False),
    "910A_21": Layout((22, 15, 52), (11, 17, 5)),
    "A2_23": Layout((27, 15, 52), (11, 17, 5)),
    "A2_later": Layout((27, 15, 53), (11, 17, 6)),
    "A3_24": Layout((27, 15, 52), (11, 17, 5), second="Phy-ID"),
    "A2_26": Layout((27, 15, 70), (20, 23, 5), container=True),
    "A3_26": Layout((27, 15, 70), (20, 23, 5), second="Phy-ID", container=True),
    "950_25": Layout((8, 18, 15, 53), (11, 17, 6), own_cell=True),
    "950_wide": Layout((8, 18, 15, 70), (21, 24, 6), own_cell=True, container=True),
}


def printed(
    layout: Layout, chips: Sequence[Chip], processes: Sequence[ChipProcess] = (), version: str | None = "24.1.0"
) -> str:
    """The whole output."""
    return "\n".join(_rows(layout, chips, processes, version)) + "\n"


def _rows(
    layout: Layout, chips: Sequence[Chip], processes: Sequence[ChipProcess], version: str | None
) -> Iterator[str]:
    if version is not None:
        yield _rule("-", (layout.whole - 2,))
        yield _row((f"npu-smi {version:<24} Version: {version}",), (layout.whole - 2,))
    yield _rule("-", layout.widths)
    names = ("NPU ID", "Name") if layout.own_cell else (f"NPU{' ' * 5}Name",)
    load = "NPU Util(%)" if layout.own_cell else "AICore(%)"
    ids = ("", "") if layout.own_cell else (f"Chip  {layout.second}",)
    pages = "Hugepages-Usage(page)" if layout.hugepages else ""
    memories = "Memory-Usage(MB)" + ("  HBM-Usage(MB)" if layout.kind == "hbm" else "")
    yield _row((*names, "Health", _columns(layout.gaps, "Power(W)", "Temp(C)", pages)), layout.widths)
    yield _row((*ids, "Bus-Id", f"{load:<{layout.gaps[0]}} {memories}"), layout.widths)
    yield _rule("=", layout.widths)
    for place, chip in enumerate(chips):
        yield from _chip(layout, chip)
        last = place + 1 == len(chips) or chips[place + 1].npu_id != chip.npu_id
        yield _rule("=" if last else "-", layout.widths)
    yield from _processes(layout, chips, processes)


def _chip(layout: Layout, chip: Chip) -> Iterator[str]:
    missing = "-" if layout.second == "Phy-ID" else "NA"
    power = missing if chip.power_w is None else f"{chip.power_w:.1f}"
    temp = "NA" if chip.temp_c is None else f"{chip.temp_c:.0f}"
    pages = f"{'15':<{layout.gaps[2]}}/ 15" if layout.hugepages else ""
    ids = (str(chip.npu_id), chip.name or "") if layout.own_cell else (f"{chip.npu_id:<5} {chip.name or ''}",)
    yield _row((*ids, chip.health or "", _columns(layout.gaps, power, temp, pages)), layout.widths)
    number = {"Device": chip.device_id, "Phy-ID": chip.phy_id}.get(layout.second)
    ids = ("", "") if layout.own_cell else (f"{chip.chip_id:<5} {'' if number is None else number}",)
    load = "NA" if chip.aicore_percent is None else f"{chip.aicore_percent:.0f}"
    memories = _pair(chip.ddr_used_mb, chip.ddr_total_mb)
    if layout.kind == "hbm":
        memories = f"{memories:<{layout.gaps[1]}} {_pair(chip.hbm_used_mb, chip.hbm_total_mb)}"
    yield _row((*ids, chip.bus_id or "NA", f"{load:<{layout.gaps[0]}} {memories}"), layout.widths)


def _pair(used: int | None, total: int | None) -> str:
    return f"{'NA' if used is None else used!s:<5}/ {'NA' if total is None else total}"


def _processes(layout: Layout, chips: Sequence[Chip], processes: Sequence[ChipProcess]) -> Iterator[str]:
    head = ["NPU ID" if layout.own_cell else "NPU     Chip", "Process id", "Process name", "Process memory(MB)"]
    widths = [*((27,) if layout.own_cell else layout.widths[:1]), layout.widths[-2]]
    rest = layout.whole - sum(widths) - 5
    widths += [20, 23, rest - 44] if layout.container else [26, rest - 26]
    head += ["Process id in container"] if layout.container else []
    yield _rule("-", widths)
    yield _row(head, widths)
    yield _rule("=", widths)
    for npu in dict.fromkeys(chip.npu_id for chip in chips):
        mine = [entry for entry in processes if entry.npu_id == npu]
        for entry in mine:
            ids = str(npu) if layout.own_cell else f"{npu:<7} {entry.chip_id}"
            memory = "" if entry.memory_mb is None else str(entry.memory_mb)
            yield _row((ids, str(entry.pid), entry.name, memory, *(["NA"] if layout.container else [])), widths)
        if not mine:
            yield _row((f"No running processes found in NPU {npu}",), (layout.whole - 2,))
        yield _rule("=", widths)


def _columns(gaps: tuple[int, int, int], *values: str) -> str:
    return f"{values[0]:<{gaps[0]}} {values[1]:<{gaps[1]}} {values[2]}"


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "|" + "|".join(f" {cell:<{width - 1}}" for cell, width in zip(cells, widths, strict=True)) + "|"


def _rule(sign: str, widths: Sequence[int]) -> str:
    return "+" + "+".join(sign * width for width in widths) + "+"
