"""The console in a real pseudo-terminal: what bytes reach it, and how it is left."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from r3d_tui.terminal import tty

ROOT = Path(__file__).resolve().parents[3]
RUN = """
import sys
from pathlib import Path
from tests.replay import ReplayClient
from r3d_tui.terminal import tty
from r3d_tui.app import run_console
client = ReplayClient.open(Path(sys.argv[1]))
client.seek(float(sys.argv[2]))
sys.exit(run_console(client, mouse="no-mouse" not in sys.argv))
"""
OWN = re.compile(
    rb"\x1b\[[0-9;]*m"  # colours
    rb"|\x1b\[[0-9;]*H"  # places
    rb"|\x1b\[\?[0-9]+[hl]|\x1b\[\?[0-9]+\$p"  # modes
    rb"|\x1b\[[<>=]?[0-9;]*u|\x1b\[>[0-9]*q|\x1b\[c|\x1b\[[0-9;]*t"  # keyboard and queries
    rb"|\x1b\]22;[a-z]*\x07"  # shape of the pointer
    rb"|\x1b\[[0-9]*[ABCDJKSTX]|\x1b\[[0-9] q|\x1b\[[0-9]+n"
)


@dataclass
class Terminal:
    """A console in a pty, and all that it wrote."""

    process: subprocess.Popen[bytes]
    descriptor: int
    data: bytes = field(default=b"")

    def read_until(self, text: bytes, seconds: float = 30.0) -> None:
        ends = time.monotonic() + seconds
        while text not in self.data:
            assert time.monotonic() < ends, f"{text!r} did not come; got {self.data[-600:]!r}"
            if select.select([self.descriptor], [], [], 0.1)[0]:
                self.data += os.read(self.descriptor, 1 << 16)

    def drain(self) -> int:
        """Read to the end; the exit code."""
        ends = time.monotonic() + 20
        with contextlib.suppress(OSError):
            while time.monotonic() < ends:
                if select.select([self.descriptor], [], [], 0.1)[0]:
                    piece = os.read(self.descriptor, 1 << 16)
                    if not piece:
                        break
                    self.data += piece
                elif self.process.poll() is not None:
                    break
        return self.process.wait(10)


@contextlib.contextmanager
def _console(story: str, at: float, *extra: str, **environment: str) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    command = [sys.executable, "-c", RUN, str(ROOT / "tests" / "stories" / f"{story}.jsonl"), str(at), *extra]
    known = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT)}

    def adopt() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**known, **environment},
        preexec_fn=adopt,  # noqa: PLW1509 - one thread here, and only system calls in between
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _left_on(data: bytes) -> set[bytes]:
    """Modes that were switched on and not off again."""
    on: set[bytes] = set()
    for mode, way in re.findall(rb"\x1b\[\?([0-9]+)([hl])", data):
        (on.add if way == b"h" else on.discard)(mode)
    return on - {b"25", b"7"}


@pytest.mark.slow
@pytest.mark.parametrize("how", ["q", "SIGTERM", "SIGHUP"])
def test_the_terminal_is_left_clean(how: str) -> None:
    """After q, SIGTERM and SIGHUP no mode stays on, the cursor is back, and the exit code tells the signal."""
    with _console("finished", 60.0) as console:
        console.read_until(b"verify")
        if how == "q":
            os.write(console.descriptor, b"q")
        else:
            console.process.send_signal(signal.Signals[how])
        code = console.drain()
    assert (0 if how == "q" else 128 + signal.Signals[how]) == code
    assert set() == _left_on(console.data)
    assert console.data.rfind(b"\x1b[?25h") > console.data.rfind(b"\x1b[?25l")
    assert b"goes on without the console" in console.data


@pytest.mark.slow
def test_a_terminal_that_stopped_reading_does_not_hold_the_console() -> None:
    """With the terminal stalled SIGTERM still ends the console within seconds."""
    with _console("finished", 60.0) as console:
        console.read_until(b"verify")
        for size in range(40):  # each resize draws all anew, and nobody reads it
            fcntl.ioctl(console.descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", 40 + size, 150, 0, 0))
            console.process.send_signal(signal.SIGWINCH)
            time.sleep(0.03)
        console.process.send_signal(signal.SIGTERM)
        assert 128 + signal.SIGTERM == console.process.wait(8)


@pytest.mark.slow
@pytest.mark.parametrize("keys", [b"1234567", b"d", b"h", b"r", b"?"])
def test_foreign_text_reaches_the_terminal_harmlessly(keys: bytes) -> None:
    """Of names, logs, reasons and results full of escapes no control byte reaches the terminal, on any panel."""
    with _console("hostile", 10.0, COLUMNS="120", LINES="40") as console:
        console.read_until(b"app.quit")
        for key in keys:
            os.write(console.descriptor, bytes([key]))
            time.sleep(0.4)
        time.sleep(0.4)
        os.write(console.descriptor, b"qq")
        console.drain()
    left = OWN.sub(b"", console.data).decode("utf-8", "replace")
    assert b"]52" not in console.data
    assert [] == sorted({char for char in left if (ord(char) < 32 and char not in "\r\n") or 127 <= ord(char) < 160})
    assert not set(left) & set("\u202e\u2066\u2067\u2068\u2069")


@pytest.mark.slow
def test_without_colour_no_colour_is_sent() -> None:
    """NO_COLOR leaves only attributes such as bold; states are told by sign and word."""
    with _console("failed", 1e6, NO_COLOR="1") as console:
        console.read_until(b"export")
        time.sleep(1.0)
        os.write(console.descriptor, b"q")
        console.drain()
    colours = {part for style in re.findall(rb"\x1b\[([0-9;]+)m", console.data) for part in style.split(b";")}
    assert set() == {c for c in colours if c.isdigit() and 30 <= int(c) <= 107 and int(c) not in (39, 49)}
    assert "✗".encode() in console.data


@pytest.mark.slow
def test_sixteen_colours_are_enough() -> None:
    """A terminal of 16 colours gets no others."""
    with _console("failed", 1e6, TERM="xterm", COLORTERM="") as console:
        console.read_until(b"export")
        time.sleep(1.0)
        os.write(console.descriptor, b"q")
        console.drain()
    assert [] == re.findall(rb"\x1b\[[0-9;]*[34]8;[25];", console.data)


@pytest.mark.slow
def test_an_ascii_locale_gets_ascii() -> None:
    """With LC_ALL=C every byte that is drawn is ASCII, the words are English, foreign letters become question marks."""
    with _console("hostile", 10.0, LC_ALL="C") as console:
        console.read_until(b"app.quit")
        time.sleep(1.0)
        os.write(console.descriptor, b"q")
        console.drain()
    assert b"check" in console.data
    assert [] == [byte for byte in console.data if byte > 126]


@pytest.mark.slow
def test_a_dumb_terminal_gets_one_line() -> None:
    """TERM=dumb is told what to use instead, and exit code 2."""
    with _console("new", 0.0, TERM="dumb") as console:
        assert 2 == console.drain()
    assert b"cannot draw a screen: use r3d-tui status" in console.data
    assert b"\x1b" not in console.data


def test_our_signs_have_an_ascii_form_of_the_same_width() -> None:
    """Each sign that the console draws is replaced by one of the same width."""
    tty.set_charset(ascii_only=True)
    signs = "─━╸╌│✓✗▸›·–■…→×±°▁▂▃▄▅▆▇█"
    shown = tty.drawn(signs)
    assert shown.isascii()
    assert len(signs) == len(shown)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({"LC_ALL": "C"}, "ascii"), ({"LANG": "zh_CN.GBK"}, "gbk"), ({"LANG": "en_US.UTF-8"}, "utf-8")],
)
def test_the_locale_tells_the_encoding(
    environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LC_ALL before LC_CTYPE before LANG."""
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert expected == tty.locale_encoding()


def test_the_console_imports_nothing_heavy() -> None:
    """Importing the console leaves numpy, torch, OpenCV, ONNX, Typer and the engine out."""
    code = (
        "import sys, r3d_tui.app; print([m for m in ('numpy', 'torch', 'cv2', 'onnx', 'onnxruntime', 'openvino', 'PIL',"
        " 'typer', 'backends.engine', 'sqlite3') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "[]" == done.stdout.strip()


def test_batch_sizes_are_compared_in_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The command's own words are seen until Enter; Ctrl+C is the console's again afterwards."""
    asked: list[str] = []
    monkeypatch.setattr("builtins.input", asked.append)
    before = signal.getsignal(signal.SIGINT)
    assert tty.compare_batches(tmp_path / "r3d.toml", prompt="Enter") is None
    assert ["Enter"] == asked
    assert "error: " in capfd.readouterr().err
    assert before is signal.getsignal(signal.SIGINT)
