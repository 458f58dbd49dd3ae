"""The preview in a real xterm on a screen in memory: what is seen there, pixel by pixel."""

from __future__ import annotations

import contextlib
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.r3d_tui.pixels.standin import ROOT, RUN

GREEN = b"\x00\xff\x00"
"""The right half of every frame, as X keeps it; no other colour of the screen is that green."""
NEEDED = [name for name in ("Xvfb", "xterm") if shutil.which(name) is None]


@dataclass
class Window:
    """An xterm with the console in it."""

    folder: Path
    xterm: subprocess.Popen[bytes]

    def green(self) -> int:
        """Pixels of that green in the screen's file: a header, colours of 12 bytes, lines with 4 bytes a pixel."""
        data = (self.folder / "Xvfb_screen0").read_bytes()
        head = struct.unpack(">25I", data[:100])
        pixels = data[head[0] + head[19] * 12 :]
        return sum(pixels[place : place + 3] == GREEN for place in range(0, head[5] * head[12], 4))

    def type(self, keys: bytes) -> None:
        with (self.folder / "keys").open("wb") as pipe:
            pipe.write(keys)

    def until_green(self, count: int) -> None:
        self._until(lambda: self.green() == count)

    def until_text(self, text: bytes) -> None:
        self._until(lambda: text in (self.folder / "seen").read_bytes())

    def _until(self, fits: Callable[[], bool]) -> None:
        ends = time.monotonic() + 30
        while not fits():
            assert time.monotonic() < ends, f"waited in vain; {self.green()} pixels are green"
            assert self.xterm.poll() is None, "xterm has ended"
            time.sleep(0.1)


@contextlib.contextmanager
def _screen(folder: Path) -> Iterator[str]:
    """An X server without a screen; the name of its display."""
    told, tell = os.pipe()
    command = ["Xvfb", "-displayfd", str(tell), "-screen", "0", "500x330x24", "-fbdir", str(folder), "-nocursor"]
    server = subprocess.Popen(command, pass_fds=[tell], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(tell)
    try:
        with os.fdopen(told) as number:
            yield f":{number.readline().strip()}"
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def window(tmp_path: Path) -> Iterator[Window]:
    """80x24 cells of xterm's own font, with sixel as a VT340 has it."""
    if NEEDED:
        pytest.skip(f"{' and '.join(NEEDED)} not installed")
    os.mkfifo(tmp_path / "keys")
    (tmp_path / "seen").touch()
    between = [sys.executable, str(Path(__file__).with_name("between.py")), str(tmp_path / "seen")]
    program = [sys.executable, "-c", RUN, str(ROOT / "tests" / "stories" / "finished.jsonl")]
    known = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT)}
    with _screen(tmp_path) as display:
        command = ["xterm", "-ti", "vt340", "-geometry", "80x24+0+0", "-e", *between, str(tmp_path / "keys"), *program]
        xterm = subprocess.Popen(command, env={**known, "DISPLAY": display}, stderr=subprocess.DEVNULL)
        try:
            yield Window(tmp_path, xterm)
        finally:
            xterm.terminate()
            xterm.wait()


def test_xterm_shows_the_picture_and_nothing_of_it_afterwards(window: Window) -> None:
    """Half of 40x20 cells is green: when it opens, not in characters, again in pixels, and not when it is closed."""
    window.until_text(b"Stages")
    window.type(b"b")
    window.until_text(b"wave")
    window.type(b"\r\r")
    window.until_text(b"\x1b[?1;1;0S")
    window.until_green(20 * 6 * 20 * 13)
    for key, count in ((b"v", 0), (b"v", 20 * 6 * 20 * 13), (b"q", 0)):
        window.type(key)
        window.until_green(count)
    window.type(b"\x11")
    assert 0 == window.xterm.wait(20)
