"""The words of both languages."""

from __future__ import annotations

import ast
import errno
import functools
import json
import os
import re
import string
from pathlib import Path

import pytest

from backends import api
from backends.core.messages import fill, line
from r3d_tui.lang import words as lang
from r3d_tui.lang.words import LANGUAGES, Words, chosen
from r3d_tui.views.actions import ACTIONS
from tests.r3d_tui.templates import templates

ROOT = Path(__file__).resolve().parents[2]
KEY = re.compile("[a-z0-9_]*[a-z0-9]")


def _document(language: str) -> dict[str, object]:
    return lang._read(language)


def _fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def _literals(node: ast.AST) -> list[str]:
    return [part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)]


def _lines() -> dict[str, str]:
    lines = _document("zh")["lines"]
    assert isinstance(lines, dict)
    return lines


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


def _fits(template: str) -> list[tuple[str, str]]:
    """Its placeholders with their formats, a placeholder as often as it stands there."""
    return sorted((name, form or "") for _, name, form, _ in string.Formatter().parse(template) if name is not None)


@functools.cache
def _every_template() -> frozenset[str]:
    paths = [path for room in ("backends", "r3d_tui") for path in (ROOT / room).rglob("*.py")]
    return frozenset(template for path in paths for template in templates(path, ROOT))


def _bare(template: str) -> str:
    return "".join(text for text, *_ in string.Formatter().parse(template))


def test_translations_fit_their_templates() -> None:
    """A translated line has exactly the placeholders of its template, in the same formats."""
    lines = {**_lines(), **api.translations("zh")}
    assert [] == [template for template, text in lines.items() if _fits(text) != _fits(template)]


def test_every_line_of_the_source_has_its_chinese() -> None:
    """No template that holds a word lacks its translation."""
    worded = {template for template in _every_template() if any(letter.isalpha() for letter in _bare(template))}
    assert len(worded) > 500
    assert [] == sorted(worded - set(_lines()))


def test_no_translation_outlives_its_line() -> None:
    """The file holds no template that the source has lost."""
    assert [] == sorted(set(_lines()) - _every_template())


def test_chinese_has_no_english_where_the_template_has_words() -> None:
    """A translation is Chinese, except where all of it is a command or a setting to type."""
    typed = ("pip install", "ulimit", "r3d-tui")
    plain = {t for t, text in _lines().items() if t == text and not t.startswith(typed)}
    assert set() == plain


def _told(value: object) -> set[str]:
    """The templates of all lines in a document."""
    if isinstance(value, dict):
        mine = {value["template"]} if isinstance(value.get("template"), str) else set()
        return mine.union(*map(_told, value.values()))
    return set().union(*map(_told, value)) if isinstance(value, list) else set()


@pytest.mark.parametrize("story", ["new", "finished", "failed", "cpu"])
def test_stories_say_what_the_backends_say(story: str) -> None:
    """Every line of a recorded run has a template that the source still makes, and its Chinese."""
    text = (ROOT / "tests" / "stories" / f"{story}.jsonl").read_text(encoding="utf-8")
    told = set().union(*(_told(json.loads(row)) for row in text.splitlines())) - {""}
    assert told
    assert [] == sorted(told - set(_lines()))


def test_templates_are_followed_through_names(tmp_path: Path) -> None:
    """A template given by a variable, constant, parameter, table, function or either arm of an `if` is found."""
    source = tmp_path / "one.py"
    source.write_text(
        "HINT = 'a constant'\n"
        "TABLE = {1: ('of a table', 2)}\n"
        "def f(n):\n"
        "    text, hint = ('first', HINT) if n else ('second', 'its hint')\n"
        "    raise InputError(text, hint=hint)\n"
        "def g(text):\n"
        "    return line(text)\n"
        "g('given')\n"
        "for number, words in TABLE.items():\n"
        "    other = 'no template'\n"
        "def why(n) -> str | None:\n"
        "    return 'returned' if n else None\n"
        "def late(n):\n"
        "    if text := why(n):\n"
        "        raise InputError(text)\n"
        "def h(n):\n"
        "    what, how = TABLE[n]\n"
        "    return line(what)\n",
        encoding="utf-8",
    )
    expected = {"a constant", "of a table", "first", "second", "its hint", "given", "returned"}
    assert expected == templates(source, tmp_path)


def test_a_line_is_worded_by_its_template_and_made_harmless() -> None:
    """The template is the key of the translation; facts are cleaned."""
    words = Words("zh")
    assert "导出 未完成" == words.line(line("{stage} is not done", stage="导出\x1b[2J"))
    assert "导出 未完成" == words.line(line("{stage} is not done", stage="export"))
    assert "no such words é" == words.line(line("no such words {x}", x="é\x07"))


