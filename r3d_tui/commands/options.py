"""What every command begins with: the global options, its workspace, its words, JSON, its faults all at once, and how
help is written: commands in groups, no line cut, examples; options in any place.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from backends import api
from backends.core.messages import N_, InputError
from r3d_tui.headless.sentences import complaint
from r3d_tui.lang.words import Words, chosen, speakable
from r3d_tui.terminal import tty

if TYPE_CHECKING:
    from backends.core.client import Client

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
    return given.workspace or api.find_workspace(here()) or here()


def here() -> Path:
    """The folder that we stand in; InputError where it was removed meanwhile."""
    try:
        return Path.cwd()
    except OSError:
        raise InputError("the folder that you are in is gone", hint="change to another one") from None


def open_workspace(cluster: str | None = None) -> Client:
    """The client of the workspace; InputError where there is none. `cluster`: instead of its cluster.address."""
    folder = workspace_folder()
    if not (folder / "r3d.toml").is_file():
        text, hint = N_("{path}: no r3d.toml here"), N_("make a workspace: r3d-tui init DIR, or try r3d-tui demo")
        raise InputError(text, hint=hint, path=str(folder))
    return api.open_client(folder, cluster=cluster)


def chosen_words() -> Words:
    """The words of the language asked for, and from here on only characters that the output can show."""
    encoding = tty.locale_encoding() if in_terminal() else sys.stdout.encoding
    utf8 = tty.is_utf8(encoding)
    tty.set_charset(ascii_only=given.ascii_only or not utf8, encoding=None if utf8 else encoding)
    return Words(speakable(chosen(asked_language()), encoding))


def asked_language() -> str | None:
    """The language asked for with --language, else in r3d.toml; None leaves it to the locale."""
    with contextlib.suppress(OSError, InputError):  # the folder we stand in may be gone
        return given.language or api.workspace_language(workspace_folder())
    return given.language


def stage_names(incomplete: str) -> list[str]:
    return [name for name in api.stage_names() if name.startswith(incomplete)]


def unknown_stages(names: Iterable[str | None]) -> Iterator[InputError]:
    """An error for each name that is not a stage's, with the nearest one that is."""
    known = ", ".join(api.stage_names())
    for name in names:
        if name is None or name in api.stage_names():
            continue
        near = difflib.get_close_matches(name, api.stage_names(), 1)
        hint = N_("did you mean {near}? stages: {known}") if near else N_("stages: {known}")
        yield InputError("unknown stage {name}", hint=hint, name=name, near=near[0] if near else "", known=known)


def refuse(faults: Iterable[InputError]) -> None:
    """Report every fault of a command line, not only the first; raises the last one where there is any."""
    found = list(faults)
    for error in found[:-1]:
        tell(complaint(chosen_words(), error))
    if found:
        raise found[-1]


def numbers(text: str | None, option: str) -> tuple[int, ...]:
    """The numbers of an option such as `0,1`; none where it was not given. InputError where they are not numbers."""
    try:
        return tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError:
        hint = N_("such as 0,1")
        raise InputError("{option} {text}: not numbers", hint=hint, option=option, text=ascii(text)) from None


def say(*lines: str) -> None:
    """Lines for people on standard output, which scripts may read as well."""
    for text in lines:
        typer.echo(tty.drawn(text))


def tell(*lines: str) -> None:
    """Lines for people on standard error."""
    for text in lines:
        typer.echo(tty.drawn(text), err=True)


def in_terminal() -> bool:
    """Whether a person can see and answer."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def print_json(document: dict[str, Any]) -> None:
    """One document on standard output; where its encoding lacks a character, JSON's own escapes stand for it."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        text = json.dumps(document, indent=2)
    sys.stdout.write(text + "\n")


FLAGS = ("--ascii", "--no-mouse", "--debug")
VALUED = ("--workspace", "-w", "--language")
"""Global options: they may stand before the command or behind it."""


class GroupedHelp(TyperGroup):
    """A group whose help lists commands by their panel, each with its whole first sentence, and ends in examples."""

    def invoke(self, ctx: Any) -> Any:
        """An option that a command does not know may be a mistyped global one: the framework knows only its own."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            if hasattr(error, "possibilities"):
                near = difflib.get_close_matches(str(getattr(error, "option_name", "")), (*FLAGS, *VALUED))
                error.possibilities = sorted({*(error.possibilities or ()), *near})  # a group in a group comes here too
            raise

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """One section a panel, in the order in which the panels first come."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                panel = getattr(command, "rich_help_panel", None)
                title = panel if isinstance(panel, str) else "Commands"
                sections.setdefault(title, []).append((name, first_sentence(command.help or "")))
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the framework's signature
        """The examples as they are written: a wrapped command line could not be pasted."""
        if self.epilog:
            formatter.write_paragraph()
            formatter.write(self.epilog.rstrip() + "\n")


def first_sentence(text: str) -> str:
    return " ".join(text.strip().partition("\n\n")[0].split())


def globals_first(arguments: Sequence[str]) -> list[str]:
    """The arguments with the global options moved to the front; what stands behind `--` stays where it is.

    `doctor --cluster` without an address has an empty one: Typer knows no option whose value may be left out.
    """
    front: list[str] = []
    rest: list[str] = []
    left = list(arguments)
    while left:
        word = left.pop(0)
        if word == "--":
            rest += [word, *left]
            break
        if word in FLAGS or (word.partition("=")[0] in VALUED and "=" in word):
            front.append(word)
        elif word in VALUED and left:
            front += [word, left.pop(0)]
        else:
            rest.append(word)
            if word == "--cluster" and "doctor" in rest and (not left or left[0].startswith("-")):
                rest.append("")
    return front + rest
