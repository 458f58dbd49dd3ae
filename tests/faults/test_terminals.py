"""Terminals and locales that cannot show what we say, or that go away: the words degrade, the run does not."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from backends.core.client import RunRequest
from backends.core.plan import Stage
from r3d_tui.lang.words import Words
from tests.engine.conftest import Bench
from tests.faults.demo_runs import ROOT, r3d

SLOW = Stage("a", "toys:count", 1, params={"items": 100}, tuning={"pause": 0.05})


@pytest.mark.parametrize(
    "locale",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"LC_ALL": "zh_CN.GBK"},
        {"LC_ALL": "zh_CN.GBK", "PYTHONIOENCODING": "gbk"},
        {"LC_ALL": "xx_YY.nothing"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1", "TERM": "dumb"},
    ],
    ids=lambda env: ",".join(env.values()),
)
def test_words_that_the_locale_cannot_show_are_no_crash(tmp_path: Path, locale: dict[str, str]) -> None:
    """Names in Chinese, with accents, with emoji, in every kind of locale: exit codes stay, no traceback."""
    workspace = tmp_path / "视频 é 🎬"
    workspace.mkdir()
    (workspace / "r3d.toml").write_text('[dataset]\nvideos = "没有 é 🎬"\n[model]\ncheckpoint = "x.pth"\n', "utf-8")
    out, err = r3d("run", "--headless", cwd=workspace, expect=2, **locale)
    assert b"r3d.toml" in err
    assert b"Traceback" not in err
    (workspace / "r3d.toml").write_text("", "utf-8")
    for command in (("status", "--json"), ("--language", "zh", "doctor")):
        out, err = r3d(*command, cwd=workspace, expect=None, **locale)
        assert b"Traceback" not in err + out, (command, err)


def console(workspace: Path, rows: int, columns: int, **environment: str) -> tuple[subprocess.Popen[bytes], int]:
    """The console of a workspace in a terminal of that size."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    known = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **environment}
    process = subprocess.Popen(
        [sys.executable, "-m", "r3d_tui.cli"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=workspace,
        env=known,
        start_new_session=True,
    )
    os.close(theirs)
    return process, ours


def read(descriptor: int, seconds: float) -> bytes:
    """What comes within that time."""
    data, until = b"", time.monotonic() + seconds
    while time.monotonic() < until:
        if select.select([descriptor], [], [], 0.1)[0]:
            try:
                data += os.read(descriptor, 1 << 16)
            except OSError:
                break
    return data


def test_a_terminal_of_gbk_gets_gbk_though_the_locale_is_not_installed(tmp_path: Path) -> None:
    """As when ssh hands on a locale that the server lacks."""
    (tmp_path / "r3d.toml").touch()
    ours, theirs = pty.openpty()
    locale = {"LC_ALL": "zh_CN.GBK", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "TERM": "xterm"}
    command = [sys.executable, "-m", "r3d_tui.cli", "status"]
    known = {**os.environ, "PYTHONPATH": str(ROOT), **locale}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path, env=known):
        os.close(theirs)
        said = read(ours, 20)
    os.close(ours)
    assert Words("zh")("plain.nothing") in said.decode("gbk")


def test_a_fault_of_the_console_leaves_the_terminal_with_one_line(tmp_path: Path) -> None:
    """An exception in the event loop: the screen is given back, then its name and what to do; no traceback."""
    (tmp_path / "r3d.toml").touch()
    broken = (
        "from r3d_tui.screens.board import Board; Board.tick = lambda self: 1 // 0; import r3d_tui.__main__ as main"
    )
    command = [sys.executable, "-c", f"{broken}; import sys; sys.argv = ['r3d-tui']; main.main()"]
    ours, theirs = pty.openpty()
    known = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path, env=known) as process:
        os.close(theirs)
        said = read(ours, 20)
    os.close(ours)
    _, _, after = said.rpartition(b"\x1b[?1049l")
    assert 1 == process.returncode
    assert b"error: ZeroDivisionError" in after
    assert b"Traceback" not in after


def test_a_closed_terminal_leaves_the_run(bench: Bench) -> None:
    """The ssh connection drops (SIGHUP, the terminal gone): the run goes on, and a new console shows it."""
    (bench.workspace / "r3d.toml").touch()
    bench.stages = (SLOW,)
    process, descriptor = console(bench.workspace, 24, 80)
    assert b"\x1b[?1049h" in read(descriptor, 4)
    bench.client.start(RunRequest())
    bench.wait(lambda s: s.run.stages != () and s.run.stage("a").done >= 3)
    os.close(descriptor)
    os.kill(process.pid, signal.SIGHUP)
    process.wait(20)
    end = bench.wait(lambda s: s.run.state == "done" and not s.alive)
    assert 100 == end.run.stage("a").done
    again, descriptor = console(bench.workspace, 24, 80)
    assert b"\x1b[?1049h" in read(descriptor, 4)
    again.terminate()
    read(descriptor, 2)
    again.wait(20)
    os.close(descriptor)


