"""The generated pages of the user guide say what the source says."""

from __future__ import annotations

from tools.guide import pages


def test_the_pages_are_those_of_this_source() -> None:
    """`python -m tools.guide` writes them again."""
    assert [] == [path.name for path, text in pages() if path.read_text(encoding="utf-8") != text]
