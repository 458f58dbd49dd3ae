"""The README names commands, options, keys and files that are there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from backends.api import stage_names
from r3d_tui.cli import app
from r3d_tui.views.actions import ACTIONS, all_shown

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHINESE = (ROOT / "README.zh.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CODE = "".join(README.split("```")[1::2])
CALLS = sorted({re.split(r"  | #", call)[0] for call in re.findall(r"^(?:\S*/)?r3d-tui (.+)$", CODE, re.MULTILINE)})


@pytest.mark.parametrize("call", CALLS)
def test_a_command_of_a_code_block_is_there_with_its_options(call: str) -> None:
    """The words behind `r3d-tui`, up to what explains them."""
    root: Any = typer.main.get_command(app)
    command = root
    words = re.sub(r"[\[\]]", " ", call).split()
    while words and words[0] in getattr(command, "commands", ()):
        command = command.commands[words.pop(0)]
    assert command is not root or words[0].startswith("--"), words
    options = {word.partition("=")[0] for word in words if word.startswith("-")}
    assert set() == options - {name for one in command.params for name in one.opts}


def test_every_key_of_the_table_is_a_key_of_the_console() -> None:
    """Single signs in the first and third column of the table of keys."""
    table = README.partition("| key | does |")[2].partition("\n\n")[0]
    keys = set(re.findall(r"`(\S)`", table))
    assert len(keys) > 8
    known = {key for action in ACTIONS for key in all_shown(action).split()}
    assert set() == keys - known - {str(number) for number in range(1, 8)}


def test_every_stage_has_its_row() -> None:
    """In the order in which they run."""
    table = README.partition("## The stages")[2].partition("\n\n```")[0]
    assert list(stage_names()) == re.findall(r"^\| ([a-z]+) \|", table, re.MULTILINE)[1:]


def test_linked_files_are_there() -> None:
    """Pictures and pages."""
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert len(links) > 8
    assert [] == [link for link in links if not (ROOT / link).exists()]


def test_the_chinese_readme_has_the_same_commands_tables_and_links() -> None:
    """In the same order; only the words differ."""
    for pattern in (r"^r3d-tui [a-z]+|^~/r3d/\S+|^make \w+", r"\]\((docs/(?!guide)[^)]+)\)"):
        found = [re.findall(pattern, text, re.MULTILINE) for text in (README, CHINESE)]
        assert found[0] == found[1]
    assert all(f"\n| {name} | " in CHINESE for name in stage_names())


def test_the_readme_is_short() -> None:
    """One is read before a server is set up, not studied."""
    assert len(README.split()) <= 1200


def test_files_that_contributing_names_are_there() -> None:
    """Each recipe's example can be opened."""
    named = set(re.findall(r"`((?:backends|r3d_tui|docs|tests)/[\w./]+)`", CONTRIBUTING))
    assert len(named) > 5
    there = {name for name in named if (ROOT / name).exists() or Path(name).stem in ("x", "r3d_tui")}
    assert set() == named - there
