"""Where each panel stands for a size of the terminal. Pure: sizes and wishes in, boxes out; nothing overlaps."""

from typing import Literal, NamedTuple

from msgspec import Struct

from r3d_tui.views.phase import Phase

PANELS = ("main", "chips", "data", "model", "accuracy", "stages", "log")
"""In the order of their keys 1 to 7. One that has no place in the layout takes the body when it is chosen."""
LEAST = (60, 20)
"""Columns and lines below which the console asks for a larger window."""
BOXED = (120, 40)
"""Columns and lines from which panels stand in boxes beside each other."""
WIDE = (190, 50)
"""Columns and lines from which the stages stand at the left and the marked chip at the right."""


BEFORE: tuple[Phase, ...] = ("setup", "ready", "failed")
"""Phases in which the main pane says all that there is."""
CLIP = 28
"""Lines of a clip as wide as the right column, with what it is."""
LOG = 5
"""Lines that a log needs to be of use."""


class Box(NamedTuple):
    """A place on the screen: column, line, columns, lines."""

    x: int
    y: int
    width: int
    height: int


Mode = Literal["small", "stacked", "boxed"]


class Wishes(Struct, frozen=True):
    """What the panels would take, and what matters now."""

    phase: Phase = "ready"
    current: str = "main"
    main: int = 8
    """Lines of the main pane's rows."""
    chips: int = 4
    """Lines of the chip table and what is said below it; 0: there are none."""
    zoomed: bool = False
    counted: int = 0
    """Classes of the confusion matrix that grows; 0: there is none."""
    clip: bool = False
    """There is a misclassified video to play."""


class BoardLayout(Struct, frozen=True):
    """The mode and the boxes by name: panels, `header`, `strip`, `status`, `footer`, or only `small`."""

    mode: Mode
    boxes: dict[str, Box]


def plan(width: int, height: int, wishes: Wishes) -> BoardLayout:
    """The boxes for a terminal of `width` columns and `height` lines."""
    if width < LEAST[0] or height < LEAST[1]:
        return BoardLayout("small", {"small": Box(0, 0, width, height)})
    body = Box(0, 2, width, height - 4)
    boxed = width >= BOXED[0] and height >= BOXED[1]
    if boxed and width >= WIDE[0] and height >= WIDE[1]:
        boxes = _wide(body, wishes)
    else:
        boxes = _boxed(body, wishes) if boxed else _stacked(body, wishes)
    if wishes.zoomed or wishes.current not in boxes:
        boxes = {wishes.current: body}
    frame = {
        "header": Box(0, 0, width, 1),
        "strip": Box(0, 1, width, 1),
        "status": Box(0, height - 2, width, 1),
        "footer": Box(0, height - 1, width, 1),
    }
    return BoardLayout("boxed" if boxed else "stacked", {**frame, **boxes})


