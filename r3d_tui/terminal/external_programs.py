"""Leaving to another program and coming back: $PAGER for a raw log, $EDITOR for r3d.toml. Argument lists, no shell."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from backends.core.messages import Line, line, os_reason


def page(path: Path) -> Line | None:
    """Show a file; a pager must not let the file's escapes through. Gives what went wrong."""
    return _run(os.environ.get("PAGER") or "less", ("less", "more"), path, {"LESS": "-i", "LESSSECURE": "1"})


def edit(path: Path) -> Line | None:
    """Edit a file. Gives what went wrong."""
    return _run(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi", ("vi", "nano"), path, {})


def _run(wish: str, others: tuple[str, ...], path: Path, extra: dict[str, str]) -> Line | None:
    for text in (wish, *others):
        try:
            command = shlex.split(text)
        except ValueError:
            continue
        if command and shutil.which(command[0]):
            try:
                subprocess.run([*command, str(path)], env={**os.environ, **extra}, check=False)
            except OSError as error:
                return line("{command}: {reason}", command=command[0], reason=os_reason(error))
            return None
    return line("{command} is not installed; set PAGER or EDITOR", command=wish)
