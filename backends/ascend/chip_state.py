"""Whether a chip is free and healthy: what a run without `infer.devices` goes by, and what the console shows of it."""

from __future__ import annotations

from collections.abc import Sequence

from backends.core.messages import Line, line
from backends.core.values import Chip, ChipProcess


def processes_of(chip: Chip, processes: Sequence[ChipProcess]) -> list[ChipProcess]:
    """Those on a chip; where the tool names only the NPU, those of its NPU."""
    return [one for one in processes if one.npu_id == chip.npu_id and one.chip_id in (None, chip.chip_id)]


def why_not_taken(chip: Chip, processes: Sequence[ChipProcess]) -> Line | None:
    """Why a run takes the chip only where `infer.devices` names it; None where it is healthy and free."""
    if chip.health not in (None, "OK"):
        return line("npu-smi reports {health}", health=chip.health)
    if names := dict.fromkeys(one.name or str(one.pid) for one in processes_of(chip, processes)):
        return line("busy: {names}", names=", ".join(names)[:80])
    return None


def used_by(chip: Chip, processes: Sequence[ChipProcess]) -> str:
    """The process that holds most of its memory, as `pid 4121 python`, and how many others; "" where it is free."""
    found = sorted(processes_of(chip, processes), key=lambda one: -(one.memory_mb or 0))
    if not found:
        return ""
    others = f" +{len(found) - 1}" if len(found) > 1 else ""
    return f"pid {found[0].pid} {found[0].name}{others}".rstrip()
