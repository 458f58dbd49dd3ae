"""What catalogues of failures share."""

from __future__ import annotations

from backends.ascend import error_catalog

TEXT = """
[[bad]]
cause = "a"
fix = "b"

[[bad]]
cause = "a"
"""


def test_an_entry_has_cause_and_fix() -> None:
    """Entries are numbered, and what one lacks is named."""
    (first, whole), (second, half) = error_catalog.tables(TEXT, "bad")
    assert (1, 2) == (first, second)
    assert ([], ["fix"]) == (error_catalog.lacking(whole), error_catalog.lacking(half))
    assert [] == list(error_catalog.tables(TEXT, "good"))
