"""The strip of stages: every stage with its sign, which one works, and how many of them are settled. One line."""

from __future__ import annotations

from backends.core.client import Snapshot
from backends.core.run_state import StageRun
from r3d_tui.text.rows import Row, Span, cut, ends, row, width_of
from r3d_tui.text.safe import safe
from r3d_tui.views.look import Look, sign, stage_word, stages


def strip(snapshot: Snapshot | None, look: Look) -> Row:
    """All stages in the longest names that fit; where even short ones do not, the strip is cut."""
    if snapshot is None:
        return ()
    found = stages(snapshot)
    tail = row(Span(f"{sum(stage.settled for stage in found)}/{len(found)} ", "dim"))
    space = look.width - width_of(tail) - 1
    line: Row = ()
    for short, gap, apart in ((False, "  ", " "), (False, " ", ""), (True, " ", "")):
        line = _line(found, look, gap, apart, short=short)
        if width_of(line) <= space:
            break
    return ends(cut(line, space), tail, look.width)


def _line(found: tuple[StageRun, ...], look: Look, gap: str, apart: str, *, short: bool) -> Row:
    spans: list[Span] = []
    for stage in found:
        mark = sign("interrupted" if stage.state == "interrupted" else stage.state)
        name = look.words.get(f"stage_short.{stage.name}", stage.name) if short else stage_word(look.words, stage.name)
        role = {"running": "focus", "failed": "bad"}.get(stage.state, "dim" if not stage.settled else "")
        name = name.upper() if stage.state in ("running", "failed") else name
        action = f"screen.choose({stage.name!r})" if safe(stage.name) == stage.name else ""
        spans += [Span(gap if spans else " "), mark._replace(action=action)]
        spans += [Span(f"{apart}{name}", role, action)]
    return tuple(spans)
