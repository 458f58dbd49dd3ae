"""Ctrl+Z in the live display, on a real terminal with a small shell of its own."""

from __future__ import annotations

import os
import pty
import select
import sys
import time

SHELL = """
import os, signal, sys, time
child = os.fork()
if not child:
    os.setpgid(0, 0)
    while os.tcgetpgrp(0) != os.getpgrp():
        time.sleep(0.01)
    os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
signal.signal(signal.SIGCHLD, signal.SIG_DFL)
time.sleep(0.05)
os.tcsetpgrp(0, child)
_, status = os.waitpid(child, os.WUNTRACED)
os.tcsetpgrp(0, os.getpgrp())
print("<stopped>" if os.WIFSTOPPED(status) else "<ended>", flush=True)
os.tcsetpgrp(0, child)
os.kill(child, signal.SIGCONT)
_, status = os.waitpid(child, 0)
print("<code %d>" % os.waitstatus_to_exitcode(status), flush=True)
"""
DISPLAY = """
import pathlib, time
from backends.core.client import Snapshot
from backends.core.run_state import Run, StageRun
from r3d_tui.lang.words import Words
from r3d_tui.headless.progress import LiveDisplay
def shown(name):
    return Snapshot(1, pathlib.Path("w"), Run("r", "running", stages=(StageRun(name, "running", unit="videos"),)))
with LiveDisplay(Words("en")) as display:
    display(shown("frames"))
    print("<drawn>", flush=True)
    until = time.monotonic() + 20
    while not display._back and time.monotonic() < until:
        time.sleep(0.01)
    display(shown("frames"))
"""
HIDDEN, SHOWN = b"\x1b[?25l", b"\x1b[?25h"


def _until(terminal: int, heard: bytes, wanted: bytes) -> bytes:
    until = time.monotonic() + 30
    while wanted not in heard and time.monotonic() < until:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                heard += os.read(terminal, 65536)
            except OSError:
                break
    assert wanted in heard, heard
    return heard


def test_ctrl_z_gives_the_cursor_back_and_the_display_goes_on() -> None:
    """Stopped: the shell has a cursor. In the foreground again: hidden, drawn anew, and shown at the end."""
    child, terminal = pty.fork()
    if not child:
        os.execv(sys.executable, [sys.executable, "-c", SHELL, DISPLAY])
    try:
        drawn = _until(terminal, b"", b"<drawn>")
        assert drawn.rfind(HIDDEN) > drawn.rfind(SHOWN)
        os.write(terminal, b"\x1a")
        stopped = _until(terminal, drawn, b"<stopped>")
        assert stopped.rfind(SHOWN) > stopped.rfind(HIDDEN)
        after = _until(terminal, b"", b"<code 0>")
        assert after.rfind(SHOWN) > after.find(HIDDEN) >= 0
        assert b"frames" in after[after.find(HIDDEN) :]
    finally:
        os.close(terminal)
        os.waitpid(child, 0)
