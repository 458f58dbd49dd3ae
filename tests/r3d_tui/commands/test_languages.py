"""The command line in Chinese and on terminals that cannot show it; for scripts it stays as it is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from backends import api
from r3d_tui.cli import app
from r3d_tui.commands.options import given

ROOT = Path(__file__).resolve().parents[3]
ENGLISH = re.compile(r"[a-z]{2,} [a-z]{2,}")
"""Two words of English in a row."""


@pytest.fixture(autouse=True)
def _given_again() -> object:
    """What one command was given is not the next one's."""
    before = (given.workspace, given.language, given.debug)
    yield
    given.workspace, given.language, given.debug = before


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """One that asks for Chinese."""
    (tmp_path / "r3d.toml").write_text('[console]\nlanguage = "zh"\n')
    return tmp_path


def _run(*arguments: str) -> int:
    code = app(list(arguments), standalone_mode=False)
    return code or 0


def test_the_workspace_chooses_the_language(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """r3d.toml wins over the locale, --language over r3d.toml."""
    _run("--workspace", str(workspace), "status")
    _run("--workspace", str(workspace), "--language", "en", "status")
    assert "这里尚未运行过\nnothing has run here yet\n" == capsys.readouterr().out


@pytest.mark.parametrize("text", ["[console]\nlanguage = 7\n", "console = 3\n", "[[[", "[console]\nlanguage = 'x'\n"])
def test_a_broken_file_leaves_the_choice_to_the_locale(text: str, tmp_path: Path) -> None:
    """What is wrong with it is said by those who read it whole."""
    (tmp_path / "r3d.toml").write_text(text)
    assert api.workspace_language(tmp_path) in (None, "x")
    assert None is api.workspace_language(tmp_path / "nowhere")


def test_needs_are_told_in_chinese(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every line of doctor: states, names, what was found, mends."""
    _run("--workspace", str(workspace), "doctor")
    lines = capsys.readouterr().out.splitlines()
    assert [] == [text for text in lines if ENGLISH.search(text)]
    assert any(text.startswith("正常  内存") for text in lines)


def test_documents_are_the_same_in_every_language(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts see English keys and English reasons."""
    for command in ("status", "runs", "doctor"):
        found = []
        for language in ("en", "zh"):
            _run("--workspace", str(workspace), "--language", language, command, "--json")
            found.append(capsys.readouterr().out)
        english, chinese = ([{**row, "found": ""} for row in _rows(text)] for text in found)
        assert english == chinese


def _rows(text: str) -> list[dict[str, object]]:
    document = json.loads(text)
    rows: list[dict[str, object]] = document.get("findings") or [document]
    return rows


def r3d(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run `r3d-tui` in a pipe, under a locale."""
    command = [sys.executable, "-m", "r3d_tui.cli", *arguments]
    known = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, cwd=cwd, env=known, capture_output=True, check=False)


def test_errors_follow_the_locale(tmp_path: Path) -> None:
    """Ours and the operating system's, with the same exit codes."""
    done = r3d("devices", "--from", "no-such-file", cwd=tmp_path, LC_ALL="zh_CN.UTF-8")
    assert (2, b"") == (done.returncode, done.stdout)
    text = done.stderr.decode()
    assert text.startswith("错误：")
    assert None is ENGLISH.search(text.replace("`npu-smi info`", ""))


def test_an_output_that_lacks_characters_ends_nothing(tmp_path: Path) -> None:
    """A pipe in Latin-1 gets English and question marks; a document keeps every character by JSON's own escapes."""
    folder = tmp_path / "工作区"
    folder.mkdir()
    (folder / "r3d.toml").write_text('[console]\nlanguage = "zh"\n')
    latin = {"PYTHONIOENCODING": "latin-1", "LC_ALL": "C.UTF-8"}
    told = r3d("--workspace", str(folder), "logs", "check", cwd=tmp_path, **latin)
    assert (2, b"") == (told.returncode, told.stdout)
    assert told.stderr.startswith(b"error: check has no log")
    document = r3d("--workspace", str(folder), "status", "--json", cwd=tmp_path, **latin)
    assert str(folder) == json.loads(document.stdout)["workspace"]
