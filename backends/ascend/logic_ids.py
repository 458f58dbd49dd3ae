"""Logic ids where neither the table nor `-m` prints them, as on the 950. Inside a container nothing is guessed.

CANN's documentation of `aclrtGetLogicDevIdByPhyDevId`: outside a container a chip's logic id is its physical id; inside
one the chips are counted again, and only the user knows which they are.
"""

from __future__ import annotations

import os
from collections.abc import Mapping as Environment
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from backends.ascend.npu_names import Mapping, with_mapping
from backends.core.values import DeviceTable

_FIRST = {"pid": "pid:[4026531836]", "uts": "uts:[4026531838]"}
"""The kernel's own namespaces, by their fixed numbers; a container has others."""
_MARKS = (".dockerenv", "run/.containerenv", "run/systemd/container")
_VARIABLES = ("KUBERNETES_SERVICE_HOST", "container")


def live_ids(table: DeviceTable, mappings: Sequence[Mapping], *, host: bool | None = None) -> DeviceTable:
    """A live table with the ids of `-m`; where that has physical ones only, these outside a container.

    `host` says whether this is outside of one; None: found out where it matters.
    """
    table = with_mapping(table, mappings)
    physical = [chip.phy_id for chip in table.chips]
    known = any(chip.device_id is not None for chip in table.chips)
    if known or None in physical or len(set(physical)) != len(physical):
        return table
    if not (outside_containers() if host is None else host):
        return table
    return replace(table, chips=tuple(replace(chip, device_id=chip.phy_id) for chip in table.chips))


def outside_containers(root: Path = Path("/"), environment: Environment[str, str] | None = None) -> bool:
    """Whether nothing points to a container; False where that is not known."""
    environment = os.environ if environment is None else environment
    if any((root / mark).exists() for mark in _MARKS) or any(environment.get(name) for name in _VARIABLES):
        return False
    try:
        return all(str((root / "proc/self/ns" / kind).readlink()) == number for kind, number in _FIRST.items())
    except OSError:
        return False
