"""Commands that start, follow and stop a run, and the way into the console."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backends import api
from backends.core.client import RunRequest, Snapshot
from backends.core.messages import N_, InputError, line
from r3d_tui.commands.options import (
    chosen_words,
    given,
    in_terminal,
    open_workspace,
    refuse,
    say,
    stage_names,
    tell,
    unknown_stages,
)
from r3d_tui.lang.words import Words

if TYPE_CHECKING:
    from backends.core.client import Client


def run(
    first: Annotated[
        str | None,
        typer.Option("--from", autocompletion=stage_names, help="Run it and what depends on it again."),
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", autocompletion=stage_names, help="Go no further than this stage.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Run everything again.")] = False,
    headless: Annotated[bool, typer.Option("--headless", help="No console.")] = False,
    json_lines: Annotated[bool, typer.Option("--json", help="One JSON event a line.")] = False,
    cluster: Annotated[
        str | None,
        typer.Option("--cluster", metavar="ADDRESS", help="On several servers: auto, HOST:PORT of Ray, or local:3."),
    ] = None,
) -> None:
    """Bring every stage up to date."""
    refuse(unknown_stages((first, last)))
    request = RunRequest(first=first, last=last, force=force)
    raise typer.Exit(begin(open_workspace(cluster), request, headless=headless or json_lines, json_lines=json_lines))


def rerun(
    stages: Annotated[
        list[str] | None, typer.Argument(autocompletion=stage_names, help="Stages to run again; without: what failed.")
    ] = None,
    headless: Annotated[bool, typer.Option("--headless", help="No console.")] = False,
    json_lines: Annotated[bool, typer.Option("--json", help="One JSON event a line.")] = False,
) -> None:
    """Run what failed, or the stages named, and what depends on them."""
    refuse(unknown_stages(stages or ()))
    request = RunRequest("rerun", tuple(stages or ()))
    raise typer.Exit(begin(open_workspace(), request, headless=headless or json_lines, json_lines=json_lines))


def stop() -> None:
    """Ask the engine to stop; what is done is kept."""
    open_workspace().stop()
    tell(chosen_words()("plain.stopping"))


def attach(headless: Annotated[bool, typer.Option("--headless", help="No console.")] = False) -> None:
    """Watch the run of the workspace; Ctrl+C leaves it, and it goes on."""
    client = open_workspace()
    if not headless and in_terminal():
        raise typer.Exit(open_console(client.workspace))
    snapshot = client.snapshot()
    if not snapshot.run.id:
        raise InputError("{path}: nothing has run here yet", hint="r3d-tui run", path=str(client.workspace))
    raise typer.Exit(follow_run(client, snapshot.run.id, stops=False))


def open_console(workspace: Path) -> int:
    """Open the console on a workspace, or on the form that makes one."""
    if sys.stdout.isatty() and os.environ.get("TERM", "dumb") == "dumb":
        return _show_plainly(workspace)
    if not in_terminal():
        hint = N_("use r3d-tui status, run --headless or attach --headless")
        raise InputError("the console needs a terminal", hint=hint)
    from r3d_tui.console import prepared

    console = prepared(
        workspace,
        mouse=given.mouse,
        ascii_only=given.ascii_only,
        read_only=given.read_only,
        language=given.language,
    )
    return console()


def _show_plainly(workspace: Path) -> int:
    """What a terminal that only prints lines gets in place of the console: the state, and the commands that go on."""
    from r3d_tui.headless.tables import status_lines

    words = chosen_words()
    if not (workspace / "r3d.toml").is_file():
        raise InputError("{path}: no r3d.toml here", hint="make a workspace: r3d-tui init DIR", path=str(workspace))
    say(*status_lines(api.open_client(workspace).snapshot(), words))
    tell(words.line(line("this terminal shows plain lines only: r3d-tui run, rerun, stop and logs work in it")))
    return 0


def begin(client: Client, request: RunRequest, *, headless: bool, json_lines: bool) -> int:
    """Start a run and show it, in the console where there is a terminal; its exit code."""
    run_id = client.start(request)
    if not headless and in_terminal():
        return open_console(client.workspace)
    return follow_run(client, run_id, json_lines=json_lines)


def follow_run(client: Client, run_id: str, *, json_lines: bool = False, stops: bool = True) -> int:
    """Follow a run to its end as JSON lines, a live display or plain lines; its exit code, 130 where one left before.

    `stops`: Ctrl+C asks the engine to stop.
    """
    from r3d_tui.headless import follow

    words = chosen_words()
    with contextlib.ExitStack() as stack:
        asked = stack.enter_context(follow.asking())
        display: follow.Display
        if json_lines:
            display = follow.JsonLines(client, run_id, sys.stdout, lambda key: tell(words(key)))
        elif in_terminal():
            display = stack.enter_context(follow.LiveDisplay(words))
        else:
            display = follow.PlainLines(words, sys.stdout)
        snapshot = follow.follow(client, run_id, display, asked, stops=stops)
    if snapshot is None:
        tell(words("plain.left_stopping") if stops else words("plain.left", run=run_id))
        return 130
    _say_end(snapshot, words, tell if json_lines else say)
    return follow.exit_code(snapshot.run)


def _say_end(snapshot: Snapshot, words: Words, out: Callable[[str], None]) -> None:
    from r3d_tui.headless.sentences import endings, failures

    for text in endings(words, snapshot):
        out(text)
    tell(*failures(words, snapshot))
