"""A meter on one line: how much of a whole, told by the shape of the line as well as by its colour."""

from __future__ import annotations

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
