"""What the console writes to a terminal whose locale is not installed on the server."""

from __future__ import annotations

import os
import pty
import select
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def read_until(terminal: int, wanted: bytes, seconds: float) -> bytes:
    """What the terminal was sent until `wanted` was in it, or for so long."""
    ends, seen = time.monotonic() + seconds, b""
    while wanted not in seen and time.monotonic() < ends:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                seen += os.read(terminal, 65536)
            except OSError:
                break
    return seen


@pytest.mark.parametrize("encoding", ["GB18030", "GBK"])
def test_chinese_is_written_in_the_encoding_that_the_locale_names(tmp_path: Path, encoding: str) -> None:
    """As ssh forwards LC_ALL from a Chinese desktop; such a terminal shows UTF-8 as other signs."""
    process, terminal = pty.fork()
    if process == 0:  # the child
        os.environ.update(LC_ALL=f"zh_CN.{encoding}", TERM="xterm", PYTHONPATH=str(ROOT), COLUMNS="80", LINES="24")
        os.execv(sys.executable, [sys.executable, "-m", "r3d_tui", "-w", str(tmp_path)])
    try:
        seen = read_until(terminal, "工作".encode(encoding), 20)
    finally:
        os.kill(process, 9)
        os.waitpid(process, 0)
        os.close(terminal)
    assert "工作".encode(encoding) in seen
