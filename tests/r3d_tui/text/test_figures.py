"""Numbers as a person reads them."""

from __future__ import annotations

import math

import pytest

from r3d_tui.text import figures


@pytest.mark.parametrize(
    "show",
    [
        figures.count,
        figures.rate,
        figures.percent,
        figures.seconds,
        figures.clock,
        figures.size,
        figures.small,
        figures.number,
    ],
)
@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_what_nobody_measured_is_a_dash(show: object, value: float | None) -> None:
    """None, NaN and infinity are dashes in every form, never 0."""
    assert figures.DASH == show(value)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (figures.count(143483), "143,483"),
        (figures.rate(0.421), "0.42"),
        (figures.rate(392.21), "392.2"),
        (figures.rate(17003.2), "17,003"),
        (figures.percent(0.62), "62 %"),
        (figures.percent(0.9999), "99 %"),
        (figures.percent(1.0), "100 %"),
        (figures.seconds(0.44), "0.4 s"),
        (figures.seconds(161.4), "2:41"),
        (figures.clock(3723), "1:02:03"),
        (figures.clock(90061), "1 d 1 h"),
        (figures.size(36_900_000_000), "36.9 GB"),
        (figures.size(176), "176 B"),
        (figures.small(2.4e-7), "2.4e-07"),
        (figures.number(15.8, 1, "W"), "15.8 W"),
    ],
)
def test_figures_have_their_form(shown: str, expected: str) -> None:
    """Each kind of figure has one form, and a share below one is never 100 %."""
    assert expected == shown
