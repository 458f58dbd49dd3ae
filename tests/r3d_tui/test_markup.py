"""No text is ever read as markup."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "r3d_tui"
MARKUP = {
    "Static", "Label", "DataTable", "OptionList", "Tree", "RichLog", "Log", "Button", "Markdown", "Select",
    "Collapsible", "Footer", "Header", "Tabs", "Tab", "TabbedContent", "ListView",
}  # fmt: skip
ATTRIBUTES = {"border_title", "border_subtitle", "tooltip", "sub_title"}


def _trees() -> list[tuple[str, ast.AST]]:
    return [(path.name, ast.parse(path.read_text(encoding="utf-8"))) for path in ROOT.rglob("*.py")]


def test_no_widget_that_reads_markup_is_used() -> None:
    """Widgets that take a plain string for markup are not imported anywhere in the console."""
    found = [
        (name, alias.name)
        for name, tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("textual.widgets")
        for alias in node.names
        if alias.name in MARKUP
    ]
    assert [] == found


def test_no_notice_covers_the_content() -> None:
    """Notices stand in the status line: nothing calls Textual's notify, which also reads markup."""
    calls = [
        (name, node.lineno)
        for name, tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "notify"
    ]
    assert [] == calls


def test_no_attribute_that_reads_markup_is_set() -> None:
    """Border titles and tooltips, which Textual parses, are not used; nor is Rich's or Textual's markup parser."""
    wrong = [
        (name, node.attr)
        for name, tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in {*ATTRIBUTES, "from_markup"}
    ]
    assert [] == wrong
