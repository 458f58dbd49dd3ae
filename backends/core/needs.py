"""Needs: the modules, tools and folders a stage cannot work without, asked for before anything runs.

It looks with `find_spec` and `which` only: nothing is imported, nothing is installed.
"""

import shutil
from importlib.machinery import PathFinder
from typing import Literal

from msgspec import Struct

from backends.core.messages import Line, line

NeedKind = Literal["module", "tool"]


class Need(Struct, frozen=True):
    """One thing that must be there. `name` is a module's import name or a tool's command name."""

    kind: NeedKind
    name: str
    hint: Line = Line("")


class Finding(Struct, frozen=True):
    """One row of the check stage's table: what was looked for, what was found, and the fix where it is not met."""

    name: str
    state: Literal["met", "warning", "missing", "unknown"]
    found: Line = Line("")
    hint: Line = Line("")


def module(name: str, package: str | None = None) -> Need:
    """A Python module, and the package that brings it."""
    return Need("module", name, line("pip install {package}", package=package or name))


def missing(needs: tuple[Need, ...]) -> tuple[Need, ...]:
    """Those of `needs` that this interpreter and this PATH do not have."""
    return tuple(need for need in needs if not _met(need))


def _met(need: Need) -> bool:
    if need.kind == "tool":
        return shutil.which(need.name) is not None
    return PathFinder.find_spec(need.name.partition(".")[0]) is not None
