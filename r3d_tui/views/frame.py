"""What frames the panes: the header, the status line, the bottom line of keys, the words for a small window."""

from collections.abc import Mapping
from pathlib import Path

from backends.core.client import Snapshot
from backends.core.command_reports import Overview
from backends.core.run_state import StageRun
from r3d_tui.text import figures
from r3d_tui.text.rows import Row, Span, cells, cut, ends, row, safe, shorten, width_of
from r3d_tui.views.actions import ACTIONS, Action, shown
from r3d_tui.views.devices import simulated
from r3d_tui.views.layout import LEAST
from r3d_tui.views.look import Look, dotted, paragraph, sign, stage_of, stage_word, stages, state_word
from r3d_tui.views.phase import (
    Phase,
    failed_stage,
    fix_before,
    fix_of,
    main_stage,
    phase_of,
    running_left,
    running_stages,
    unmade,
    whole_left,
)

MOST = 7
"""Keys in the bottom line."""
KEYS: dict[Phase, tuple[str, ...]] = {
    "setup": ("new", "demo", "edit", "palette", "help", "quit"),
    "ready": ("run", "device", "edit", "videos", "palette", "help", "quit"),
    "running": ("device", "open", "log", "stop", "palette", "help", "quit"),
    "failed": ("fix", "rerun_failed", "edit", "run", "log", "palette", "help", "quit"),
    "done": ("results", "videos", "runs", "run", "palette", "help", "quit"),
}
"""Phase: what may be done, the recommended first."""
IN_LOG = ("search", "only", "next_match", "pager", "palette", "help", "quit")
NEXT: dict[Phase, str] = {"setup": "new", "ready": "start", "running": "open", "failed": "details", "done": "results"}
"""Phase: what Enter does."""


def header(
    snapshot: Snapshot | None,
    look: Look,
    *,
    read_only: bool = False,
    broken: str = "",
    took: Mapping[str, float] | None = None,
    overview: Overview | None = None,
) -> Row:
    """What is worked on, and how it stands; `took` are seconds of stages in earlier runs, `overview` of the data."""
    words = look.words
    name = Span(" r3d-tui ", "chip")
    if snapshot is None:
        return cut(row(name, " ", Span(broken or words("header.reading"), "bad" if broken else "dim")), look.width)
    right: list[str | Span] = []
    if simulated(snapshot):
        right += [Span(words("sim.chips" if look.width >= 100 else "sim.word"), "warn"), "  "]
    if read_only:
        right += [Span(words("header.read_only"), "warn"), "  "]
    right += [*_standing(snapshot, look, broken, took or {}, overview), " "]
    tail = row(*right)
    space = max(8, look.width - width_of(tail) - 12)
    about = f"  {_about(snapshot, look)}" if look.width >= 70 else ""
    place = shorten(_home(safe(str(snapshot.workspace))), max(8, space - cells(about)), keep_end=True)
    return ends(row(name, "  ", Span(place, "strong"), Span(about, "dim")), tail, look.width)


def _home(place: str) -> str:
    home = str(Path.home())
    return f"~{place[len(home) :]}" if place == home or place.startswith(home + "/") else place


def _about(snapshot: Snapshot, look: Look) -> str:
    if (settings := snapshot.settings) is None:
        return ""
    export = stage_of(snapshot, "export").outcome
    arch = safe(str(export.figures.get("arch") or "")) if export is not None else ""
    return dotted([look.words("data.split", n=settings.dataset.split) if settings.dataset.splits else "", arch])


def _standing(
    snapshot: Snapshot, look: Look, broken: str, before: Mapping[str, float], overview: Overview | None
) -> list[str | Span]:
    words, run = look.words, snapshot.run
    took = figures.clock(_took(snapshot, look.now))
    if broken:
        return [Span(broken, "bad")]
    if run.state == "running" and not snapshot.alive:
        return [Span(words("header.dead"), "bad")]
    if snapshot.stalled_s is not None:
        return [Span(words("header.stalled", time=figures.clock(snapshot.stalled_s)), "bad")]
    if run.state == "running":
        failed = failed_stage(snapshot)
        found = running_stages(snapshot)
        tail = _left(snapshot, look, before)
        lead = [Span(f"✗ {stage_word(words, failed.name)}  ", "bad")] if failed is not None else []
        name = stage_word(words, main_stage(found).name) if found else state_word(words, "running")
        return [*lead, Span(f"▸ {name} ", "accent"), f"{took}{tail}"]
    if failed := failed_stage(snapshot):
        return [Span(f"✗ {words('header.failed', stage=stage_word(words, failed.name))}", "bad"), f" {took}"]
    if run.state == "new":
        if overview is not None and overview.contradictions:
            return [Span(f"✗ {words('header.no_run')}", "bad")]
        ready = snapshot.settings is not None and not snapshot.problem.template
        return [Span(words("header.ready" if ready else "header.no_run"), "good" if ready else "dim")]
    return [sign(run.state), f" {state_word(words, run.state)} {took}"]


