"""The words of both languages."""

from __future__ import annotations

import ast
import re
import string
import warnings
from pathlib import Path

import pytest

from backends.contract.lines import line
from r3d_tui.actions import ACTIONS
from r3d_tui.lang import words as lang
from r3d_tui.lang.words import LANGUAGES, Words, chosen

ROOT = Path(__file__).resolve().parents[2]
KEY = re.compile("[a-z0-9_]*[a-z0-9]")
LINE_CALLS = {"line", "Line", "InputError", "BusyError", "NeedError", "StageError", "R3dError"}


def _document(language: str) -> dict[str, object]:
    return lang._read(language)


def _fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def _literals(node: ast.AST) -> list[str]:
    return [part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)]


def _templates(path: Path) -> set[str]:
    """Templates of Line and error literals in a file, hints among them."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in LINE_CALLS:
            hints = [keyword.value for keyword in node.keywords if keyword.arg == "hint"]
            for part in (*node.args[:1], *hints):
                found.update(_literals(part) if isinstance(part, ast.Constant | ast.IfExp) else ())
    return found - {""}


def test_both_languages_have_the_same_keys() -> None:
    """A key of one file stands in the other, and is filled with the same facts."""
    mine = {language: Words(language)._words for language in LANGUAGES}
    assert set(mine["en"]) == set(mine["zh"])
    assert [] == [key for key, text in mine["en"].items() if _fields(text) != _fields(mine["zh"][key])]


def test_every_key_that_the_console_uses_exists() -> None:
    """Keys written in the code are in the files; so are those of every action."""
    known = Words("en")._words
    tables = {key.partition(".")[0] for key in known}
    used = set()
    for path in (ROOT / "r3d_tui").rglob("*.py"):
        for text in _literals(ast.parse(path.read_text(encoding="utf-8"))):
            table, dot, rest = text.partition(".")
            if dot and table in tables and KEY.fullmatch(rest):
                used.add(text)
    used |= {f"action.{action.name}" for action in ACTIONS} | {f"key.{a.name}" for a in ACTIONS if a.footer}
    files = {"evaluate.videos", "evaluate.videos_set_aside", "infer.clips_per_s", "layout.packed"}
    assert [] == sorted(key for key in used - files if key not in known)


def test_translations_fit_their_templates() -> None:
    """A translated line is filled with the facts of its template, no others."""
    lines = _document("zh")["lines"]
    assert isinstance(lines, dict)
    assert [] == [template for template, text in lines.items() if not _fields(text) <= _fields(template)]


def test_untranslated_lines_of_the_backends_are_named() -> None:
    """Lines that have no Chinese yet are shown in English and listed by this test's warning, which fails nothing."""
    lines = _document("zh")["lines"]
    assert isinstance(lines, dict)
    every: set[str] = set()
    for path in (ROOT / "backends").rglob("*.py"):
        every |= _templates(path)
    lacking = sorted(every - set(lines))
    if lacking:
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            print(f"{len(lacking)} of {len(every)} lines have no Chinese:", *lacking, sep="\n  ")
    assert every


def test_our_own_lines_are_translated() -> None:
    """Lines that the console itself makes have their Chinese."""
    lines = _document("zh")["lines"]
    assert isinstance(lines, dict)
    mine: set[str] = set()
    for name in ("terminal", "leave", "feed"):
        mine |= _templates(ROOT / "r3d_tui" / f"{name}.py")
    assert set() == {template for template in mine if any(c.isalpha() for c in _bare(template))} - set(lines)


def _bare(template: str) -> str:
    return "".join(text for text, *_ in string.Formatter().parse(template))


def test_a_line_is_worded_by_its_template_and_made_harmless() -> None:
    """The template is the key of the translation; facts are cleaned."""
    words = Words("zh")
    assert "导出 未完成" == words.line(line("{stage} is not done", stage="导出\x1b[2J"))
    assert "no such words é" == words.line(line("no such words {x}", x="é\x07"))


@pytest.mark.parametrize(
    ("environment", "asked", "expected"),
    [
        ({"LANG": "zh_CN.UTF-8"}, None, "zh"),
        ({"LANG": "de_DE.UTF-8"}, None, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, None, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "en", "en"),
        ({}, "zh_CN", "zh"),
    ],
)
def test_the_locale_chooses_the_language(
    environment: dict[str, str], asked: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is asked for wins, then LC_ALL, LC_MESSAGES, LANG; else English."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert expected == chosen(asked)
