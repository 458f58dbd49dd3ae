"""What a terminal answers, picked out of what is typed: it comes through the same input, and Textual 8.2 takes most
of it for keys. Pure, and nothing is lost of what is no answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

FENCE = "\x1b[c"
"""Primary device attributes: every terminal answers, after all that came before."""
_ANSWER = re.compile(
    r"\x1b_Gi=31;(?P<kitty>[^\x1b]*)\x1b\\"
    r"|\x1b\[\?(?P<fence>[\d;]*)c"
    r"|\x1b\[\?1;0;(?P<colours>\d+)S|\x1b\[\?1;[\d;]*S"
    r"|\x1b\[6;(?P<high>\d+);(?P<wide>\d+)t"
)
_BEGUN = re.compile(r"\x1b(?:_(?:G[^\x1b]{0,99}\x1b?)?|\[(?:\?[\d;]{0,99}|6(?:;[\d;]{0,20})?)?)\Z")
"""What may become one. Not a single escape: that may be the key."""
_NOTHING = "\x1b[?1;0$y"
"""A report that Textual knows and does nothing with: it ends an escape that it has already."""


@dataclass(slots=True)
class Answers:
    """What was answered up to the fence."""

    complete: bool = False
    attributes: frozenset[int] = frozenset()
    kitty: bool = False
    colours: int = 0
    """Registers for colours; 0: not told."""
    cell: tuple[int, int] = (0, 0)
    """Width and height of a cell in pixels; 0: not told."""

    def take(self, found: re.Match[str]) -> None:
        """One more answer."""
        if found["kitty"] is not None:
            self.kitty = found["kitty"] == "OK"
        elif found["colours"]:
            self.colours = int(found["colours"][:9])
        elif found["high"]:
            self.cell = int(found["wide"][:4]), int(found["high"][:4])
        elif found["fence"] is not None:
            self.attributes = frozenset(int(part[:9]) for part in found["fence"].split(";") if part)
            self.complete = True


class Sieve:
    """Takes what comes in and gives back what was typed; knows what it passed on, for answers may come in pieces."""

    def __init__(self) -> None:
        self.answers = Answers()
        self._held = ""
        self._passed = ""

    def typed(self, data: str) -> str:
        """What is no answer. After the fence everything is."""
        passed, text = self._passed, self._passed + self._held + data
        self._held = self._passed = ""
        rest, end = "", 0
        while not self.answers.complete and (found := _ANSWER.search(text, end)):
            if found.start() == 0 and passed:
                rest = _NOTHING
            rest += text[end : found.start()]
            self.answers.take(found)
            end = found.end()
        rest += text[end:]
        cut = len(passed)
        if not self.answers.complete and (begun := _BEGUN.search(rest)):
            self._held = rest[max(begun.start(), cut) :]
            self._passed = passed if begun.start() < cut else ""
            return rest[cut : max(begun.start(), cut)]
        if rest.endswith("\x1b"):
            self._passed = "\x1b"
        return rest[cut:]
