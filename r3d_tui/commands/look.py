"""Commands that look and change nothing: what ran, what it wrote, which chips there are, what is missing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from backends import api
from backends.contract.errors import InputError
from r3d_tui.commands.given import Json, chosen_words, given, open_workspace, print_json
from r3d_tui.safe import safe_lines


def status(json_document: Json = False) -> None:
    """The latest run: stages, devices, result."""
    from r3d_tui.documents import status_document
    from r3d_tui.plain import ending_words, state_words

    snapshot = open_workspace().snapshot()
    if json_document:
        print_json(status_document(snapshot))
        return
    words = chosen_words()
    for stage in snapshot.run.stages:
        typer.echo(f"{stage.name:<11} {state_words(words, stage)}")
    for text in ending_words(snapshot, words) if snapshot.run.id else ["nothing has run here yet"]:
        typer.echo(text)


def logs(stage: Annotated[str | None, typer.Argument(help="One stage; without: which there are.")] = None) -> None:
    """A stage's raw log, or where the logs lie."""
    client = open_workspace()
    for name in api.STAGE_NAMES if stage is None else ():
        if path := client.log_path(name):
            typer.echo(f"{name:<11} {path}")
    if stage is not None:
        path = client.log_path(stage)
        if path is None:
            raise InputError("{stage} has no log in the latest run", hint="r3d-tui logs", stage=stage)
        text = path.read_text(encoding="utf-8", errors="replace")
        sys.stdout.write("\n".join(safe_lines(text)) if sys.stdout.isatty() else text)


def runs(json_document: Json = False) -> None:
    """All runs of the workspace, latest first."""
    from r3d_tui.documents import runs_document

    found = open_workspace().runs()
    if json_document:
        print_json(runs_document(found))
        return
    for summary in found:
        accuracy = f"top-1 {summary.top1:.4f}" if summary.top1 is not None else ""
        seconds = f"{summary.seconds:.0f} s" if summary.seconds is not None else ""
        typer.echo(f"{summary.id}  {summary.state:<11} {seconds:>8}  {accuracy}".rstrip())


def devices(
    json_document: Json = False,
    source: Annotated[str, typer.Option("--from", help="A saved `npu-smi info`; - for standard input.")] = "live",
) -> None:
    """The chips of this machine as npu-smi tells of them."""
    table = api.read_devices(source)
    if json_document:
        print_json(api.devices_document(table))
    else:
        from r3d_tui.tables import device_lines

        for text in device_lines(table, chosen_words()):
            typer.echo(text)
    if table.error:
        raise typer.Exit(3)


def doctor(json_document: Json = False) -> None:
    """Everything that a run needs: met or not, what was found, and the mend."""
    from r3d_tui.documents import findings_document
    from r3d_tui.tables import finding_lines

    findings = api.doctor(api.find_workspace(given.workspace or Path.cwd()))
    if json_document:
        print_json(findings_document(findings))
    else:
        for text in finding_lines(findings, chosen_words()):
            typer.echo(text)
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(3)
