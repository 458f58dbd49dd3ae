"""Simulated chips for a demo: a server that is not there, laid out beside the workspace's data, and used by it alone.

The stand-ins are those of our tests; they compute for real, on the CPU, and take at least the published time. Every
process of such a workspace is told so by `SIMULATED`, and what it shows of a chip is labelled.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

from backends.ascend.chip_query import SIMULATED
from backends.core.errors import InputError, NeedError

FOLDER = "simulated"
"""In the workspace: what makes it one of simulated chips."""
SERVER = "server.json"
"""In that folder: what the server is. Without it nothing was laid out, or not to the end."""

_entered: dict[str, str | None] = {}
"""Environment variables that `enter` has set, and what they were before."""


def build(workspace: Path, chips: int, name: str = "310P3") -> None:
    """Lay out a server of `chips` chips in a workspace; one whose making was cut off is completed.

    InputError where the workspace is one of the CPU, or has another number of chips.
    """
    folder = workspace / FOLDER
    whole = (folder / SERVER).is_file()
    if (workspace / "r3d.toml").exists() and not whole:
        text = "{path}: a demo without simulated chips is there"
        raise InputError(text, hint="name a new or empty folder", path=str(workspace))
    if not whole:
        _stand_ins().make_server(folder, chips, name=name, published=True)
        return
    there = len(_stand_ins().Server(folder).config["chips"])
    if there != chips:
        text, hint = (
            "{path}: a demo of {there} simulated chips is there",
            "name a new or empty folder, or --chips {there}",
        )
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
    stand_ins = _stand_ins()
    stand_ins.write_scripts(folder)
    for name, value in {**stand_ins.Server(folder).environment(), SIMULATED: "1"}.items():
        _entered[name] = os.environ.get(name)
        os.environ[name] = value


def _stand_ins() -> Any:
    """The module that lays a server out: inside `backends` where it was installed, in `tests` of a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_simulated", package.parent / "tests" / "fakes" / "server"):
        spec = importlib.util.spec_from_file_location("backends_simulated", folder / "build.py")
        if spec is not None and spec.loader is not None and (folder / "build.py").is_file():
            module = importlib.util.module_from_spec(spec)
            sys.modules[spec.name] = module  # dataclasses look themselves up there
            spec.loader.exec_module(module)
            return module
    raise NeedError("the simulated chips are not installed", hint="install r3d-tui again")
