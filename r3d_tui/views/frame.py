"""What frames the panels: the header, the tabs, the footer, and the words for a window that is too small."""

from __future__ import annotations

from collections.abc import Sequence

from backends.core.client import Snapshot
from r3d_tui.text import figures
from r3d_tui.text.rows import Row, Span, cells, cut, ends, row, shorten, width_of
from r3d_tui.text.safe import safe
from r3d_tui.views.actions import ACTIONS, Action, shown
from r3d_tui.views.devices import simulated
from r3d_tui.views.layout import LEAST, PANELS
from r3d_tui.views.look import Look, paragraph, sign, stage_of, state_word


def header(snapshot: Snapshot | None, look: Look, *, read_only: bool = False, broken: str = "") -> Row:
    """The workspace, the run and its state, and what stands in the way."""
    words = look.words
    name = Span(" r3d-tui ", "chip")
    if snapshot is None:
        return cut(row(name, " ", Span(broken or words("header.reading"), "bad" if broken else "dim")), look.width)
    run = snapshot.run
    right: list[str | Span] = []
    if simulated(snapshot):
        right += [Span(words("sim.chips" if look.width >= 80 else "sim.word"), "warn"), " "]
    if read_only:
        right += [Span(words("header.read_only"), "warn"), " "]
    if run.id:
        right += [words("header.run", run=safe(run.id)), " ", sign(run.state), " "]
        right += [Span(state_word(words, run.state), "strong"), " ", figures.clock(_took(snapshot, look.now)), " "]
    else:
        right += [Span(words("header.no_run"), "dim"), " "]
    trouble = _trouble(snapshot, look, broken)
    tail = row(*right)
    space = max(8, look.width - width_of(tail) - cells(trouble) - 14)
    place = shorten(safe(str(snapshot.workspace)), space, keep_end=True)
    front = row(name, " ", Span(place, "strong"), "  ", Span(trouble, "bad"))
    return ends(front, tail, look.width)


def _took(snapshot: Snapshot, now: float) -> float | None:
    run = snapshot.run
    if run.started is None:
        return None
    return (run.ended if run.ended is not None else now) - run.started


def _trouble(snapshot: Snapshot, look: Look, broken: str) -> str:
    words, run = look.words, snapshot.run
    if broken:
        return broken
    if snapshot.stalled_s is not None:
        return words("header.stalled", time=figures.clock(snapshot.stalled_s))
    if run.state == "running" and not snapshot.alive:
        return words("header.dead")
    return ""


def tabs(look: Look, current: str) -> Row:
    """The panels with their keys; names shrink to numbers where the width does not suffice."""
    for names in ("panel", "panel_short", ""):
        spans: list[Span] = []
        for number, panel in enumerate(PANELS, 1):
            here = panel == current
            name = look.words(f"{names or 'panel_short'}.{panel}") if names or here else ""
            text = f" {number} {name} " if name else f" {number} "
            spans.append(Span(text, "chip" if here else "dim", f"screen.panel({panel!r})"))
        if width_of(tuple(spans)) <= look.width:
            break
    return cut(tuple(spans), look.width)


def possible(action: Action, snapshot: Snapshot | None, *, read_only: bool) -> bool:
    """Whether the footer and the palette should offer an action now."""
    if action.writes and read_only:
        return False
    state = snapshot.run.state if snapshot else "new"
    if action.name == "stop":
        return state == "running"
    if action.name in ("run", "rerun_from"):
        return state != "running"
    if action.name == "rerun_failed":
        return state in ("failed", "stopped", "interrupted")
    if action.name == "device":
        return snapshot is not None and stage_of(snapshot, "infer").state == "running"
    return True


_DEVICES = {"open": 6, "device": 7, "order": 8, "search": 9, "details": 0, "log": 0, "results": 0, "videos": 0}
NEAR: dict[str, dict[str, int]] = {
    "devices": _DEVICES,
    "infer": _DEVICES,
    "dataset": {"open": 6, "asides": 7, "videos": 0},
    "result": {"open": 6, "results": 0},
    "log": {"search": 7, "next_match": 8, "only": 9, "pager": 10, "log": 0},
}
"""Panel: ranks in the footer that differ while one is there; 0: not at all."""


def footer(snapshot: Snapshot | None, look: Look, *, read_only: bool = False, panel: str = "") -> Row:
    """The keys that matter now and in this panel, as many as fit."""
    near = NEAR.get(panel, {})
    ranks = {action: near.get(action.name, action.footer) for action in ACTIONS}
    offered = [a for a in ACTIONS if ranks[a] and possible(a, snapshot, read_only=read_only) and _worth(a, snapshot)]
    while offered:
        line = _keys(offered, look)
        if width_of(line) <= look.width:
            return line
        offered.remove(max(offered, key=lambda action: ranks[action]))
    return ()


def _worth(action: Action, snapshot: Snapshot | None) -> bool:
    """Whether there is anything behind an action yet; the palette offers it all the same, for earlier runs."""
    if action.name == "results":
        return snapshot is not None and snapshot.report is not None
    if action.name == "videos":
        return snapshot is not None and stage_of(snapshot, "preprocess").state in ("done", "cached")
    return True


def _keys(actions: Sequence[Action], look: Look) -> Row:
    spans: list[Span] = [Span(" ")]
    for action in actions:
        act = f"screen.{action.name}"
        spans += [Span(shown(action.keys[0]), "key", act), Span(f" {look.words(f'key.{action.name}')}  ", "", act)]
    return tuple(spans)


def too_small(look: Look) -> list[Row]:
    """What is shown where nothing fits."""
    columns, lines = LEAST
    text = look.words("small.window", columns=columns, lines=lines, width=look.width, height=look.height)
    return paragraph(text, look.width)


def problem(snapshot: Snapshot, look: Look) -> str:
    """What stands in the way of a run, in words; empty where nothing does."""
    return look.words.line(snapshot.problem) if snapshot.problem.template else ""
