"""The terminal under the console: whether it will do, what it can draw, and how it is left clean on a signal,
and how another program takes it over.
"""

import codecs
import contextlib
import fcntl
import io
import locale
import os
import select
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import IO

from rich.cells import cell_len

from backends.core.messages import Line, line, os_reason
from backends.core.processes import our_environment, python_command

_ASCII = str.maketrans(
    {
        "─": "-", "━": "=", "╸": "=", "╌": ".", "│": "|", "✓": "+", "✗": "x", "▸": ">", "›": ">", "·": ".", "–": "-",
        "■": "#", "…": "~", "→": ">", "×": "x", "±": "~", "°": " ", "▁": "_", "▂": "_", "▃": ".", "▄": "-", "▅": "=",
        "▆": "+", "▇": "*", "█": "#", "↑": "^", "↓": "v", "←": "<", "▀": "#", "≥": ">", "≤": "<", "●": "*", "▍": "|",
        "╭": "+", "╮": "+", "╰": "+", "╯": "+", "┣": "[", "┫": "]", "▲": "^",
    }
)  # fmt: skip
"""Our own signs in ASCII, each as wide as it was."""

BATCHES = "1,4,8,16,32"
"""As in the tables of the newer guides."""

_RESET = (
    b"\x18\x1b\\\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?2004l\x1b[?1004l\x1b[<u"
    b"\x1b[?7h\x1b[?1049l\x1b[?25h\x1b[0m"
)
"""A picture that is only half there ended; mouse, paste, focus and key reports off; main screen, cursor on."""


class _Charset:
    """What is drawn in place of what a terminal cannot show; one for the process, as there is one terminal."""

    ascii = False
    encoding: str | None = None


def set_charset(*, ascii_only: bool, encoding: str | None = None) -> None:
    """Draw our signs in ASCII; with an `encoding`, also replace foreign characters that it does not have."""
    _Charset.ascii = ascii_only
    _Charset.encoding = encoding


def drawn(text: str) -> str:
    """The text as this terminal can show it, exactly as wide."""
    if text.isascii() or not (_Charset.ascii or _Charset.encoding):
        return text
    if _Charset.ascii:
        text = text.translate(_ASCII)
    if _Charset.encoding:
        text = "".join(char if _encodes(char, _Charset.encoding) else "?" * cell_len(char) for char in text)
    return text


def _encodes(char: str, encoding: str) -> bool:
    try:
        char.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def locale_encoding() -> str:
    """The encoding that the user's locale asks for: from LC_ALL, LC_CTYPE or LANG, else what Python found."""
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        if value := os.environ.get(name):
            if value in ("C", "POSIX"):
                return "ascii"
            return value.partition(".")[2].partition("@")[0].lower() or locale.getpreferredencoding(False)
    return locale.getpreferredencoding(False)


def is_utf8(encoding: str) -> bool:
    """True for the names that UTF-8 goes by."""
    return encoding.lower().replace("-", "").replace("_", "") in ("utf8", "utf8mb4")


def write_in(stream: IO[str] | None, encoding: str) -> None:
    """Let a stream write in the encoding that the locale names, also where that locale is not installed here.

    Python then falls back to ASCII or to UTF-8, which a terminal of GBK shows as other signs.
    """
    if isinstance(stream, io.TextIOWrapper) and stream.isatty():
        with contextlib.suppress(LookupError):
            stream.reconfigure(encoding=codecs.lookup(encoding).name, errors="replace")


def unusable() -> Line | None:
    """Why the console cannot be drawn here; None where it can."""
    if not (sys.__stdin__ and sys.__stdin__.isatty() and sys.__stderr__ and sys.__stderr__.isatty()):
        return line("the console needs a terminal")
    term = os.environ.get("TERM", "")
    if term in ("", "dumb", "unknown"):
        return line("the terminal is of the kind {term}, which cannot draw a screen", term=term or "(none)")
    return None


def give_size() -> None:
    """Make a terminal that says it has no size, as one behind `ssh -tt` without a terminal does, one of 80x24.

    Textual draws such a terminal again and again and shows nothing in it.
    """
    with contextlib.suppress(OSError):
        size = os.get_terminal_size(0)
        if not (size.columns and size.lines):
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))


