"""`r3d-tui bench`: figures beside their references, measured in one run."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Figures beside their references, in one run.")
