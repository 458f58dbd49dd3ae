"""The command that removes what nothing needs any more, after it was shown and agreed to."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from backends import api
from backends.core.command_reports import CleanupPlan, Garbage
from backends.core.messages import InputError
from r3d_tui.commands.options import Json, chosen_words, in_terminal, open_workspace, print_json, say, tell
from r3d_tui.lang.words import Words
from r3d_tui.text import figures
from r3d_tui.text.rows import safe

KEEP = 3
"""Runs that stay where nobody says otherwise: the latest, and some to compare it with."""


def clean(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go; remove nothing.")] = False,
    keep: Annotated[int, typer.Option("--keep", min=1, help="How many of the latest runs stay.")] = KEEP,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
    json_document: Json = False,
) -> None:
    """Remove old runs, and artifacts that nothing uses any more.

    It shows what would go, and asks. What a run that stays points at, and what the present settings would take, stays.
    """
    client = open_workspace()
    client.close()
    words, found = chosen_words(), api.find_waste(client.workspace, keep)
    if dry_run or not found.waste:
        _tell_all(words, found, json_document=json_document)
        return
    if not yes:
        _ask(words, found, json_document=json_document)
    went = api.remove_waste(client.workspace, keep, frozenset(one.path for one in found.waste))
    if json_document:
        print_json(clean_document(went, removed=True))
    tell(*map(words.line, went.notes))
    tell(words("clean.removed", size=figures.size(went.bytes)))


def _ask(words: Words, found: CleanupPlan, *, json_document: bool) -> None:
    """Show it and ask; a script, which cannot answer, says --yes."""
    if json_document or not in_terminal():
        raise InputError("nothing was removed: nobody can be asked here", hint="add --yes, or --dry-run to look only")
    _tell_all(words, found, json_document=False)
    sys.stdout.write(words("clean.ask", size=figures.size(found.bytes)) + " ")
    sys.stdout.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes", "是"):
        tell(words("clean.left"))
        raise typer.Exit


def _tell_all(words: Words, found: CleanupPlan, *, json_document: bool) -> None:
    if json_document:
        print_json(clean_document(found, removed=False))
    else:
        say(*waste_lines(found, words))
    tell(*map(words.line, found.notes))


def waste_lines(found: CleanupPlan, words: Words) -> Iterator[str]:
    """What may go by reason, each with its size. Then all of it, and the runs that stay."""
    by_reason: dict[str, list[Garbage]] = {}
    for one in found.waste:
        by_reason.setdefault(words.line(one.reason), []).append(one)
    for reason, things in by_reason.items():
        yield f"{reason}:"
        yield from (f"{figures.size(one.bytes):>12}  {safe(str(one.path))}" for one in things)
    if found.waste:
        yield words("clean.all", size=figures.size(found.bytes))
    else:
        yield words("clean.nothing")
    if found.kept_runs:
        yield words("clean.kept", runs=", ".join(found.kept_runs))


def clean_document(found: CleanupPlan, *, removed: bool) -> dict[str, Any]:
    rows = [
        {"path": str(Path(".r3d") / one.path), "kind": one.kind, "bytes": one.bytes, "reason": str(one.reason)}
        for one in found.waste
    ]
    notes = [str(note) for note in found.notes]
    return {"removed": removed, "bytes": found.bytes, "waste": rows, "kept_runs": list(found.kept_runs), "notes": notes}