def test_a_line_inside_a_line_is_translated_too() -> None:
    """A reason that is one of our own lines is worded in Chinese; a name that happens to be one is left alone."""
    words = Words("zh")
    assert "NPU 0 退出运行：不再响应" == words.line(
        line("{device} is out of the run: {reason}", device="NPU 0", reason="it stopped answering")
    )
    for reason, expected in [
        ("no answer for 30 s", "30 秒没有响应"),
        ("its process ended with exit code 9", "它的进程以退出码 9 结束"),
        ("its output cannot be read: it stopped answering", "无法读取它的输出：不再响应"),
        ("what acl said: boom", "what acl said: boom"),
        ("x" * 5000, "x" * 5000),
    ]:
        shown = words.line(line("{device} is out of the run: {reason}", device="NPU 0", reason=reason))
        assert f"NPU 0 退出运行：{expected}" == shown
    several = "0: busy: python; 1: no answer for 9 s"
    assert "没有空闲的芯片：0: 被占用：python; 1：9 秒没有响应" == words.line(
        line("no chip is free: {reasons}", reasons=several)
    )
    assert "缺少 found" == words.line(line("{name} is missing", name="found"))
    assert "导出, 推理 失败" == words.line(line("{stages} failed", stages="export, infer"))


def test_a_line_that_came_filled_is_read_back() -> None:
    """A hint that was filled on its way is worded as if it had come with its facts; foreign text stays."""
    words = Words("zh")
    assert "在 [infer] devices 中从 0, 1 里选择" == words.line(line("under [infer] devices, name some of 0, 1"))
    assert "no line of ours" == words.line(line("no line of ours"))


def test_what_the_operating_system_says_is_translated() -> None:
    """The reason of a failed open is worded in Chinese; the English is what this system's C library says."""
    assert os.strerror(errno.ENOENT) in _document("zh")["system"]  # type: ignore[operator]
    shown = Words("zh").line(line("{path}: {reason}", path="/a", reason=os.strerror(errno.EACCES)))
    assert "/a：权限不够" == shown


def test_units_of_progress_have_a_word() -> None:
    """What a stage counts its work in is in the files, in both languages."""
    known = Words("en")._words
    found = re.compile(r"""progress\([^()]*,\s*"([a-z]+)"[,)]""")
    units = {unit for path in (ROOT / "backends").rglob("*.py") for unit in found.findall(path.read_text("utf-8"))}
    assert "videos" in units
    assert set() == {unit for unit in units if f"unit.{unit}" not in known}


def test_the_catalogues_of_error_codes_bring_their_chinese() -> None:
    """What atc's and pyACL's codes mean is found by the English sentence; English itself needs no table."""
    table = api.translations("zh")
    assert {} == api.translations("en")
    assert len(table) > 40
    words = Words("zh")
    assert [] == [english for english, text in table.items() if words.line(line(english)) != text]
    failed = next(english for english in table if english.startswith("{call}"))
    facts = {"call": "mdl.execute", "code": 507018}
    inner = words.line(line("{device} is out of the run: {reason}", device="NPU 0", reason=str(line(failed, **facts))))
    assert f"NPU 0 退出运行：{fill(table[failed], facts)}" == inner


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


TWO_WORDS = re.compile(r"[A-Za-z]{2,}[,:;]? [A-Za-z]{2,}")
STYLE = re.compile(r"(bold|dim|reverse) \w+")
TERMS = frozenset({"opset", "CANN", "pth", "Enter", "Esc", "r3d-tui", "exec"})
"""Names and keys that are the same in both languages."""
HEADER = re.compile(r"-src|^ data:|frame-ancestors")
"""Of a web page that is served."""


def _unsaid(tree: ast.Module) -> set[ast.AST]:
    """Literals that no person is told: docstrings, style sheets, names of threads, and the English of --help."""
    found: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            found.add(node.value)
        elif isinstance(node, ast.keyword) and node.arg in ("help", "name"):
            found.update(ast.walk(node.value))
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(name, ast.Name) and name.id in ("DEFAULT_CSS", "CSS", "EXAMPLES") for name in targets):
                found.update(ast.walk(node))
    return found


def _said_in_english(path: Path) -> list[str]:
    """Literals of a face that would reach a person as they are: two words in a row that are no line's template."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    unsaid, known = _unsaid(tree), templates(path, ROOT)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in unsaid:
            text = node.value
            if TWO_WORDS.search(text) and text not in known and not STYLE.fullmatch(text):
                found.append(text)
        elif isinstance(node, ast.JoinedStr):
            parts = [part.value for part in node.values if isinstance(part, ast.Constant)]
            found += [str(part) for part in parts if re.search(r"[A-Za-z]{3,}:? $|^,? [a-z]{3,}", str(part))]
    return [text for text in found if text.strip(" :") not in TERMS and not HEADER.search(text)]


def test_every_sentence_of_the_faces_goes_through_the_words() -> None:
    """No literal in the faces' code holds words that a person would read in English whatever their language."""
    paths = [
        path for path in (ROOT / "r3d_tui").rglob("*.py") if path.name != "html_report.py"
    ]  # its literals are HTML
    found = {(path.relative_to(ROOT / "r3d_tui").as_posix(), text) for path in paths for text in _said_in_english(path)}
    assert [] == sorted(found)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_quick_reader_reads_what_the_general_one_does(language: str) -> None:
    """Our files hold nothing that it does not know; of what it does not know it says so."""
    text = Path(lang.__file__).with_name(f"{language}.toml").read_text(encoding="utf-8")
    assert lang._toml(text) == lang._strings(text)
    assert lang._strings("[a]\nb = 1\n") is None
    assert lang._strings('a = """\nb"""\n') is None
