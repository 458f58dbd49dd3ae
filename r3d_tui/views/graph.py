"""A history as a graph of several lines, told by the height of its columns. It knows neither devices nor units."""

from __future__ import annotations

from collections.abc import Sequence

from r3d_tui.widgets.spark import LEVELS


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
