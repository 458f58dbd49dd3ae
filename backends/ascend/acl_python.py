"""Which Python imports `acl`: ours, or the one that CANN was made for, found by importing it there.

`acl.so` carries no version tag, so nothing but the import tells. The process of a device runs under what is found.
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
"""For one import: it loads CANN's libraries, and a driver in trouble may hang it."""
_ASK = "import numpy, sys, acl; print('r3d', sys.executable)"


class AclPython(Struct, frozen=True):
    """Where `acl` imports."""

    python: Path | None
    """None: nowhere."""
    reason: str = ""
    """Of the first that refused, its last line."""

    @property
    def is_ours(self) -> bool:
        """The Python that runs this."""
        return self.python == Path(sys.executable)


def find_acl_python(given: Path | None, toolkit: cann.Toolkit | None, limit_s: float = LIMIT_S) -> AclPython:
    """The Python that was given, else ours, else the first on PATH that imports `acl` and NumPy."""
    first = ""
    for candidate in [str(given)] if given is not None else _candidates():
        answer, reason = _ask(candidate, toolkit, limit_s)
        if answer is not None:
            return AclPython(answer)
        first = first or reason
    return AclPython(None, first)


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


def _ask(python: str, toolkit: cann.Toolkit | None, limit_s: float) -> tuple[Path | None, str]:
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
        return None, f"import acl: no end in {limit_s:.0f} s"
    except OSError as error:
        return None, f"{python}: {error.strerror or error}"
    rows = [row for row in map(plain, done.stdout.decode("utf-8", "replace").splitlines()) if row]
    found = next((row[4:] for row in rows if row.startswith("r3d ")), None)
    if done.returncode == 0 and found:
        return Path(sys.executable if python == sys.executable else found), ""
    return None, rows[-1][:300] if rows else f"exit status {done.returncode}"
