"""Asks the terminal for the colour of its ground (OSC 11), before the console starts: `run_console` does.

It is first asked where its cursor is, which any terminal answers and Textual ignores should it come late. Only one that
answered in time is asked for its ground, and for its cursor behind that, so that no answer is waited for in vain.
"""

import contextlib
import os
import re
import select
import termios
import time
from collections.abc import Iterator

from msgspec import Struct

_CURSOR = b"\x1b[6n"
_GROUND = b"\x1b]11;?\x1b\\"
_CURSOR_ANSWER = re.compile(rb"\x1b\[\d+;\d+R")
_GROUND_ANSWER = re.compile(rb"\x1b\]11;rgba?:([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})")
FIRST_S = 0.2
"""A terminal that is further away is not asked: its start would take two such times longer."""
SECOND_S = 1.0
"""For one that answered in less than a fifth of it."""


class Ground(Struct, frozen=True):
    """What the terminal answered."""

    is_light: bool | None = None
    """None: it did not say."""
    is_due: bool = False
    """An answer may still come, and be taken for keys."""


def ask_ground(keyboard: int = 0, screen: int = 2) -> Ground:
    """Of the terminal behind two descriptors. What is typed meanwhile is lost."""
    if os.environ.get("TERM") == "linux":  # it has no such question, and its ground is black
        return Ground()
    with contextlib.suppress(OSError, termios.error), _without_echo(keyboard):
        if _asked(keyboard, screen, _CURSOR, FIRST_S) is None:
            return Ground()
        answer = _asked(keyboard, screen, _GROUND + _CURSOR, SECOND_S)
        return Ground(is_due=True) if answer is None else Ground(_is_light(answer))
    return Ground()


def _asked(keyboard: int, screen: int, question: bytes, seconds: float) -> bytes | None:
    """What came up to the cursor's place; None where that did not come in time."""
    os.write(screen, question)
    heard, ends = b"", time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        if select.select([keyboard], [], [], left)[0]:
            heard += os.read(keyboard, 1024)
            if _CURSOR_ANSWER.search(heard):
                return heard
    return None


def _is_light(answer: bytes) -> bool | None:
    found = _GROUND_ANSWER.search(answer)
    if found is None:
        return None
    red, green, blue = (int(part, 16) / (16 ** len(part) - 1) for part in found.groups())
    return bool(0.299 * red + 0.587 * green + 0.114 * blue > 0.5)


@contextlib.contextmanager
def _without_echo(keyboard: int) -> Iterator[None]:
    """Answers are not shown, and come without Enter. OSError where another job has the terminal."""
    if os.tcgetpgrp(keyboard) != os.getpgrp():
        raise OSError
    before = termios.tcgetattr(keyboard)
    quiet = termios.tcgetattr(keyboard)
    quiet[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(keyboard, termios.TCSANOW, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(keyboard, termios.TCSANOW, before)