def few_colours() -> bool:
    """A terminal of 16 colours, or one that we know nothing better of."""
    if os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return False
    term = os.environ.get("TERM", "")
    return not any(name in term for name in ("256", "direct", "kitty", "alacritty", "ghostty", "wezterm", "foot"))


def light_by_environment() -> bool:
    """Terminals that say so in COLORFGBG have a light ground; the others are taken to be dark."""
    last = os.environ.get("COLORFGBG", "").rpartition(";")[2]
    return last in ("7", "9", "10", "11", "12", "13", "14", "15")


GRACE_S = 1.5
"""How long a console that got a signal may take to leave by itself."""


@contextlib.contextmanager
def leaving_clean(leave: Callable[[int], None]) -> Iterator[None]:
    """On SIGTERM and SIGHUP call `leave(128 + signal)`; where that does not end us soon, reset the terminal and go.

    A terminal that stopped reading blocks the event loop, so a plain signal handler is used, and a thread behind it.
    A terminal that went away without a signal (it was not this session's own) counts as SIGHUP: who reads from it
    would get nothing, for ever and at once.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        threading.Thread(target=_give_up, args=(128 + number,), name="leaving", daemon=True).start()
        with contextlib.suppress(RuntimeError):
            leave(128 + number)

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGHUP)}
    ended, end = os.pipe()
    watcher = threading.Thread(target=_tell_hang_up, args=(ended,), name="terminal", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        os.close(end)
        watcher.join()
        os.close(ended)
        for number, old in before.items():
            signal.signal(number, old)


def _tell_hang_up(ended: int) -> None:
    """Wait, at no cost, until the terminal is gone or the other end of `ended` is closed."""
    waiting = select.poll()
    for descriptor in (0, ended):
        waiting.register(descriptor, 0)  # hanging up is told unasked
    if ended not in dict(waiting.poll()):
        os.kill(os.getpid(), signal.SIGHUP)


def _give_up(code: int) -> None:
    time.sleep(GRACE_S)
    try:
        _reset()
    finally:
        os._exit(code)


def _reset() -> None:
    """The terminal as a shell wants it, as far as there still is one: one that hung up has no settings either."""
    with contextlib.suppress(OSError):
        descriptor = os.open("/dev/tty", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        os.write(descriptor, _RESET)
    with contextlib.suppress(OSError, termios.error):
        settings = termios.tcgetattr(0)
        settings[3] |= termios.ECHO | termios.ICANON | termios.ISIG | termios.IEXTEN
        settings[0] |= termios.ICRNL
        termios.tcsetattr(0, termios.TCSANOW, settings)


def page(path: Path) -> Line | None:
    """Show a file; a pager must not let the file's escapes through. Gives what went wrong."""
    return _run(os.environ.get("PAGER") or "less", ("less", "more"), path, {"LESS": "-i", "LESSSECURE": "1"})


def edit(path: Path) -> Line | None:
    return _run(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi", ("vi", "nano"), path, {})


def compare_batches(settings: Path, *, prompt: str) -> Line | None:
    """`bench infer --batches` of a workspace in the terminal, until Enter; Ctrl+C ends it. Gives what went wrong."""
    command = python_command("r3d_tui.cli", "--workspace", str(settings.parent), "bench", "infer", "--batches", BATCHES)
    before = signal.signal(signal.SIGINT, lambda *_: None)  # it is the command's: ours would end the console
    try:
        subprocess.run(command, env=our_environment(), check=False)
        with contextlib.suppress(EOFError):
            input(prompt)
    except OSError as error:
        return line("{command}: {reason}", command="bench", reason=os_reason(error))
    finally:
        signal.signal(signal.SIGINT, before)
    return None


def _run(wish: str, others: tuple[str, ...], path: Path, extra: dict[str, str]) -> Line | None:
    for text in (wish, *others):
        try:
            command = shlex.split(text)
        except ValueError:
            continue
        if command and shutil.which(command[0]):
            try:
                subprocess.run([*command, str(path)], env={**os.environ, **extra}, check=False)
            except OSError as error:
                return line("{command}: {reason}", command=command[0], reason=os_reason(error))
            return None
    return line("{command} is not installed; set PAGER or EDITOR", command=wish)
