"""Lays an Ascend server out in a folder: `bin/npu-smi`, a CANN toolkit with atc and pyACL, and `server.json`."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SOC = {"310": "Ascend310", "310P3": "Ascend310P3", "910B4": "Ascend910B4"}


@dataclass
class Server:
    """A server's folder; `change` takes effect in the processes that start afterwards."""

    folder: Path

    @property
    def config(self) -> dict[str, Any]:
        """What `server.json` says."""
        found: dict[str, Any] = json.loads((self.folder / "server.json").read_text())
        return found

    def change(self, **values: Any) -> None:
        """Set top-level values, such as faults=[{"call": "mdl.execute", "device": 1, "at": 2, "code": 507015}]."""
        (self.folder / "server.json").write_text(json.dumps({**self.config, **values}, indent=1))

    def environment(self) -> dict[str, str]:
        """What makes a process see this server: npu-smi on PATH, CANN where set_env.sh is looked for."""
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return {"PATH": path, "ASCEND_TOOLKIT_HOME": str(self.folder / "cann/latest"), "FAKE_SERVER": str(self.folder)}

    def reports(self) -> list[dict[str, Any]]:
        """What each process that used pyACL did wrong and left behind."""
        return [json.loads(path.read_text()) for path in sorted((self.folder / "reports").glob("*.json"))]

    def report(self, pid: int) -> dict[str, Any]:
        """That of one process."""
        found: dict[str, Any] = json.loads((self.folder / "reports" / f"{pid}.json").read_text())
        return found

    def trace(self) -> list[dict[str, Any]]:
        """Copies and executions with their times, where "trace" is set."""
        files = sorted(self.folder.glob("trace-*.jsonl"))
        return [{"file": path.name, **json.loads(row)} for path in files for row in path.read_text().splitlines()]


def make_server(folder: Path, chips: int = 1, name: str = "310P3", **values: Any) -> Server:
    """A server of `chips` chips, two to a card as the 310P duo has them; ids have gaps, as they have in life."""
    found = [
        {
            "npu": 1 + 3 * (number // 2),
            "chip": number % 2,
            "device": number,
            "name": name,
            "soc": SOC[name],
            "health": "OK",
            "power": "NA" if number % 2 else "17.5",
        }
        for number in range(chips)
    ]
    for sub in ("bin", "open", "reports", "cann/latest/bin", "cann/latest/python"):
        (folder / sub).mkdir(parents=True, exist_ok=True)
    (folder / "server.json").write_text(json.dumps({"chips": found, **values}, indent=1))
    write_scripts(folder)
    return Server(folder)


def write_scripts(folder: Path, version: str = "8.0.RC2") -> None:
    """npu-smi and the toolkit, for this interpreter; what is there and right stays, for others may be using it."""
    latest = folder / "cann" / "latest"
    link = latest / "python" / "site-packages"
    if not link.exists() or link.resolve() != HERE / "site-packages":
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(HERE / "site-packages")
    _put(folder / "bin" / "npu-smi", f'#!/bin/sh\nexec "{sys.executable}" -S "{HERE / "npu_smi.py"}" "$@"\n')
    _put(latest / "bin" / "atc", f'#!/bin/sh\n"{sys.executable}" "{HERE / "atc.py"}" "$@"\nexit $?\n')
    tuner = latest / "tools" / "aoe" / "bin" / "aoe"
    _put(tuner, f'#!/bin/sh\n"{sys.executable}" "{HERE / "aoe.py"}" "$@"\nexit $?\n')
    profiler = latest / "tools" / "profiler" / "bin" / "msprof"
    _put(profiler, f'#!/bin/sh\n"{sys.executable}" "{HERE / "msprof.py"}" "$@"\nexit $?\n')
    _put(latest / "version.cfg", f"# version: 1.0\ntoolkit_running_version=[7.3.0.1.231:{version}]\n")
    # as the real script: it finds itself by BASH_SOURCE, and minds the arguments that it was sourced with
    _put(
        folder / "cann" / "set_env.sh",
        'for option in "$@"; do echo "unexpected argument $option"; exit 9; done\n'
        'here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/latest\n'
        'export ASCEND_HOME_PATH="$here" PATH="$here/bin:$PATH" FAKE_CANN=sourced\n'
        'export PYTHONPATH="$here/python/site-packages${PYTHONPATH:+:$PYTHONPATH}"\n',
    )


def _put(path: Path, text: str) -> None:
    if path.is_file() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text)
    part.chmod(0o755)
    part.replace(path)
