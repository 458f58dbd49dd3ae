"""The short way into the console, beside the command line's options."""

from __future__ import annotations

import inspect

import pytest

from r3d_tui.__main__ import FLAGS, VALUED, console_options
from r3d_tui.cli import console


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ((), {}),
        (("--workspace", "a b", "--ascii"), {"workspace": "a b", "ascii_only": True}),
        (("-w", "x", "--language=zh", "--no-mouse"), {"workspace": "x", "language": "zh", "mouse": False}),
        (("--read-only", "--workspace=-x"), {"read_only": True, "workspace": "-x"}),
    ],
)
def test_options_of_the_console_are_read(arguments: tuple[str, ...], options: dict[str, object]) -> None:
    """In any order, with a blank or an equals sign."""
    assert options == console_options(arguments)


@pytest.mark.parametrize(
    "arguments", [("status",), ("--help",), ("--version",), ("--workspace",), ("--ascii=1",), ("-w=x",), ("--moon",)]
)
def test_anything_else_is_the_command_lines(arguments: tuple[str, ...]) -> None:
    """Commands, other options, and options that are not right."""
    assert console_options(arguments) is None


def test_they_are_the_command_lines_own() -> None:
    """Every option that the command line has for the console, but for those that are about more than the console."""
    found = set()
    for parameter in inspect.signature(console, eval_str=True).parameters.values():
        for told in getattr(parameter.annotation, "__metadata__", ()):
            found.update((told.default, *told.param_decls))
    assert found - {"--debug", "--version"} == {*FLAGS, *VALUED}
