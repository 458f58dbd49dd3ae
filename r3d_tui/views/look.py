"""What every view is handed besides the snapshot, and the signs of each state."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from backends.core.client import Snapshot
from backends.core.messages import Line, Scalar
from backends.core.run_state import DeviceRun, StageRun
from r3d_tui.lang.words import Words
from r3d_tui.text.figures import as_number
from r3d_tui.text.rows import Row, Span, cells, fit, row, safe, wrap

SIGNS: dict[str, tuple[str, str]] = {
    "new": ("·", "dim"),
    "waiting": ("·", "dim"),
    "running": ("▸", "accent"),
    "done": ("✓", "good"),
    "cached": ("=", "good"),
    "skipped": ("–", "dim"),
    "failed": ("✗", "bad"),
    "stopped": ("■", "warn"),
    "interrupted": ("!", "warn"),
    "found": ("·", "dim"),
    "loading": ("▸", "accent"),
    "ready": ("·", "good"),
    "working": ("▸", "good"),
    "idle": ("·", "dim"),
    "stalled": ("!", "warn"),
    "out": ("–", "dim"),
    "retired": ("✗", "bad"),
    "run": ("▸", "accent"),
    "skip": ("–", "dim"),
    "unknown": ("?", "warn"),
}
"""State or action: its sign and its role. The word stands beside it in every panel; the help lists them all."""


class Look(Struct, frozen=True):
    """The place to draw on and the language to draw in."""

    words: Words
    width: int
    height: int = 20
    now: float = 0.0
    """Wall time in seconds."""
    selected: str = ""
    """The stage that the person looks at."""


def sign(state: str) -> Span:
    """The sign of a state; one that this version does not know is a question mark."""
    text, role = SIGNS.get(state, ("?", "warn"))
    return Span(text, role)


def state_word(words: Words, state: str) -> str:
    return words.get(f"state.{state}", state)


def stage_word(words: Words, name: str) -> str:
    return words.get(f"stage.{name}", name)


def stages(snapshot: Snapshot) -> tuple[StageRun, ...]:
    """The stages of the run, and those of the plan that it does not have yet, in the plan's order."""
    planned = {stage.name: stage for stage in (snapshot.plan.stages if snapshot.plan else ())}
    mine = {stage.name: stage for stage in snapshot.run.stages}
    found = []
    for name in (*planned, *(name for name in mine if name not in planned)):
        if name in mine:
            found.append(mine[name])
        elif planned[name].skip is not None:
            found.append(StageRun(name, "skipped", planned[name].skip or Line("")))
        else:
            found.append(StageRun(name))
    return tuple(found)


def stage_of(snapshot: Snapshot, name: str) -> StageRun:
    """The stage of that name, waiting where there is none."""
    return next((stage for stage in stages(snapshot) if stage.name == name), StageRun(name))


def figure(stage: StageRun, name: str) -> float | None:
    """A number of the stage's outcome, or of its last tick while it runs."""
    if stage.outcome is not None and stage.outcome.figures.get(name) is not None:
        return as_number(stage.outcome.figures[name])
    return as_number(stage.live.get(name))


def figure_text(stage: StageRun, name: str) -> str:
    """A word of the stage's outcome, harmless; empty where there is none."""
    value = stage.outcome.figures.get(name) if stage.outcome else None
    return "" if value is None else safe(str(value))


COMPARED = ("max_abs", "cosine", "top1")
"""What verify measures of each model, behind the model's name."""


def figure_label(words: Words, name: str, measured: Mapping[str, Scalar]) -> str:
    """A figure's name for people; `measured` are the figures that it stands among."""
    if name == "topk" and measured.get("k") is not None:
        return f"top-{safe(str(measured['k']))}"
    model, _, what = name.partition("_")
    if what in COMPARED and model != "published":
        label = words("figure.same_top1" if what == "top1" else f"figure.{what}")
        return f"{words.get(f'model_name.{model}', model)} {label}"
    return words.get(f"figure.{name}", name)


def elapsed(stage: StageRun, now: float) -> float | None:
    """Seconds that a stage took, or has taken so far."""
    if stage.state == "running" and stage.started is not None:
        return max(0.0, now - stage.started)
    return stage.seconds


def share(stage: StageRun) -> float | None:
    """How much of the stage is done, 0 to 1; None where nobody knows the whole."""
    if stage.total is None or stage.total <= 0:
        return None
    return min(1.0, max(0, stage.done) / stage.total)


def live_rate(device: DeviceRun) -> float | None:
    """Clips a second that a device does now; a device that is out or done does none, whatever it last said."""
    return device.clips_per_s if device.state in ("working", "ready", "stalled", "loading") else None


EARLY = 0.02
"""Share of a stage below which its rate is that of its beginning: devices load, caches are cold."""


def left(stage: StageRun) -> float | None:
    """Seconds that a running stage still needs at its present rate; None where too little is done to tell."""
    if stage.state != "running" or stage.total is None or not stage.rate or stage.rate <= 0:
        return None
    if (share(stage) or 0.0) < EARLY:
        return None
    return max(0, stage.total - stage.done) / stage.rate


def marked(state: str, text: str, width: int, role: str = "") -> list[Row]:
    """The sign of a state and a text beside it, in as many lines as it takes."""
    first, *rest = wrap(text, max(2, width - 2))
    return [row(sign(state), " ", Span(first, role)), *(row("  ", Span(line, role)) for line in rest)]


def squeeze(rows: list[Row], height: int) -> list[Row]:
    """Without blank rows, as many of them as must go for the rest to fit."""
    over = len(rows) - height
    kept = []
    for line in rows:
        if not line and over > 0:
            over -= 1
        else:
            kept.append(line)
    return kept if over <= 0 else rows


LABEL = 12
"""Cells of the label in `fact` rows."""


def facts(label: str, text: str, width: int, role: str = "") -> list[Row]:
    """A label and a text that may take several lines; parts with dots between them stay whole where they can."""
    first, *rest = packed(text.split(" · "), max(8, width - LABEL)) or [""]
    return [fact(label, Span(first, role)), *(fact("", Span(line, role)) for line in rest)]


def fact(label: str, *values: str | Span) -> Row:
    return row(Span(fit(label, LABEL), "dim"), *values)


def paragraph(text: str, width: int, role: str = "", indent: int = 0) -> list[Row]:
    return [row(" " * indent, Span(line, role)) for line in wrap(text, max(2, width - indent))]


def packed(parts: Iterable[str], width: int, between: str = " · ") -> list[str]:
    """Parts with dots, or what else is to stand, `between` them, each whole on its line where it fits there."""
    lines = [""]
    for part in parts:
        joined = between.join(filter(None, (lines[-1], part)))
        lines[-1:] = [joined] if cells(joined) <= width else [lines[-1], part]
    return [piece for line in lines if line for piece in wrap(line, width)]


def dotted(parts: Iterable[str]) -> str:
    """Parts that are not empty, with dots between them."""
    return " · ".join(part for part in parts if part)


def rule(title: str, width: int) -> Row:
    head = f"{title} " if title else ""
    return row(Span(head, "head"), Span("─" * max(0, width - cells(head)), "rule"))
