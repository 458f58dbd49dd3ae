"""Simulated chips for a demo: a server laid out beside the workspace's data, and used by that workspace alone.

npu-smi, atc and pyACL of this package play the server; models run for real, on the CPU, and take at least the
published time. Every process of such a workspace has `SIMULATED` in its environment, and what it shows of a chip is
labelled.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from backends.core.files import write_whole
from backends.core.messages import N_, InputError
from backends.core.processes import SIMULATED
from backends.core.published import published_rates

FOLDER = "simulated"
"""In the workspace: what makes it one of simulated chips."""
SERVER = "server.json"
"""In that folder: what the server is. Without it nothing was laid out, or not to the end."""
FAILS, FAILS_AFTER_S = 3, 5.0
"""The chip that is lost, and how long after the scores are known; a server of fewer chips loses none."""
LOOPS = 250
"""The demo's clips so often: some ten seconds of eight chips at the published rate."""
NAME, SOC, CANN = "310P3", "Ascend310P3", "8.0.RC2"

_HERE = Path(__file__).resolve().parent
_entered: dict[str, str | None] = {}
"""Environment variables that `enter` has set, and what they were before."""


def build(workspace: Path, chips: int) -> None:
    """Lay out a server of `chips` chips in a workspace; one whose making was cut off is completed.

    InputError where the workspace is one of the CPU, or has another number of chips.
    """
    server = workspace / FOLDER / SERVER
    if not server.is_file():
        if (workspace / "r3d.toml").exists():
            text = N_("{path}: a demo without simulated chips is there")
            raise InputError(text, hint="name a new or empty folder", path=str(workspace))
        _write_scripts(server.parent)
        _put(server, json.dumps({"chips": [_chip(number) for number in range(chips)]}, indent=1))
        return
    there = len(json.loads(server.read_text(encoding="utf-8"))["chips"])
    if there != chips:
        text = N_("{path}: a demo of {there} simulated chips is there")
        hint = N_("name a new or empty folder, or --chips {there}")
        raise InputError(text, hint=hint, path=str(workspace), there=there)


def enter(workspace: Path) -> None:
    """Let this process and its children see the simulated server of `workspace`, or the real machine again."""
    for name, before in _entered.items():
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before
    _entered.clear()
    folder = workspace.absolute() / FOLDER
    if not (folder / SERVER).is_file():
        return
    _write_scripts(folder)
    path = f"{folder / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    values = {"PATH": path, "ASCEND_TOOLKIT_HOME": str(folder / "cann/latest"), SIMULATED: str(folder)}
    for name, value in values.items():
        _entered[name] = os.environ.get(name)
        os.environ[name] = value


def _chip(number: int) -> dict[str, Any]:
    """Two chips to a card, as the 310P duo has them; the second one prints no power."""
    return {
        "npu": 1 + 3 * (number // 2),
        "chip": number % 2,
        "device": number,
        "name": NAME,
        "soc": SOC,
        "health": "OK",
        "power": "NA" if number % 2 else "17.5",
        **({"fails_after_s": FAILS_AFTER_S} if number == FAILS else {}),
    }


def _write_scripts(folder: Path) -> None:
    """npu-smi and the toolkit, for this interpreter; what is there and right stays, for others may be using it."""
    latest = folder / "cann" / "latest"
    modules = latest / "python" / "site-packages"
    if modules.is_symlink():  # of version 0.1
        modules.unlink()
    rate = published_rates(NAME)[0].clips_per_s
    lines = (
        "import sys",
        "",
        f"sys.path.append({str(_HERE)!r})",
        "import simulated_acl",
        "from simulated_acl import *",
    )
    _put(modules / "acl.py", "\n".join((*lines, f"simulated_acl.CLIPS_PER_S = {rate}", "")))
    for place, name in ((folder / "bin" / "npu-smi", "npu_smi"), (latest / "bin" / "atc", "atc")):
        _put(place, f'#!/bin/sh\nexec "{sys.executable}" -S "{_HERE / f"simulated_{name}.py"}" "$@"\n')
    _put(latest / "version.cfg", f"toolkit_running_version=[7.3.0.1.231:{CANN}]\n")
    _put(
        folder / "cann" / "set_env.sh",
        'here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/latest\n'
        'export ASCEND_HOME_PATH="$here" PATH="$here/bin:$PATH"\n'
        'export PYTHONPATH="$here/python/site-packages${PYTHONPATH:+:$PYTHONPATH}"\n',
    )


def _put(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_whole(path, text.encode())
        path.chmod(0o755)
