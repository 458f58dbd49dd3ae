"""Where each panel stands for a size of the terminal. Pure: sizes in, boxes out; nothing overlaps or is outside."""

from __future__ import annotations

from typing import Literal, NamedTuple

from msgspec import Struct

PANELS = ("stages", "dataset", "model", "devices", "infer", "log", "result")
"""In the order of their keys 1 to 7."""
LEAST = (60, 20)
"""Columns and lines below which the console asks for a larger window."""
DASHBOARD = (120, 40)
"""Columns and lines from which all panels are shown together."""
THREE = 180
"""Columns from which the dashboard has three columns."""
RAIL = 23


class Box(NamedTuple):
    """A place inside the body: column, line, columns, lines."""

    x: int
    y: int
    width: int
    height: int


Mode = Literal["small", "rail", "dashboard"]


class Plan(Struct, frozen=True):
    """The mode and the boxes by name: panels, `header`, `footer`, and `rail` and `tabs`, or only `small`."""

    mode: Mode
    boxes: dict[str, Box]


def plan(width: int, height: int, current: str, *, chips: int = 2, stages: int = 11, zoomed: bool = False) -> Plan:
    """The boxes for a terminal of `width` columns and `height` lines: header, footer and what stands between them."""
    if width < LEAST[0] or height < LEAST[1]:
        return Plan("small", {"small": Box(0, 0, width, height)})
    mode: Mode = "rail"
    body = height - 2
    if zoomed or width < DASHBOARD[0] or height < DASHBOARD[1]:
        boxes = _rail(width, body, current)
    elif width < THREE:
        mode, boxes = "dashboard", _two(width, body, chips, stages)
    else:
        mode, boxes = "dashboard", _three(width, body, chips, stages)
    below = {name: box._replace(y=box.y + 1) for name, box in boxes.items()}
    frame = {"header": Box(0, 0, width, 1), "footer": Box(0, height - 1, width, 1)}
    return Plan(mode, {**frame, **below})


def _rail(width: int, height: int, current: str) -> dict[str, Box]:
    return {
        "tabs": Box(0, 0, width, 1),
        "rail": Box(0, 1, RAIL, height - 1),
        current: Box(RAIL + 1, 1, width - RAIL - 1, height - 1),
    }


def _two(width: int, height: int, chips: int, stages: int) -> dict[str, Box]:
    left = (width * 57) // 100
    chips = max(chips, 4)
    boxes = _column(0, left, height, (("stages", stages + 3, 8), ("infer", chips + 9, 10), ("log", None, 8)))
    right = (("dataset", 12, 9), ("model", 12, 11), ("devices", chips + 9, min(chips + 2, 8)), ("result", None, 8))
    return {**boxes, **_column(left + 1, width - left - 1, height, right)}


def _three(width: int, height: int, chips: int, stages: int) -> dict[str, Box]:
    first = (width * 36) // 100
    second = (width - first) // 2
    chips = max(chips, 4)
    boxes = _column(0, first, height, (("stages", stages + 9, 8), ("log", None, 8)))
    middle = (("infer", chips + 11, 10), ("devices", chips + 10, 8), ("dataset", None, 11))
    boxes |= _column(first + 1, second - 1, height, middle)
    third = (("model", 15, 11), ("result", None, 9))  # the longest of all gets what is left
    return boxes | _column(first + second + 1, width - first - second - 1, height, third)


def _column(x: int, width: int, height: int, wants: tuple[tuple[str, int | None, int], ...]) -> dict[str, Box]:
    """Boxes one under the other: each its wish, shrunk towards its least from the last; one without a wish fills up."""
    sizes = [want if want is not None else least for _, want, least in wants]
    over = sum(sizes) - height
    for place in reversed(range(len(wants))):
        give = min(max(0, over), sizes[place] - wants[place][2])
        sizes[place] -= give
        over -= give
    filler = next((place for place, (_, want, _least) in enumerate(wants) if want is None), len(wants) - 1)
    sizes[filler] += height - sum(sizes)
    boxes, y = {}, 0
    for (name, _, _), size in zip(wants, sizes, strict=True):
        boxes[name] = Box(x, y, width, size)
        y += size
    return boxes
