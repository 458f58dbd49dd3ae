"""What catalogues of failures share."""

from __future__ import annotations

import pytest

from backends.ascend.acl_errors import Code, entries

TEXT = """
[[bad]]
code = ["1"]
cause = "a"
fix = "b"
"""


def test_an_entry_has_cause_and_fix() -> None:
    """Entries are numbered, and what one lacks is named."""
    assert (Code(("1",), "a", "b"),) == entries(TEXT, "bad", Code)
    with pytest.raises(ValueError, match=r"bad 2 of the catalogue: .*fix"):
        entries(f'{TEXT}[[bad]]\ncode = ["1"]\ncause = "a"', "bad", Code)
    assert () == entries(TEXT, "good", Code)