def _left(snapshot: Snapshot, look: Look, before: Mapping[str, float]) -> str:
    """Of the whole run where earlier ones tell, else of the stages that run now."""
    whole = whole_left(snapshot, before, look.now)
    rest = running_left(snapshot) if whole is None else whole
    if rest is None:
        return ""
    return f" · {look.words('stages.left' if whole is None else 'header.about_left', time=figures.clock(rest))}"


def _took(snapshot: Snapshot, now: float) -> float | None:
    run = snapshot.run
    if run.started is None:
        return None
    return (run.ended if run.ended is not None else now) - run.started


def possible(action: Action, snapshot: Snapshot | None, *, read_only: bool) -> bool:
    """Whether the bottom line and the palette should offer an action now."""
    if action.writes and read_only:
        return False
    state = snapshot.run.state if snapshot else "new"
    alive = state == "running" and snapshot is not None and snapshot.alive
    if action.name == "stop":
        return alive
    if action.name in ("run", "rerun_from", "start"):
        return not alive and snapshot is not None and snapshot.settings is not None
    if action.name == "fix":
        return fix_of(snapshot) is not None
    if action.name == "rerun_failed":
        broken = state in ("failed", "stopped", "interrupted") or phase_of(snapshot) == "failed"
        return broken and fix_of(snapshot) is None
    if action.name in ("new", "demo"):
        return snapshot is not None and unmade(snapshot) and not snapshot.run.id
    if action.name == "results":
        return snapshot is None or snapshot.report is not None or bool(snapshot.run.id)
    return True


def offered(
    snapshot: Snapshot | None,
    *,
    read_only: bool = False,
    panel: str = "",
    chips: bool = True,
    overview: Overview | None = None,
) -> list[Action]:
    """What the bottom line holds: the keys that do something here, the recommended first, at most seven."""
    names = IN_LOG if panel == "log" else KEYS[phase_of(snapshot)]
    known = {action.name: action for action in ACTIONS}
    found = [known[name] for name in names if possible(known[name], snapshot, read_only=read_only)]
    if panel != "log" and phase_of(snapshot) == "ready" and fix_before(overview) is not None and not read_only:
        found.insert(0, known["fix"])
    found = [one for one in found if _worth(one, snapshot, chips=chips)]
    while len(found) > MOST:
        found.pop(-4)
    return found


def _worth(action: Action, snapshot: Snapshot | None, *, chips: bool) -> bool:
    """Whether there is anything behind an action yet; the palette offers it all the same."""
    if action.name == "device":
        return chips
    if action.name == "videos":
        return snapshot is not None and stage_of(snapshot, "preprocess").state in ("done", "cached")
    if action.name == "edit":
        return snapshot is not None and bool(snapshot.settings or snapshot.problem.template)
    return True


def footer(
    snapshot: Snapshot | None,
    look: Look,
    *,
    read_only: bool = False,
    panel: str = "",
    chips: bool = True,
    overview: Overview | None = None,
) -> Row:
    """The keys, as many as fit; the first in reverse where it is what should be done next."""
    actions = offered(snapshot, read_only=read_only, panel=panel, chips=chips, overview=overview)
    names = {"fix": "fix_before"} if phase_of(snapshot) == "ready" else {}
    main = phase_of(snapshot) in ("setup", "ready", "failed", "done") and panel != "log"
    while actions:
        line = _keys(actions, look, names, main=main and not read_only)
        if width_of(line) <= look.width:
            return line
        actions.pop({4: 1, 3: 2}.get(len(actions), -4 if len(actions) > 4 else -1))  # help stays the longest
    return ()


def _keys(actions: list[Action], look: Look, names: Mapping[str, str], *, main: bool) -> Row:
    spans: list[Span] = [Span(" ")]
    for place, action in enumerate(actions):
        act = f"screen.do({action.name!r})"
        word = look.words(f"key.{names.get(action.name, action.name)}")
        key = "Enter" if place == 0 and action.name in ("run", "new", "results") else shown(action.keys[0])
        if place == 0 and main:
            spans += [Span(f" {key} {word.upper()} ", "chip", act), Span("  ")]
        else:
            spans += [Span(key, "key", act), Span(f" {word}  ", "", act)]
    return tuple(spans)


def too_small(look: Look) -> list[Row]:
    columns, lines = LEAST
    text = look.words("small.window", columns=columns, lines=lines, width=look.width, height=look.height)
    return paragraph(text, look.width)


def strip(snapshot: Snapshot | None, look: Look) -> Row:
    """All stages in the longest names that fit; where even short ones do not, the strip is cut."""
    if snapshot is None:
        return ()
    found = stages(snapshot)
    if not found:
        return ()
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
