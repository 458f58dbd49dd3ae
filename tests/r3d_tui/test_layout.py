"""Panels have their places at every size."""

from __future__ import annotations

import itertools

import pytest

from r3d_tui.views.layout import PANELS, BoardLayout, Box, Wishes, plan

SIZES = [
    *itertools.product(range(60, 251, 7), range(20, 81, 3)),
    (60, 20),
    (80, 24),
    (119, 39),
    (120, 40),
    (180, 40),
    (250, 80),
]
PHASES = ("setup", "ready", "running", "failed", "done")


def _apart(one: Box, other: Box) -> bool:
    return (
        one.x + one.width <= other.x
        or other.x + other.width <= one.x
        or one.y + one.height <= other.y
        or other.y + other.height <= one.y
    )


def _is_inside(box: Box, width: int, height: int) -> bool:
    return box.width > 0 and box.height > 0 and box.x + box.width <= width and box.y + box.height <= height


def _misplaced(placed: BoardLayout, width: int, height: int) -> list[object]:
    """Boxes that are empty or not inside, and pairs of boxes that share a cell."""
    outside = [one for one in placed.boxes.items() if not _is_inside(one[1], width, height)]
    pairs = itertools.combinations(placed.boxes.items(), 2)
    return [*outside, *((one, other) for one, other in pairs if not _apart(one[1], other[1]))]


@pytest.mark.parametrize("phase", PHASES)
def test_nothing_overlaps_or_leaves_the_window(phase: str) -> None:
    """From 60x20 to 250x80 every box is inside, none is empty, no two share a cell, for few chips and for many."""
    for (width, height), chips, main in itertools.product(SIZES[::7], (0, 4, 66), (2, 12, 60)):
        for current in ("main", "log"):
            for counted in (0, 10, 51):
                wishes = Wishes(phase, current, main, chips, counted=counted)  # type: ignore[arg-type]
                assert [] == _misplaced(plan(width, height, wishes), width, height), (width, height, current)


def test_eight_chips_are_seen_at_80x24_while_they_work() -> None:
    """The table has its heading, its rows, the total and what is said of a lost chip."""
    assert 12 <= plan(80, 24, Wishes("running", "main", 2, 11)).boxes["chips"].height


def test_a_failure_has_the_body_where_both_do_not_fit() -> None:
    """The card stands whole; the chips are a key away."""
    boxes = plan(80, 24, Wishes("failed", "main", 18, 11)).boxes
    assert "chips" not in boxes
    assert 20 == boxes["main"].height
    assert {"chips"} == set(plan(80, 24, Wishes("failed", "chips", 18, 11)).boxes) & set(PANELS)


def test_from_120x40_panels_stand_beside_each_other() -> None:
    """Main, chips, data, model, accuracy and log; the table of stages takes the body when it is chosen."""
    boxes = plan(120, 40, Wishes("running", "main", 2, 11)).boxes
    assert {"main", "chips", "data", "model", "accuracy", "log"} <= set(boxes)
    assert {"stages"} == set(plan(120, 40, Wishes("running", "stages", 2, 11)).boxes) & {*PANELS, "runs", "marked"}
    assert {"stages", "runs", "marked"} <= set(plan(200, 60, Wishes("running", "main", 2, 18)).boxes)


@pytest.mark.parametrize("size", [(1, 1), (59, 20), (60, 19), (0, 0)])
def test_below_the_least_size_only_a_word_is_shown(size: tuple[int, int]) -> None:
    """A window too small has one box as large as itself."""
    assert {"small": Box(0, 0, *size)} == plan(*size, Wishes()).boxes
