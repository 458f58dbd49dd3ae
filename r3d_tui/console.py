"""The way into the console that needs no command line: a workspace's client, and the app over it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from backends import api


def opened(folder: Path | None, **options: bool | str) -> Callable[[], int] | None:
    """What shows the console of a workspace and gives its exit code; None where something is wrong.

    What is wrong the command line says, which meets it again. `options` are those of `run_console`.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"):
        return None
    try:
        place = folder or Path.cwd()
        client = api.open_client(api.find_workspace(place) or place)
    except Exception:  # noqa: BLE001 - whatever it is, the command line words it
        return None
    from r3d_tui.app import run_console

    return partial(run_console, client, **options)  # type: ignore[arg-type]
