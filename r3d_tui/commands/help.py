"""How the command line explains itself: commands in groups, no line cut, examples; and options in any place.

`r3d_tui.cli` uses it for the whole command, `step` and `bench` for theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from typer.core import TyperGroup

FLAGS = ("--ascii", "--no-mouse", "--debug")
VALUED = ("--workspace", "-w", "--language")
"""Global options: they may stand before the command or behind it."""


class GroupedHelp(TyperGroup):
    """A group whose help lists commands by their panel, each with its whole first sentence, and ends in examples."""

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
    """The first paragraph of a help text, on one line."""
    return " ".join(text.strip().partition("\n\n")[0].split())


def globals_first(arguments: Sequence[str]) -> list[str]:
    """The arguments with the global options moved to the front; what stands behind `--` stays where it is."""
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
    return front + rest
