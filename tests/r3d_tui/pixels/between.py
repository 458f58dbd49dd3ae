"""Between a terminal and a program: passes everything on, keeps what the program wrote, and types what a pipe says.

python between.py SEEN KEYS PROGRAM ...
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import sys
import termios
import tty
from pathlib import Path


def main(seen: str, keys: str, *program: str) -> None:
    """Until the program ends."""
    size = fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8))
    tty.setraw(0)
    child, ours = pty.fork()
    if not child:
        fcntl.ioctl(0, termios.TIOCSWINSZ, size)
        os.execvp(program[0], program)
    typed = os.open(keys, os.O_RDWR)
    with Path(seen).open("wb", buffering=0) as copy:
        while True:
            for one in select.select([0, ours, typed], [], [])[0]:
                try:
                    data = os.read(one, 1 << 16)
                except OSError:  # the program is gone
                    return
                if one == ours:
                    copy.write(data)
                os.write(1 if one == ours else ours, data)


if __name__ == "__main__":
    main(*sys.argv[1:])
