"""The words of every language."""

from __future__ import annotations

import ast
import errno
import json
import os
import re
import string
from pathlib import Path

import pytest

from backends.core.messages import Line, line
from r3d_tui.lang import words as lang
from r3d_tui.lang.words import LANGUAGES, Words, chosen, read, speakable
from r3d_tui.views.actions import ACTIONS
from r3d_tui.views.frame import IN_LOG, KEYS
from tests.marked_messages import ROOT, messages, sentences, sources, unmarked

KEY = re.compile("[a-z0-9_]*[a-z0-9]")
TRANSLATED = [language for language in LANGUAGES if language != "en"]


def _fits(template: str) -> list[tuple[str, str]]:
    """Its placeholders with their formats, a placeholder as often as it stands there."""
    return sorted((name, form or "") for _, name, form, _ in string.Formatter().parse(template) if name is not None)


def _literals(node: ast.AST) -> list[str]:
    return [part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)]


def test_every_key_that_the_console_uses_exists() -> None:
    """Keys written in the code are in the English file; so are those of every action."""
    known = read("en")
    tables = {key.partition(".")[0] for key in known}
    used = {f"action.{action.name}" for action in ACTIONS} | {
        f"key.{name}" for names in (*KEYS.values(), IN_LOG) for name in names
    }
    for path, tree in sources().items():
        for text in _literals(tree) if path.is_relative_to(ROOT / "r3d_tui") else ():
            table, dot, rest = text.partition(".")
            if dot and table in tables and KEY.fullmatch(rest):
                used.add(text)
    fields = {"infer.devices", "evaluate.videos", "evaluate.videos_set_aside", "infer.clips_per_s", "layout.packed",
              "infer.clips_per_s_beside", "infer.pass_clips_per_s"}  # fmt: skip
    assert [] == sorted(used - fields - set(known))


def test_english_has_its_keys_alone() -> None:
    """English sentences stand in the code."""
    assert [] == sorted(set(read("en")) & sentences())


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_word_is_translated(language: str) -> None:
    """Each key and each sentence of the source; what the source has lost is gone (python -m tools.translations)."""
    asked, known = set(read("en")) | sentences(), set(read(language))
    assert len(asked) > 1500
    assert ([], []) == (sorted(asked - known), sorted(known - asked))


@pytest.mark.parametrize("language", TRANSLATED)
def test_translations_have_the_placeholders_of_their_english(language: str) -> None:
    """In the same formats."""
    english = read("en")
    assert [] == [msgid for msgid, text in read(language).items() if _fits(text) != _fits(english.get(msgid, msgid))]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_file_is_read_as_gettexts_own_tools_read_it(language: str) -> None:
    """Babel finds the same texts."""
    from babel.messages import pofile

    with lang.FILES[language].open("rb") as file:
        catalogue = pofile.read_po(file, locale=language, abort_invalid=True)
    assert dict(read(language)) == {str(m.id): str(m.string) for m in catalogue if m.id and m.string and not m.fuzzy}


NEW_LANGUAGE = r"""
msgid ""
msgstr ""
"Language: de\n"

# of a person
msgid "panel.log"
msgstr "Protokoll"

#, fuzzy
msgid "panel.devices"
msgstr "Dings"

msgid "blocked by {stage}"
msgstr ""
"{stage} ist nicht "
"fertig"

#~ msgid "panel.infer"
#~ msgstr "Gone"

msgid "language"
msgstr "Deutsch\""
"""


