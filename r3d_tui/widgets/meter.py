"""A meter on one line: how much of a whole, told by the shape of the line as well as by its colour."""

from collections.abc import Sequence

from r3d_tui.text.rows import Span


def meter(share: float | None, width: int, role: str = "accent") -> tuple[Span, ...]:
    """`share` (0 to 1) of `width` cells, in half cells; nobody measured it: an empty track."""
    if width <= 0:
        return ()
    if share is None:
        return (Span("╌" * width, "off"),)
    halves = round(max(0.0, min(1.0, share)) * width * 2)
    if share > 0:
        halves = max(halves, 1)
    if share < 1:
        halves = min(halves, width * 2 - 1)  # full means done
    full, half = divmod(halves, 2)
    bar = "━" * full + ("╸" if half else "")
    return (Span(bar, role), Span("─" * (width - len(bar)), "off"))


LEVELS = "▁▂▃▄▅▆▇█"


def spark(values: Sequence[float | None], width: int) -> Span:
    """The last `width` values against the largest, newest at the right; a gap is a blank."""
    last = list(values)[-width:] if width > 0 else []
    highest = max((value for value in last if value is not None), default=0.0)
    return Span("".join(_column(value, highest) for value in last).rjust(width), "accent")


def _column(value: float | None, highest: float) -> str:
    if value is None or highest <= 0:
        return " "
    return LEVELS[max(0, min(len(LEVELS) - 1, round(value / highest * (len(LEVELS) - 1))))]


def graph(values: Sequence[float | None], height: int, low: float, high: float) -> list[str]:
    """Lines of columns from `low` to `high`, the highest line first; a gap stays blank."""
    steps = len(LEVELS)
    lines = []
    for line in reversed(range(height)):
        text = ""
        for value in values:
            if value is None:
                text += " "
                continue
            share = (value - low) / (high - low) if high > low else 0.5
            filled = max(1, round(max(0.0, min(1.0, share)) * height * steps)) - line * steps
            text += " " if filled <= 0 else LEVELS[min(steps, filled) - 1]
        lines.append(text)
    return lines
