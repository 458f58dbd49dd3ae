"""Foreign text made harmless for a terminal.

Names, log lines and reasons may hold escapes, C1 controls, bidirectional overrides, lone surrogates or piles of
combining marks. Textual hands all of these to the terminal, and reads a plain `str` as markup; so text is cleaned
here and drawn as segments, never as markup.
"""

from __future__ import annotations

import re
import unicodedata

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor moves
    r"|\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS, SOS, PM, APC with their text
    r"|\x1b[ -/]*[0-~]"
    r"|\x9b[0-?]*[ -/]*[@-~]"
    r"|[\x90\x98\x9d-\x9f][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
)
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
_MARK = (
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u1ab0-\u1aff\u1dc0-\u1dff"
    "\u20d0-\u20ff\ufe20-\ufe2f]"
)
_PILES = re.compile(f"({_MARK}{{2}}){_MARK}+")


def safe(text: str) -> str:
    """One line of `text` without anything that a terminal would obey; tabs and line ends become blanks. Idempotent."""
    if text.isascii() and text.isprintable():
        return text
    text = _ESCAPES.sub("", text)
    text = text.replace("\t", "    ").replace("\r\n", " ").replace("\n", " ").replace("\r", " ")
    text = _UNSEEN.sub("", text)
    return _PILES.sub(r"\1", unicodedata.normalize("NFC", text))


def safe_lines(text: str) -> list[str]:
    """The lines of a log, each harmless. Of a progress bar that rewrites its line with CR only the last state stays."""
    lines = text.replace("\r\n", "\n").split("\n")
    return [safe(line.rstrip("\r").rpartition("\r")[2]) for line in lines]
