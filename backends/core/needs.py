"""Needs: the modules that a stage cannot work without, looked for before anything runs: nothing is imported."""

from importlib.machinery import PathFinder
from typing import Literal

from msgspec import Struct

from backends.core.messages import Line, line


class Need(Struct, frozen=True):
    """A Python module by its import name."""

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
    return Need(name, line("pip install {package}", package=package or name))


def missing(needs: tuple[Need, ...]) -> tuple[Need, ...]:
    """Those of `needs` that this interpreter does not have."""
    return tuple(need for need in needs if PathFinder.find_spec(need.name.partition(".")[0]) is None)
