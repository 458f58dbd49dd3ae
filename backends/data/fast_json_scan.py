"""Large JSON files in one known spelling, read entry by entry by a pattern, a piece of the file in memory at a time.

Whatever differs from the spelling in the least ends in `NotPlainError`, and the file is left to a careful reader. So
the pattern decides speed and memory, never what is right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO

PIECE = 1 << 17
LONGEST = 3 << 20
"""Bytes that an entry may have."""
NAME = rb'"([ !#-.0-\[\]-~]{1,200})"'
"""A JSON string of ASCII that prints, without quotes, escapes and separators of paths."""
END = rb"(, ?(?=\")|\}\}\s*\Z)"
"""Behind an entry, the last group of its pattern: another entry follows, or both tables are closed."""


class NotPlainError(ValueError):
    """The file is not in that spelling."""


def scan(file: IO[bytes], head: re.Pattern[bytes], entry: re.Pattern[bytes]) -> Iterator[re.Match[bytes]]:
    """The head's match, then each entry's, with nothing left out between them to the end of the file."""
    held = file.read(PIECE)
    found = head.match(held)
    if found is None:
        raise NotPlainError
    yield found
    at, ended = found.end(), False
    while True:
        begun = at
        for found in entry.finditer(held, at):
            if found.start() != at or ended:
                break
            at, ended = found.end(), held[found.start(found.lastindex or 0)] == 0x7D
            yield found
        more = file.read(PIECE)
        if not more:
            break
        if (at == begun and len(held) > LONGEST) or ended:
            raise NotPlainError
        held, at = held[at:] + more, 0
    if not ended or at != len(held):
        raise NotPlainError