def test_a_new_language_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dropped where the others are; what it does not translate, or marks as fuzzy, shows in English."""
    file = tmp_path / "r3d_tui.po"
    file.write_text(NEW_LANGUAGE, encoding="utf-8")
    monkeypatch.setitem(lang.FILES, "de", file)
    monkeypatch.setattr(lang, "LANGUAGES", (*LANGUAGES, "de"))
    words = Words("de")
    assert ("Protokoll", "Chips", "Model", 'Deutsch"') == (
        *(words(f"panel.{name}") for name in ("log", "chips", "model")),
        words("language"),
    )
    assert ["export ist nicht fertig", "{x} is new", "zh"] == [
        words.line(line("blocked by {stage}", stage="export")),
        words.line(Line("{x} is new")),
        Words("en").other,
    ]
    assert ("de", "en") == (chosen("de_DE"), words.other)


def test_chinese_has_no_english_where_the_template_has_words() -> None:
    """A translation is Chinese, except where all of it is a command or a setting to type."""
    typed = ("pip install", "ulimit", "r3d-tui")
    assert [] == [text for msgid, text in read("zh").items() if msgid == text and not msgid.startswith(typed)]


def _templates(value: object) -> set[str]:
    """The templates of all messages in a document."""
    if isinstance(value, dict):
        mine = {value["template"]} if isinstance(value.get("template"), str) else set()
        return mine.union(*map(_templates, value.values()))
    return set().union(*map(_templates, value)) if isinstance(value, list) else set()


@pytest.mark.parametrize("story", ["new", "finished", "failed", "cpu"])
def test_recorded_runs_are_in_chinese(story: str) -> None:
    """Every message of a recorded run has its Chinese."""
    text = (ROOT / "tests" / "stories" / f"{story}.jsonl").read_text(encoding="utf-8")
    found = set().union(*(_templates(json.loads(row)) for row in text.splitlines())) - {""}
    assert found
    assert [] == sorted(found - set(read("zh")) - {"{reason}"})


def test_messages_are_marked_in_the_source() -> None:
    """A template that reaches its message through a variable stands in `N_`, so that it is found."""
    assert {} == {str(path.relative_to(ROOT)): texts for path, tree in sources().items() if (texts := unmarked(tree))}


def test_marked_messages_are_found() -> None:
    """In a call, as a hint, under `N_`, in either arm of an `if`; a bare literal on its way to a message is told."""
    tree = ast.parse(
        "HINT = N_('a constant')\n"
        "def f(n):\n"
        "    text, hint = ('first', N_('its hint')) if n else ('second', HINT)\n"
        "    other = 'no template'\n"
        "    bare, given = 'bare', HINT\n"
        "    raise InputError(bare, hint=given if n else 'none given')\n"
        "def g(n):\n"
        "    return line('one' if n else 'another')\n"
    )
    assert {"a constant", "its hint", "none given", "one", "another"} == messages(tree)
    assert {"bare"} == unmarked(tree)


def test_a_message_is_worded_by_its_template_and_made_harmless() -> None:
    """The template is the key of the translation; facts are cleaned."""
    words = Words("zh")
    assert "受阻于 导出" == words.line(line("blocked by {stage}", stage="导出\x1b[2J"))
    assert "受阻于 导出" == words.line(line("blocked by {stage}", stage="export"))
    assert "no such words é" == words.line(line("no such words {x}", x="é\x07"))


def test_a_message_inside_a_message_is_translated_too() -> None:
    """Alone, several of them, at any depth; a name that happens to be a sentence is left alone."""
    words = Words("zh")
    text = "{device} is out of the run: {reason}"
    silent = line("no answer for {seconds:.0f} s", seconds=30.2)
    assert "NPU 0 退出运行：30 秒没有响应" == words.line(line(text, device="NPU 0", reason=silent))
    inner = line("it cannot be started: {reason}", reason=line("it stopped answering"))
    assert "NPU 0 退出运行：无法启动：不再响应" == words.line(line(text, device="NPU 0", reason=inner))
    several = tuple(line("{device}: {reason}", device=n, reason=silent) for n in range(2))
    assert "没有空闲的芯片：0：30 秒没有响应; 1：30 秒没有响应" == words.line(
        line("no chip is free: {reasons}", reasons=several)
    )
    assert "no chip is free: 0: no answer for 30 s; 1: no answer for 30 s" == str(
        line("no chip is free: {reasons}", reasons=several)
    )
    assert "缺少 found" == words.line(line("{name} is missing", name="found"))
    assert "导出, 推理 失败" == words.line(line("{stages} failed", stages=("export", "infer")))


def test_what_the_operating_system_says_is_translated() -> None:
    """The reason of a failed open is worded in Chinese; the English is what this system's C library says."""
    shown = Words("zh").line(line("{path}: {reason}", path="/a", reason=Line(os.strerror(errno.EACCES))))
    assert "/a：权限不够" == shown


def test_units_of_progress_have_a_word() -> None:
    """What a stage counts its work in is in the files."""
    found = re.compile(r"""progress\([^()]*,\s*"([a-z]+)"[,)]""")
    units = {unit for path in (ROOT / "backends").rglob("*.py") for unit in found.findall(path.read_text("utf-8"))}
    assert "videos" in units
    assert set() == {unit for unit in units if f"unit.{unit}" not in read("en")}


@pytest.mark.parametrize(
    ("environment", "asked", "expected"),
    [
        ({"LANG": "zh_CN.UTF-8"}, None, "zh"),
        ({"LANG": "de_DE.UTF-8"}, None, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, None, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "en", "en"),
        ({}, "zh_CN", "zh"),
        ({}, "zh-Hans", "zh"),
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


def test_a_terminal_that_cannot_write_a_language_gets_english() -> None:
    """Its encoding decides."""
    assert ["zh", "zh", "en", "en"] == [speakable("zh", name) for name in ("utf-8", "gbk", "latin-1", "no such")]


TWO_WORDS = re.compile(r"[A-Za-z]{2,}[,:;]? [A-Za-z]{2,}")
STYLE = re.compile(r"(bold|dim|reverse) \w+")
TERMS = frozenset({"Traceback (most recent call last)", "opset", "CANN", "pth", "Enter", "Esc", "r3d-tui", "exec"})
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
    unsaid, known = _unsaid(tree), messages(tree)
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
    paths = [path for path in (ROOT / "r3d_tui").rglob("*.py") if path.name != "html_report.py"]
    found = {(path.relative_to(ROOT / "r3d_tui").as_posix(), text) for path in paths for text in _said_in_english(path)}
    assert [] == sorted(found)
