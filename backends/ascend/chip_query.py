"""What chips this machine has now, and whether they are free. Stages ask a process of their own, which this module is
too (`python -m backends.ascend.chip_query [--soc]`): they never call npu-smi, and never import acl.

With `--soc` every way to a soc_version is tried, `acl.get_soc_name()` among them, in processes of their own.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from backends.ascend.npu_smi_calls import read_devices, read_ids
from backends.core.codec import DecodeError, dumps, loads
from backends.core.messages import Line, line
from backends.core.processes import child_environment, die_with_parent, python_command
from backends.core.values import Chip, ChipProcess, DeviceTable, ToolFailure

PROBE = "backends.ascend.chip_query"
"""The module that is run, by name as a stage's entry is."""
LIMIT_S = 120.0
"""For all of its calls together; each has a limit of its own."""


def ask_chips(workspace: Path, *, soc: bool = False) -> DeviceTable:
    """A reading of the chips, with logic ids; `soc` asks for soc_version by every way there is. Never raises."""
    # in the group of the stage, which dies as one; the calls of the module have limits of their own
    command = python_command(PROBE, *(["--soc"] if soc else []))
    environment = child_environment(workspace)
    try:
        ended = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=LIMIT_S, check=False
        )
        return loads(DeviceTable, ended.stdout)
    except subprocess.TimeoutExpired:
        cause = line("npu-smi gave no answer in {limit:.0f} s", limit=LIMIT_S)
        return DeviceTable("live", ToolFailure("timeout", "npu-smi: no answer", cause))
    except DecodeError:
        cause = line("the chips could not be read: see the stage's log")
        return DeviceTable("live", ToolFailure(None, "no answer", cause))


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


TRIES = 3
PAUSE_S = 1.0
"""Small boards refuse a call while another one, the sampler's, is at work."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one DeviceTable. A failing tool is reported in its `error`; the exit code is 0 in any case."""
    given = sys.argv[1:] if arguments is None else arguments
    die_with_parent()
    table = DeviceTable("live")
    for attempt in range(TRIES):
        time.sleep(PAUSE_S if attempt else 0)
        table = read_devices("live") if "--soc" in given else read_ids(own_group=False)
        if table.chips or (table.error is not None and table.error.code in ("timeout", None)):
            break
    sys.stdout.write(dumps(table) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
