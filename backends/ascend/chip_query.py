"""What chips this machine has now, asked of a process of their own: stages never call npu-smi, and never import acl."""

from __future__ import annotations

import subprocess
from pathlib import Path

from backends.core.codec import DecodeError, loads
from backends.core.messages import line
from backends.core.processes import child_environment, python_command
from backends.core.values import DeviceTable, Trouble

SIMULATED = "R3D_TUI_SIMULATED"
"""Environment variable of all processes of a workspace whose chips are simulated."""
PROBE = "backends.ascend.chip_probe"
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
        return DeviceTable("live", Trouble("timeout", "npu-smi: no answer", cause))
    except DecodeError:
        cause = line("the chips could not be read: see the stage's log")
        return DeviceTable("live", Trouble(None, "no answer", cause))
