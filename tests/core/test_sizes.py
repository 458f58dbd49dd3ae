"""Bytes in words."""

from __future__ import annotations

import pytest

from backends.core.messages import size


@pytest.mark.parametrize(
    ("value", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (99_949, "99.9 kB"), (602_112, "602 kB"), (22_278_144, "22.3 MB"),
     (999_600_000, "1.0 GB"), (36_900_000_000, "36.9 GB"), (5_000_000_000_000, "5.0 TB")],
)  # fmt: skip
def test_bytes_have_a_unit_that_fits(value: float, words: str) -> None:
    """Never 0.0 of a unit that is too large."""
    assert words == size(value)
