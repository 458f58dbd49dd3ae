"""The short way into the console, beside the command line's options."""

from __future__ import annotations

import gc
import inspect
import sys
from pathlib import Path

import pytest

from r3d_tui import console as console_module
from r3d_tui.__main__ import FLAGS, VALUED, console_options, main
from r3d_tui.cli import console

ROOT = Path(__file__).resolve().parents[2]


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
    "arguments",
    [
        ("status",),
        ("--help",),
        ("--version",),
        ("--workspace",),
        ("--ascii=1",),
        ("-w=x",),
        ("--moon",),
        ("--language", "fr"),
    ],
)
def test_anything_else_is_the_command_lines(arguments: tuple[str, ...]) -> None:
    """Commands, other options, and options that are not right."""
    assert console_options(arguments) is None


def test_they_are_the_command_lines_own() -> None:
    """Every option that the command line has for the console, but for those that are about more."""
    found = set()
    for parameter in inspect.signature(console, eval_str=True).parameters.values():
        for told in getattr(parameter.annotation, "__metadata__", ()):
            found.update((told.default, *told.param_decls))
    assert found - {"--debug", "--version"} == {*FLAGS, *VALUED}


def test_a_fault_of_the_console_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As every error of the command line; no traceback."""

    def broken() -> int:
        raise RuntimeError("no such thing")

    monkeypatch.setattr(sys, "argv", ["r3d-tui"])
    monkeypatch.setattr(console_module, "opened", lambda *_, **__: broken)
    with pytest.raises(SystemExit) as end:
        main()
    assert 1 == end.value.code
    assert gc.isenabled()
    said = capsys.readouterr().err.splitlines()
    assert ["error: RuntimeError: no such thing"] == [text.partition(" (")[0] for text in said]
