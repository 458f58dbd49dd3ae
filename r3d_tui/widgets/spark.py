"""A history as small columns: `spark` on one line, `graph` on several. They know neither devices nor units."""

from __future__ import annotations

from collections.abc import Sequence

from r3d_tui.text.rows import Span

LEVELS = "▁▂▃▄▅▆▇█"


def spark(values: Sequence[float | None], width: int, role: str = "accent", *, top: float | None = None) -> Span:
    """The last `width` values against the largest (or `top`), newest at the right; a gap is a blank."""
    last = list(values)[-width:] if width > 0 else []
    known = [value for value in last if value is not None]
    highest = top if top is not None else max(known, default=0.0)
    return Span("".join(_column(value, highest) for value in last).rjust(width), role)


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
