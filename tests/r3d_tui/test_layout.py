"""Panels have their places at every size."""

from __future__ import annotations

import itertools

import pytest

from r3d_tui.views.layout import PANELS, Box, Plan, plan

SIZES = [
    *itertools.product(range(60, 251, 7), range(20, 81, 3)),
    (60, 20),
    (80, 24),
    (119, 39),
    (120, 40),
    (180, 40),
    (250, 80),
]


def _apart(one: Box, other: Box) -> bool:
    return (
        one.x + one.width <= other.x
        or other.x + other.width <= one.x
        or one.y + one.height <= other.y
        or other.y + other.height <= one.y
    )


def _check(placed: Plan, width: int, height: int) -> None:
    for name, box in placed.boxes.items():
        assert box.width > 0, name
        assert box.height > 0, name
        assert box.x + box.width <= width, name
        assert box.y + box.height <= height, name
    for one, other in itertools.combinations(placed.boxes.values(), 2):
        assert _apart(one, other)


@pytest.mark.parametrize("chips", [0, 2, 16, 64])
def test_nothing_overlaps_or_leaves_the_window(chips: int) -> None:
    """From 60x20 to 250x80 every box is inside, none is empty, no two share a cell."""
    for width, height in SIZES[:: 1 if chips == 2 else 9]:
        for current in ("stages", "log"):
            _check(plan(width, height, current, chips=chips), width, height)


def test_a_dashboard_shows_all_panels_and_a_small_window_one_beside_the_rail() -> None:
    """From 120x40 all seven panels stand together; below, the chosen one beside the rail."""
    assert set(PANELS) <= set(plan(120, 40, "log").boxes)
    assert {"header", "tabs", "rail", "model", "footer"} == set(plan(80, 24, "model").boxes)
    assert "rail" == plan(119, 40, "log").mode
    assert "rail" == plan(200, 60, "log", zoomed=True).mode


def test_three_columns_leave_the_most_room_to_what_is_longest() -> None:
    """At 200x60 the data set stands whole, and of the result more than forty lines."""
    boxes = plan(200, 60, "stages").boxes
    assert 26 < boxes["dataset"].height
    assert 40 < boxes["result"].height
    assert 8 <= plan(200, 60, "stages", chips=64).boxes["devices"].height


@pytest.mark.parametrize("size", [(1, 1), (59, 20), (60, 19), (0, 0)])
def test_below_the_least_size_only_a_word_is_shown(size: tuple[int, int]) -> None:
    """A window too small has one box as large as itself."""
    assert {"small": Box(0, 0, *size)} == plan(*size, "stages").boxes


def test_places_hold_still_while_few_chips_appear() -> None:
    """Up to four chips the dashboard does not move."""
    assert plan(120, 40, "log", chips=0) == plan(120, 40, "log", chips=4)
