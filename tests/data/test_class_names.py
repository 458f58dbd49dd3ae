"""Files of class names, as every stage reads them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from backends.core.messages import InputError
from backends.data.class_names import read_class_names
from backends.data.datasets import read_lists


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("wave\n# a remark\n\nrun\n", ("wave", "run")),
        ("\ufeffwave\r\nrun", ("wave", "run")),
        ('["wave", "run"]', ("wave", "run")),
        ("1 wave\n2 run\n", ("wave", "run")),
        ("7\n3 wheels\n", ("7", "3 wheels")),
        (json.dumps({"labels": ["wave", "run"], "database": {}}), ("wave", "run")),
    ],
)
def test_names_stand_in_the_files_order(tmp_path: Path, text: str, expected: tuple[str, ...]) -> None:
    """Plain and numbered lines, JSON lists and an annotation's labels: a class's number is its place there."""
    (tmp_path / "names").write_text(text, encoding="utf-8")
    assert expected == read_class_names(tmp_path / "names")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no class names"),
        (b"# nothing\n", "no class names"),
        (b"a\nb\na\n", 'class name "a": it stands twice'),
        (b"../x\n", 'class name "../x"'),
        (b"\xff\xfe\x00", "not UTF-8 text"),
        (b'{"labels": 3}', "names: "),
    ],
)
def test_a_bad_file_is_refused_in_one_line(tmp_path: Path, data: bytes, words: str) -> None:
    """The line names the file, what is wrong in it, and the mend."""
    (tmp_path / "names").write_bytes(data)
    with pytest.raises(InputError, match=words) as caught:
        read_class_names(tmp_path / "names")
    assert caught.value.hint.template
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["folder", "nothing", "pipe", "loop"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    """A folder, nothing, a pipe that nobody writes into, a link that leads to itself: nothing is waited for."""
    path = tmp_path / "x"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to("x")
    with pytest.raises(InputError, match=r"x: .*\(give a file with one class name a line\)"):
        read_class_names(path)


def test_lists_are_refused_at_once_where_they_are_no_files(tmp_path: Path) -> None:
    """The list of a data set that is a pipe, or a link that leads to itself."""
    os.mkfifo(tmp_path / "wave_test_split1.txt")
    with pytest.raises(InputError, match="not a regular file"):
        read_lists(tmp_path, 1)
    (tmp_path / "wave_test_split1.txt").unlink()
    (tmp_path / "wave_test_split1.txt").symlink_to("wave_test_split1.txt")
    with pytest.raises(InputError, match="symbolic links"):
        read_lists(tmp_path, 1)
