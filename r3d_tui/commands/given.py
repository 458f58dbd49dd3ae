"""What every command of the plain face begins with: the options before it, its workspace, words and JSON."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backends import api
from backends.contract.errors import InputError
from r3d_tui.lang.words import Words, chosen

if TYPE_CHECKING:
    from backends.engine.client import LiveClient

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


@dataclass
class Given:
    """What the options before the command said."""

    workspace: Path | None = None
    language: str | None = None
    ascii_only: bool = False
    mouse: bool = True
    read_only: bool = False
    debug: bool = False


given = Given()
"""Filled once, by the callback of `r3d_tui.cli`."""


def workspace_folder() -> Path:
    """The folder named with --workspace, else the nearest that holds an r3d.toml, else this one."""
    return given.workspace or api.find_workspace(Path.cwd()) or Path.cwd()


def open_workspace() -> LiveClient:
    """The client of the workspace; InputError where there is none."""
    folder = workspace_folder()
    if not (folder / "r3d.toml").is_file():
        text, hint = "{path}: no r3d.toml here", "make a workspace: r3d-tui init DIR, or try r3d-tui demo"
        raise InputError(text, hint=hint, path=str(folder))
    return api.open_client(folder)


def chosen_words() -> Words:
    """The words of the language asked for."""
    return Words(chosen(given.language))


def in_terminal() -> bool:
    """Whether a person can see and answer."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def print_json(document: dict[str, Any]) -> None:
    """One document on standard output."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
