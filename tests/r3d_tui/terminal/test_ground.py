"""The terminal is asked for its ground, in a real pseudo-terminal with a terminal's answers at its other end."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.color import Color, ColorSystem
from textual import events
from textual.theme import Theme

from r3d_tui.app import THEMES, ConsoleApp
from tests.replay import ReplayClient

ROOT = Path(__file__).resolve().parents[3]
ASK = """
import os, select, sys, termios
from r3d_tui.terminal import ground
ground.FIRST_S, ground.SECOND_S = 2.0, 0.5
before = termios.tcgetattr(0)
found = ground.ask_ground()
assert before == termios.tcgetattr(0)
left = os.read(0, 99) if select.select([0], [], [], 0)[0] else b""
print("said", found.is_light, found.is_due, left, flush=True)
"""
WHAT = b"\x1b]11;?\x1b\\"
HERE = b"\x1b[6n", b"\x1b[1;1R"
"""Where the cursor is: the question and its answer."""


def _asked(*answers: tuple[bytes, bytes], **environment: str) -> tuple[str, bytes]:
    """What the asking process found, and all that it wrote to a terminal that gives those answers, each once."""
    ours, theirs = pty.openpty()

    def adopt() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        [sys.executable, "-c", ASK],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TERM": "xterm", **environment},
        preexec_fn=adopt,  # noqa: PLW1509 - one thread here, and only system calls in between
    )
    os.close(theirs)
    written, seen, ends, left = b"", 0, time.monotonic() + 20, list(answers)
    while b"said" not in written or not written.endswith(b"\n"):
        assert time.monotonic() < ends, written
        if select.select([ours], [], [], 0.1)[0]:
            written += os.read(ours, 4096)
        while left and left[0][0] in written[seen:]:
            question, answer = left.pop(0)
            seen = written.index(question, seen) + len(question)
            os.write(ours, answer)
    process.wait(10)
    os.close(ours)
    return written[written.index(b"said") :].decode().strip(), written


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        (b"rgb:ffff/ffff/ffff\x1b\\", "True"),
        (b"rgb:fb/fa/f7\x07", "True"),
        (b"rgba:0000/0000/0000/ffff\x1b\\", "False"),
        (b"rgb:1212/1616/1b1b\x07", "False"),
        (b"rgb:what\x07", "None"),
    ],
)
def test_a_terminal_that_answers_is_believed(colour: bytes, expected: str) -> None:
    """As xterm, kitty and VTE answer; nothing is left in the input, and nothing is shown."""
    said, written = _asked(HERE, (WHAT, b"\x1b]11;" + colour), HERE)
    assert f"said {expected} False b''" == said
    assert b"rgb" not in written


def test_a_terminal_without_the_question_costs_one_answer() -> None:
    """As tmux without colours of its own: it says where its cursor is, and no more."""
    assert "said None False b''" == _asked(HERE, HERE)[0]


def test_a_terminal_that_does_not_answer_is_not_asked_for_its_ground() -> None:
    """Nor is one further away: its answer could come when somebody else reads."""
    said, written = _asked()
    assert "said None False b''" == said
    assert WHAT not in written


def test_the_linux_console_is_not_asked() -> None:
    """It has no such question, and a black ground."""
    said, written = _asked(TERM="linux")
    assert "said None False b''" == said
    assert b"\x1b" not in written


def test_an_answer_that_is_late_is_known_to_be_due() -> None:
    """The terminal answered at once, and then no more."""
    assert "said None True b''" == _asked(HERE)[0]


async def test_a_late_answer_is_not_taken_for_keys(
    story: Callable[..., ReplayClient], console: Callable[..., ConsoleApp]
) -> None:
    """What Textual makes keys of does nothing until the answer behind it has come; then keys work again."""
    client = story("finished")
    app = console(client)
    app.ignore_keys_before_answer()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause(0.3)
        await pilot.press(*"^]11;rgb:ffff/ffff/ffff")
        await pilot.pause()
        assert (1, []) == (len(app.screen_stack), client.asked)
        app.post_message(events.CursorPosition(0, 0))
        await pilot.press("question_mark")
        await pilot.pause()
        assert 2 == len(app.screen_stack)


@pytest.mark.parametrize("theme", THEMES, ids=lambda one: one.name)
def test_grounds_stay_grey_in_256_colours(theme: Theme) -> None:
    """What lies behind text is near grey in 24 bits, and is no blue, teal or yellow where it is rounded."""
    for name in ("background", "surface", "panel"):
        red, green, blue = Color.parse(getattr(theme, name)).downgrade(ColorSystem.EIGHT_BIT).get_truecolor()
        assert red == green == blue, name
    cursor = Color.parse(theme.variables["r3d-cursor"]).downgrade(ColorSystem.EIGHT_BIT).get_truecolor()
    assert cursor.red == cursor.green == cursor.blue
