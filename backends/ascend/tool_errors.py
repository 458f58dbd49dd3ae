"""The catalogue of what foreign tools print when they fail: `tool_errors.toml` beside this module, read and matched.

`diagnosis` asks it. It matches codes and pieces of text, never whole sentences: those change from release to release.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from msgspec import Struct, field

from backends.ascend.acl_errors import Sentence, entries
from backends.core.messages import Line

CATALOGUE = Path(__file__).with_name("tool_errors.toml")
ToolKind = Literal["atc", "run", ""]
"""Which tool printed a text: atc, a program that runs a model, or not known."""


class Evidence(Struct, frozen=True):
    """What a text holds, once for all entries."""

    text: str
    lowered: str
    codes: tuple[str, ...] = ()
    """Error codes of CANN, the one that counts most first."""
    messages: Mapping[str, str] = field(default_factory=dict)
    """The line of each code."""
    status: int = 1
    tool: ToolKind = ""


class Match(Struct, frozen=True):
    entry: ToolError
    code: str | None
    rank: tuple[int, int]
    """What it says, the most first."""
    facts: Mapping[str, str]
    mark: str
    """What to look for in the text for the line that says it; empty where an exit status does."""

    @property
    def cause(self) -> Line:
        return Line(self.entry.cause, self.facts)

    @property
    def fix(self) -> Line:
        return Line(self.entry.fix, self.facts)


class ToolError(Struct, frozen=True, forbid_unknown_fields=True, rename={"codes": "code", "any_text": "any"}):
    cause: Sentence
    fix: Sentence
    codes: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    any_text: tuple[str, ...] = ()
    match: re.Pattern[str] | None = None
    standard: bool | None = None
    status: tuple[int, ...] = ()
    tool: ToolKind = ""
    last: bool = False
    call: str = ""
    again: bool = False

    def __post_init__(self) -> None:
        if not (self.codes or self.text or self.any_text or self.match or self.status):
            raise ValueError("code, text, any, match or status is missing")

    def matched(self, evidence: Evidence) -> Match | None:
        """How it fits; None where it does not."""
        if (self.tool and self.tool != evidence.tool) or (self.status and evidence.status not in self.status):
            return None
        place, code = self._code(evidence.codes)
        if self.codes and code is None:
            return None
        mark = self._piece(evidence.lowered)
        found = self.match.search(evidence.messages[code] if code else evidence.text) if self.match else None
        if mark is None or (self.match and found is None):
            return None
        facts = {name: text for name, text in found.groupdict().items() if text} if found else {}
        if self.standard is not None and self.standard != is_onnx_operator(facts["op"], int(facts["opset"])):
            return None
        return Match(self, code, (self._level(code, mark), place), facts, code or (found[0] if found else mark))

    def _code(self, codes: tuple[str, ...]) -> tuple[int, str | None]:
        pairs = ((place, code) for place, code in enumerate(codes) for mine in self.codes if _names(mine, code))
        return next(pairs, (0, None))

    def _piece(self, lowered: str) -> str | None:
        """A piece that it names, "" where it names none; None where the text lacks one."""
        if not all(piece.lower() in lowered for piece in self.text):
            return None
        found = next((piece for piece in self.any_text if piece.lower() in lowered), None)
        if self.any_text and found is None:
            return None
        return found or (self.text[0] if self.text else "")

    def _level(self, code: str | None, piece: str) -> int:
        """See `diagnosis.LEVELS`: pieces of text, a code, a pattern of codes; where it is last, a piece or none."""
        said = bool(piece) or (self.match is not None and code is None)
        if self.last:
            return 3 if said else 6 if code else 8
        return 0 if said else 1 if code in self.codes else 4 if code else 8


def _names(pattern: str, code: str) -> bool:
    """A group leaves out its inner errors (E?9???), which say nothing of their own."""
    return fnmatchcase(code, pattern) and (pattern == code or pattern[2] == "9" or code[2] != "9")


def find(evidence: Evidence) -> list[Match]:
    """The entries that fit, the one that says most first."""
    found = (entry.matched(evidence) for entry in catalogue())
    return sorted((match for match in found if match is not None), key=lambda match: match.rank)


def is_onnx_operator(name: str, opset: int) -> bool:
    """Whether ONNX has that operator in that opset; True where the package onnx is not installed."""
    try:
        from onnx import defs
    except ImportError:
        return True
    try:
        defs.get_schema(name, opset, "")
    except defs.SchemaError:
        return False
    return True


@functools.cache
def catalogue() -> tuple[ToolError, ...]:
    """The entries of the file that ships with us. ValueError with the entry's number where one is incomplete."""
    return entries(CATALOGUE.read_text(encoding="utf-8"), "error", ToolError)
