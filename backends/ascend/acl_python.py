"""Which Python imports `acl`: ours, or the one that CANN was made for, found by importing it there.

`acl.so` carries no version tag, so nothing but the import shows it. The process of a device runs under what is found.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from backends.ascend import cann
from backends.ascend.ais_bench_install import plain

OTHERS = ("python3", *(f"python3.{minor}" for minor in range(7, 14)))
"""Looked for on PATH after ours, behind `set_env.sh` where there is one."""
LIMIT_S = 30.0
"""For one import: it loads CANN's libraries, and a faulty driver may hang it."""
_ASK = """
import sys, numpy, acl
name = getattr(acl, "get_soc_name", str)()
print("\\nr3d", sys.version.split()[0], name or "-", sys.executable)
"""
"""CANN before 5.1 has no `get_soc_name`."""


class AclPython(Struct, frozen=True):
    """Where `acl` imports."""

    python: Path | None
    """None: nowhere."""
    version: str = ""
    """Of that Python."""
    soc_name: str = ""
    """Of the chips, such as Ascend310P3; empty where CANN does not name them."""
    output: str = ""
    """Of the first Python that refused, what it printed."""

    @property
    def reason(self) -> str:
        rows = [row for row in map(plain, self.output.splitlines()) if row]
        return rows[-1][:300] if rows else ""

    @property
    def is_ours(self) -> bool:
        return self.python == Path(sys.executable)


def find_acl_python(given: Path | None, toolkit: cann.Toolkit | None, limit_s: float = LIMIT_S) -> AclPython:
    """The Python that was given, else ours, else the first on PATH that imports `acl` and NumPy."""
    tried = (import_acl(one, toolkit, limit_s) for one in ([str(given)] if given is not None else _candidates()))
    refused: list[AclPython] = []
    for answer in tried:
        if answer.python is not None:
            return answer
        refused.append(answer)
    return refused[0]


def foreign_environment() -> dict[str, str]:
    """This process's environment without our packages, which another Python must not see."""
    ours = str(Path(__file__).resolve().parents[2])
    parts = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(part for part in parts if part and part != ours)}


def _candidates() -> Iterator[str]:
    yield sys.executable
    seen = {os.path.realpath(sys.executable)}
    for name in OTHERS:
        path = shutil.which(name)
        if path is not None and os.path.realpath(path) not in seen:
            seen.add(os.path.realpath(path))
            yield path


def import_acl(python: str, toolkit: cann.Toolkit | None, limit_s: float = LIMIT_S) -> AclPython:
    """Import it for real, in a process of its own: it may hang or crash, and nothing that has imported it may fork."""
    environment = None if python == sys.executable else foreign_environment()
    try:
        command = cann.sourced(toolkit, [python, "-c", _ASK])
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=limit_s,
            check=False,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        return AclPython(None, output=f"import acl: no end in {limit_s:.0f} s")
    except OSError as error:
        return AclPython(None, output=f"{python}: {error.strerror or error}")
    text = done.stdout.decode("utf-8", "replace")
    found = next((row.split(None, 3)[1:] for row in text.splitlines() if row.startswith("r3d ")), [])
    if done.returncode != 0 or len(found) != 3:
        return AclPython(None, output=text.strip() or f"exit status {done.returncode}")
    version, name, path = found
    return AclPython(Path(sys.executable if python == sys.executable else path), version, name.strip("-"))
