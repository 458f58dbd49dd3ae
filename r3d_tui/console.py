"""The way into the console that needs no command line: a workspace's client, and the app over it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from backends import api

UNUSED = ("textual.command", "platformdirs", "rich.table")
"""What Textual 8.2 imports for its palette of commands, its downloads and a table: an eighth of a start."""


def prepared(workspace: Path, *, language: str | None = None, **options: Any) -> Callable[[], int]:
    """What shows the console of a workspace, or the form that makes one, and gives the exit code.

    `language` is what was asked for, else r3d.toml says; the other `options` are those of `run_console`. R3dError where
    the workspace cannot be read.
    """
    client = api.open_client(api.find_workspace(workspace) or workspace)
    _import_asyncio()
    _import_textual()
    from r3d_tui.app import run_console

    return partial(run_console, client, language=language or api.workspace_language(client.workspace), **options)


def _import_asyncio() -> None:
    """As where Python has no TLS, which asyncio allows for: 4 MB and 10 ms that a console has no use for."""
    if "ssl" in sys.modules or "asyncio" in sys.modules:
        return
    sys.modules["ssl"] = None  # type: ignore[assignment]
    try:
        import_module("asyncio")
    finally:
        del sys.modules["ssl"]


class _Absent(ModuleType):
    """Stands for a module while another takes names from it; who imports it later gets the real one."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def _import_textual() -> None:
    """Without what only parts of it need that a console does not have (it has a palette of its own)."""
    absent = [name for name in UNUSED if name not in sys.modules]
    sys.modules.update({name: _Absent(name) for name in absent})
    try:
        import_module("textual.app")
    finally:
        for name in absent:
            del sys.modules[name]


def opened(folder: Path | None, **options: Any) -> Callable[[], int] | None:
    """The same for the folder named, else the nearest that holds an r3d.toml, else this one; None where that fails.

    What failed the command line says, which meets it again.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"):
        return None
    try:
        return prepared(folder or Path.cwd(), **options)
    except Exception:  # noqa: BLE001 - whatever it is, the command line words it
        return None