@pytest.mark.parametrize("stopped", [False, True], ids=["idle", "blocked"])
def test_a_terminal_that_goes_without_a_signal_ends_the_console(bench: Bench, stopped: bool) -> None:
    """A terminal that is not the session's own sends no SIGHUP: the console ends, also where it waits to write."""
    (bench.workspace / "r3d.toml").touch()
    process, terminal = console(bench.workspace, 24, 80)
    try:
        assert b"r3d-tui" in read(terminal, 3.0)
        if stopped:
            for size in range(60, 160):  # pictures that nobody takes
                fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", size, 200, 0, 0))
                process.send_signal(signal.SIGWINCH)
                time.sleep(0.01)
        os.close(terminal)
        assert 129 == process.wait(15)
    finally:
        process.kill()


def test_a_terminal_without_a_size_is_taken_for_80x24(bench: Bench) -> None:
    """As behind `ssh -tt` in a script: the console is drawn all the same, once."""
    (bench.workspace / "r3d.toml").touch()
    bench.stages = (Stage("a", "toys:count", 1),)
    bench.run()
    process, descriptor = console(bench.workspace, 0, 0)
    seen, until = b"", time.monotonic() + 20
    while b"r3d-tui" not in seen.lower() and time.monotonic() < until:
        seen += read(descriptor, 0.2)
    assert b"r3d-tui" in seen.lower()
    assert (24, 80) == struct.unpack("HHHH", fcntl.ioctl(descriptor, termios.TIOCGWINSZ, bytes(8)))[:2]
    process.terminate()
    read(descriptor, 2)
    process.wait(20)
    os.close(descriptor)


def test_a_console_that_cannot_leave_is_ended_though_its_terminal_hung_up() -> None:
    """The last resort behind a signal: with the terminal gone there is nothing to reset, and the process still ends."""
    code = """
import os, signal
from r3d_tui.terminal import tty
signal.signal(signal.SIGHUP, signal.SIG_IGN)
try:
    os.write(1, b"ready")
    os.read(0, 1)
except OSError:
    pass
tty.GRACE_S = 0
tty._give_up(129)
"""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=theirs, stdout=theirs, cwd=ROOT, stderr=subprocess.PIPE
    )
    os.close(theirs)
    assert b"ready" == os.read(ours, 5)
    os.close(ours)
    assert (b"", 129) == (process.communicate(timeout=20)[1], process.returncode)


def test_a_terminal_of_one_cell_is_survived(bench: Bench) -> None:
    """Started at 1x1, made larger, made 1x1 again and larger: the console is still there and can be left."""
    (bench.workspace / "r3d.toml").touch()
    bench.stages = (Stage("a", "toys:count", 1),)
    bench.run()
    process, descriptor = console(bench.workspace, 1, 1)
    seen = read(descriptor, 3)
    for rows, columns in ((24, 80), (1, 1), (1, 200), (100, 2), (40, 120)):
        fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.kill(process.pid, signal.SIGWINCH)
        seen += read(descriptor, 0.7)
        assert process.poll() is None, seen[-2000:]
    assert b"Traceback" not in seen
    process.terminate()
    read(descriptor, 2)
    process.wait(20)
    os.close(descriptor)


def test_a_log_is_cleaned_for_a_terminal_and_raw_for_a_pipe(bench: Bench) -> None:
    """`logs STAGE`: what libraries printed cannot command a terminal; a pipe gets it byte for byte."""
    (bench.workspace / "r3d.toml").touch()
    bench.stages = (Stage("a", "toys:count", 1),)
    run = bench.run().run.id
    log = bench.workspace / ".r3d" / "runs" / run / "logs" / "frames-1.log"
    log.write_bytes(b"before \x1b]52;c;aGFja2Vk\x07\x1b[2Jafter\n")
    out, _ = r3d("logs", "frames", cwd=bench.workspace)
    assert log.read_bytes() == out
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
    command = [sys.executable, "-m", "r3d_tui.cli", "logs", "frames"]
    subprocess.run(command, cwd=bench.workspace, env=environment, stdin=theirs, stdout=theirs, check=True)
    os.close(theirs)
    assert b"before after\r\n" == read(ours, 1)
    os.close(ours)
