"""Words that mean something in this project alone stay out of what people read."""

from __future__ import annotations

import re

import pytest

from r3d_tui.lang.words import LANGUAGES, read
from tests.marked_messages import sentences

SAY_INSTEAD = {
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\bset aside\b|\basides?\b": "skipped",
    r"\btaken up\b|\btakes? (it |them )?up\b": "resumed, resumes",
    r"\basked for\b": "requested",
    r"nothing changed since": "up to date",
    r"\bhangs? on\b": "depends on",
    r"\banew\b": "again",
    r"first time here": "not built yet",
    r"run every time": "always runs",
    r"\bperhaps\b": "only if its input changed",
    r"\bretired\b": "dropped",
    r"\btold\b|\btells?\b": "reported, reports",
    r"npu-smi says|tool says": "reports",
    r"of publ\.": "% of ref",
    r"\btaken for\b": "predicted as",
    r"most certain first": "by confidence",
    r"\bis no (stage|file)\b": "unknown stage, not found",
    r"did not work": "name it",
    r"is nobody's": "not meaningful",
    r"\bINVALID\b|\bVALID\b": "significant, not significant",
    r"\bsick\b": "unhealthy",
    r"\b(house|floor|door)\b": "architecture, layer, API",
    r"\btroubles?\b": "error",
}
"""What must not stand in a text, and what stands in its place."""


def _wrong(texts: set[str]) -> list[str]:
    return sorted(
        f"{text!r}: say {instead}"
        for text in texts
        for pattern, instead in SAY_INSTEAD.items()
        if re.search(pattern, re.sub(r"\{[^}]*\}", "", text))
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_catalogues_hold_no_private_words(language: str) -> None:
    """Neither the console's own words nor the translations use the left column of the glossary."""
    assert [] == _wrong(set(read(language).values()))


def test_messages_hold_no_private_words() -> None:
    """Neither do the messages of the backends."""
    assert [] == _wrong(sentences())
