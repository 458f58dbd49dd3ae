"""The first errors of CANN's own logs."""

from __future__ import annotations

from pathlib import Path

from backends.ascend import plog


def test_error_rows_are_the_first_of_all_files(tmp_path: Path) -> None:
    """The earliest file first, each row once; none where there is no folder."""
    assert () == plog.first_errors(tmp_path / "none")
    for name, rows in (("plog-2.log", "[ERROR] c\n"), ("plog-1.log", "[ERROR] a\n[WARNING] w\n[ERROR] a\n[ERROR] b\n")):
        (tmp_path / name).write_text(rows)
    assert ("[ERROR] a", "[ERROR] b", "[ERROR] c") == plog.first_errors(tmp_path)
    assert ("[ERROR] a",) == plog.first_errors(tmp_path, 1)
