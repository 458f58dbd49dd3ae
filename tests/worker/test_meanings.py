"""What catalogues of failures share."""

from __future__ import annotations

from dataclasses import dataclass

from backends.worker import meanings

TEXT = """
[[bad]]
cause_en = "a"
fix_en = "b"
cause_zh = "甲"
fix_zh = "乙"

[[bad]]
cause_en = "a"
fix_zh = "乙"
"""


@dataclass(frozen=True)
class _Bad:
    cause: meanings.Told
    fix: meanings.Told


def test_an_entry_has_cause_and_fix_in_every_language() -> None:
    """What lacks is named; what is whole is given by language, and translated for a face."""
    (first, whole), (second, half) = meanings.tables(TEXT, "bad")
    assert (1, 2) == (first, second)
    assert [] == meanings.lacking(whole)
    assert ["cause_zh", "fix_en"] == meanings.lacking(half)
    bad = _Bad(*meanings.sentences(whole))
    assert ({"en": "a", "zh": "甲"}, {"en": "b", "zh": "乙"}) == (bad.cause, bad.fix)
    assert {"a": "甲", "b": "乙"} == meanings.translated([bad], "zh")
    assert [] == list(meanings.tables(TEXT, "good"))
