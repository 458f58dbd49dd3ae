"""A terminal to run the console in: a pty, what comes out of it, and the answers of a terminal of some kind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pyte

ROOT = Path(__file__).resolve().parents[3]
RUN = """
import sys
from pathlib import Path
from backends import api
from backends.core.clip_entries import ClipFrames, VideoEntry
from backends.engine.replay import ReplayClient
from r3d_tui.app import run_console
from r3d_tui.pixels import overlay
from r3d_tui.screens import player

NAME = "w\\x1b[2J\\x1b_Ga=d\\x1b\\\\1"

def frames(_, video, clip, side):
    data = b"".join((bytes([number * 16, 0, 0]) * (side // 2) + bytes([0, 255, 0]) * (side - side // 2)) * side
                    for number in range(4))
    return ClipFrames(video, clip, 4, side, side, data)

api.list_videos = lambda _: (VideoEntry(NAME, "wave", 41, 2, 2, (1, 42)),)
api.clip_frames = frames
overlay.SLOW_S, overlay.FRAME_S = (0.0 if "slow" in sys.argv else 60.0), 60.0
overlay.LIMIT_S = 1.0 if "mute" in sys.argv else 20.0
player.SLOW_FRAME_S = -1.0 if "slow" in sys.argv else 60.0
client = ReplayClient.open(Path(sys.argv[1]))
client.seek(1e6)
sys.exit(run_console(client))
"""
"""A video of two clips with four frames each, the left half red as the number is, the right half green."""
PICTURES = re.compile(rb"\x1b_G([^\x1b]*)\x1b\\|\x1bP([^\x1b]*)\x1b\\")
KITTY, SIXEL, PLAIN, MUTE = "kitty", "sixel", "plain", "mute"
_QUESTIONS = re.compile(rb"\x1b_G(?=i=31)[^\x1b]*\x1b\\|\x1b\[c|\x1b\[\?1;1;0S")
_UNENDED = re.compile(rb"\x1b[_P][^\x1b]*(\x1b\\?)?\Z(?<!\x1b\\)")
_UNKNOWN = re.compile(rb"\x1b\[[<>=][0-9;]*[a-z]|\x1b\[\?[0-9]+\$p|\x1b\[\?[0-9;]+S|\x1b\[[0-9;]*t")
"""What pyte would print, being no string."""
_DEVICES = {KITTY: b"62", SIXEL: b"63;1;2;4;22", PLAIN: b"64;1;2;6;22"}


class StandIn:
    """The console in a pty of 80x24 cells of 6x12 pixels."""

    def __init__(self, kind: str, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self.process = process
        self.data = b""
        self._kind, self._descriptor, self._heard, self._shown = kind, descriptor, 0, 0
        self._drawing, self._printing = pyte.ByteStream(pyte.Screen(80, 24)), pyte.ByteStream(pyte.Screen(80, 24))

    def until(self, seen: bytes | str, seconds: float = 30.0) -> None:
        """Read and answer until that came, as bytes after what was read before, or as text on the screen."""
        start, ends = len(self.data), time.monotonic() + seconds
        while not (seen in self.data[start:] if isinstance(seen, bytes) else seen in self.screen()):
            assert time.monotonic() < ends, f"{seen!r} did not come; the screen: {self.screen()}"
            self._read()

    def _read(self) -> bool:
        if not select.select([self._descriptor], [], [], 0.05)[0]:
            return False
        try:
            self.data += os.read(self._descriptor, 1 << 16)
        except OSError:  # nobody is at the other end
            return False
        for question in _QUESTIONS.finditer(self.data, self._heard):
            self._heard = question.end()
            self._answer(question[0])
        return True

    def _answer(self, question: bytes) -> None:
        if question == b"\x1b[c":
            if self._kind != MUTE:
                self.type(b"\x1b[?" + _DEVICES[self._kind] + b"c")
        elif question.endswith(b"S"):
            self.type(b"\x1b[?1;0;256S")
        elif self._kind == KITTY:
            self.type(b"\x1b_Gi=31;OK\x1b\\")

    def type(self, keys: bytes) -> None:
        """Keys, or an answer."""
        os.write(self._descriptor, keys)

    def drain(self) -> int:
        """Read to the end; the exit code."""
        ends = time.monotonic() + 20
        while self.process.poll() is None:
            assert time.monotonic() < ends, "it did not end"
            self._read()
        while self._read():
            pass
        return self.process.returncode

    def screen(self, *, strings: bool = False) -> str:
        """The text that is seen; with `strings` by a terminal that prints the strings that it does not know."""
        end = max(self.data.rfind(b"\x1b"), self._shown)
        if (begun := _UNENDED.search(self.data, self._shown)) is not None:
            end = begun.start()
        data = _UNKNOWN.sub(b"", self.data[self._shown : end])
        self._shown = end
        self._printing.feed(data)
        self._drawing.feed(PICTURES.sub(b"", data))
        return "\n".join((self._printing if strings else self._drawing).listener.display)

    @property
    def pictures(self) -> list[bytes]:
        """What is inside the strings of both protocols, without the question."""
        found = [one[1] if one[1] is not None else one[2] for one in PICTURES.finditer(self.data)]
        return [one for one in found if b"a=q" not in one]


@contextlib.contextmanager
def console(kind: str, *extra: str) -> Iterator[StandIn]:
    """A finished run's console in a terminal of that kind."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 480, 288))
    command = [sys.executable, "-c", RUN, str(ROOT / "tests" / "stories" / "finished.jsonl"), kind, *extra]
    known = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=known, start_new_session=True, cwd="/"
    )
    os.close(theirs)
    try:
        yield StandIn(kind, process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
