"""The way into the console that needs no command line: a workspace's client, and the app over it."""

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backends import api
from backends.core.client import RunRequest


def prepared(workspace: Path, *, language: str | None = None, **options: Any) -> Callable[[], int]:
    """What shows the console of a workspace, or the form that makes one, and gives the exit code.

    `language` is what was asked for, else r3d.toml says; the other `options` are those of `run_console`. R3dError where
    the workspace cannot be read.
    """
    client = api.open_client(api.find_workspace(workspace) or workspace)
    from r3d_tui.app import run_console
    from r3d_tui.screens.host import DEMO

    wanted = language or api.workspace_language(client.workspace)

    def show() -> int:
        code = run_console(client, language=wanted, **options)
        return code if code != DEMO else prepared(_started_demo(), language=wanted, **options)()

    return show


def _started_demo() -> Path:
    """A new demo workspace, its run begun."""
    place = Path(tempfile.mkdtemp(prefix="r3d-tui-demo-"))
    api.build_demo(place)
    api.open_client(place).start(RunRequest())
    return place


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
