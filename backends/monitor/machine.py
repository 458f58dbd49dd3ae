"""What is measured on: the machine and the versions, as far as they can be read. For bench reports and bundles."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata

from backends.core.messages import Line, Scalar, line
from backends.monitor import cpu_groups


def load_note(found: Mapping[str, Scalar]) -> tuple[Line, ...]:
    """A note where the machine had other work before the measurement began."""
    load, cores = found["load_before"], found["cores"]
    if not isinstance(load, float) or not isinstance(cores, int) or load < cores / 2:
        return ()
    return (
        line(
            "other work ran on this machine (load {load} on {cores} cores): times are too long", load=load, cores=cores
        ),
    )


def machine() -> dict[str, Scalar]:
    """What was measured on. A value that the system does not give is None."""
    group = cpu_groups.groups()[0]
    _, memory = cpu_groups.memory_mb()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "cpu": group.name,
        "cores": len(group.cores),
        "memory_mb": memory,
        "load_before": None if load is None else round(load, 2),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Of Python, of us, and of those packages that are installed."""
    found = {"python": platform.python_version()}
    for name in ("r3d-tui", *packages):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