def _stacked(body: Box, wishes: Wishes) -> dict[str, Box]:
    """The main pane over the chips, which have what they need before a run and while devices work."""
    chips = wishes.chips
    if wishes.phase in ("failed", "done", "setup") and wishes.main + chips + 1 > body.height:
        chips = 0  # the card and the result have the room; Tab goes to the chips
    if not chips:
        return {"main": body}
    if wishes.phase == "running" and wishes.main < body.height:
        main = min(wishes.main + 1, body.height - 4)
    else:
        main = max(4, min(wishes.main + 1, body.height - min(chips, body.height // 2)))
    boxes = {"main": body._replace(height=main)}
    rest = body.height - main
    if wishes.phase == "running" and rest - chips >= LOG:
        rest = chips + 1
        boxes["log"] = body._replace(y=body.y + main + rest, height=body.height - main - rest)
    return {**boxes, "chips": body._replace(y=body.y + main, height=rest)}


def _boxed(body: Box, wishes: Wishes) -> dict[str, Box]:
    """Main and chips; once there is data and a model, three small ones beside each other, and the log."""
    if wishes.phase in BEFORE:
        return _upright(body, wishes, 0)
    small, third, half = 7, body.width // 3, body.width // 2
    ends = wishes.phase == "done"  # the result says the accuracy, and needs the lines of the log
    boxes = _upright(body, wishes, small if ends else small + LOG)
    y = body.y + sum(box.height for box in boxes.values())
    if ends:
        return {**boxes, "data": Box(0, y, half, small), "model": Box(half, y, body.width - half, small)}
    boxes["data"] = Box(0, y, third, small)
    boxes["model"] = Box(third, y, body.width - 2 * third, small)
    boxes["accuracy"] = Box(body.width - third, y, third, small)
    boxes["log"] = Box(0, y + small, body.width, body.y + body.height - y - small)
    return boxes


def _upright(body: Box, wishes: Wishes, below: int) -> dict[str, Box]:
    """Main over the chips; `below` lines stay for others. While a run is on, main has what it needs and no more."""
    chips = min(wishes.chips + 2, body.height - below - 6) if wishes.chips else 0
    main = body.height - below - chips
    if wishes.phase == "running":
        main = min(main, max(4, wishes.main + 2))
    boxes = {"main": body._replace(height=main)}
    if chips:
        boxes["chips"] = body._replace(y=body.y + main, height=chips)
    return boxes


def _wide(body: Box, wishes: Wishes) -> dict[str, Box]:
    """Stages and runs at the left, the stack in the middle, the marked chip and the accuracy at the right, the log
    across the foot in what they leave.
    """
    left, right = 44, 50
    middle, small, log = body.width - left - right, 14, 10
    column = Box(left, body.y, middle, body.height)
    before = wishes.phase in BEFORE
    if wishes.phase == "running" and wishes.counted:
        return _counting(body, column, wishes)
    boxes = _upright(column, wishes, 0 if before else small + log)
    low = sum(box.height for box in boxes.values())
    small = max(small, min(36, body.height - log) - low)
    tall = body.height if before else low + small
    stages = min(tall - 8, 18)
    boxes["stages"] = Box(0, body.y, left, stages)
    boxes["runs"] = Box(0, body.y + stages, left, tall - stages)
    if before:
        boxes["marked"] = Box(left + middle, body.y, right, tall)
        return boxes
    half = middle // 2
    right_box = Box(left + middle, body.y, right, tall)
    boxes |= {
        "data": Box(left, body.y + low, half, small),
        "model": Box(left + half, body.y + low, middle - half, small),
        "log": Box(0, body.y + tall, body.width, body.height - tall),
    }
    if wishes.phase != "done":
        return boxes | _halved(right_box, tall // 2, "marked", "accuracy")
    if wishes.clip:  # the accuracy stands in the result
        return boxes | _halved(right_box, min(CLIP, tall - 6), "clip", "marked")
    return {**boxes, "marked": right_box}


def _halved(box: Box, upper: int, one: str, other: str) -> dict[str, Box]:
    return {one: box._replace(height=upper), other: box._replace(y=box.y + upper, height=box.height - upper)}


def _counting(body: Box, column: Box, wishes: Wishes) -> dict[str, Box]:
    """While inference goes on the matrix has what the chips leave of the middle, and data and model go to the right."""
    small, log, stages, right = 7, 8, 18, column.x + column.width
    boxes = _upright(column._replace(height=body.height - log), wishes, 12)
    low = sum(box.height for box in boxes.values())
    tall = min(body.height - log, max(32, low + wishes.counted + 6))
    side = Box(right, body.y, body.width - right, tall - 2 * small)
    return boxes | {
        "stages": Box(0, body.y, column.x, stages),
        "runs": Box(0, body.y + stages, column.x, tall - stages),
        "accuracy": column._replace(y=body.y + low, height=tall - low),
        "marked": side,
        "data": side._replace(y=side.y + side.height, height=small),
        "model": side._replace(y=side.y + side.height + small, height=small),
        "log": body._replace(y=body.y + tall, height=body.height - tall),
    }
