"""What catalogues of failures share."""

from __future__ import annotations

from dataclasses import dataclass

from backends.ascend import error_catalog

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
    cause: error_catalog.Told
    fix: error_catalog.Told


def test_an_entry_has_cause_and_fix_in_every_language() -> None:
    """What lacks is named; what is whole is given by language, and translated for a face."""
    (first, whole), (second, half) = error_catalog.tables(TEXT, "bad")
    assert (1, 2) == (first, second)
    assert [] == error_catalog.lacking(whole)
    assert ["cause_zh", "fix_en"] == error_catalog.lacking(half)
    bad = _Bad(*error_catalog.sentences(whole))
    assert ({"en": "a", "zh": "甲"}, {"en": "b", "zh": "乙"}) == (bad.cause, bad.fix)
    assert {"a": "甲", "b": "乙"} == error_catalog.translated([bad], "zh")
    assert [] == list(error_catalog.tables(TEXT, "good"))
