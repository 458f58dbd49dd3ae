"""The stages of a run as a table, and what is to be said of one of them."""

import time

from backends.core.client import Snapshot
from backends.core.run_state import StageRun
from r3d_tui.lang.words import Words
from r3d_tui.text import figures
from r3d_tui.text.rows import Column, Row, Span, cut, fit, row, safe, table
from r3d_tui.views.devices import of_simulated
from r3d_tui.views.look import (
    Look,
    dotted,
    elapsed,
    facts,
    figure_label,
    left,
    marked,
    paragraph,
    rule,
    share,
    sign,
    stage_of,
    stage_word,
    stages,
    state_word,
)
from r3d_tui.views.verdict import verdict, verdict_rows
from r3d_tui.widgets.meter import meter

FIGURE = 30
"""Cells of a figure's name."""


def stage_table(snapshot: Snapshot, look: Look) -> list[Row]:
    """The stages with state, time, progress and reason; under them, where there is room, all about the selected one."""
    words = look.words
    named = look.width >= 60 and stage_word(words, "export") != "export"  # the id beside the word: people type it
    columns = (
        Column("", 2),
        Column(words("stages.stage"), 18 if named else 10),
        Column(words("stages.state"), 11),
        Column(words("stages.time"), 8, right=True),
        Column(words("stages.what"), 20, flex=True, rank=1),
    )
    body = []
    for stage in stages(snapshot):
        quiet = "dim" if stage.state in ("waiting", "skipped") else ""
        role = "bad" if stage.state == "failed" else quiet
        mark = "›" if stage.name == look.selected else " "
        what, what_role = _what(stage, look)
        took = elapsed(stage, look.now)
        time = figures.clock(took) if stage.state == "running" else figures.seconds(took)
        body.append(
            (
                Span(mark + sign(stage.state).text, sign(stage.state).role),
                Span(
                    _named(stage.name, words, named=named), "strong" if stage.state in ("running", "failed") else quiet
                ),
                Span(state_word(words, stage.state), role),
                Span("" if took is None else time, role),
                Span(what, what_role or quiet),
            )
        )
    rows = table(columns, body, look.width)
    if look.height >= len(rows) + 5:
        rows += [(), *brief(snapshot, look)]
    return rows


def _named(name: str, words: Words, *, named: bool) -> str:
    word = stage_word(words, name)
    return f"{word} {safe(name)}" if named and word != name else word


def _what(stage: StageRun, look: Look) -> tuple[str, str]:
    """Progress where it runs, else the reason; and the role to draw it in."""
    words = look.words
    if stage.state == "running" and (stage.total or stage.done):
        return dotted(progress_words(stage, look, short=look.width < 90)), "accent"
    text = words.line(stage.reason)
    if stage.state == "failed":
        return text, "bad"
    warnings = ""
    if stage.set_aside_count:
        warnings = words("stages.skipped", n=stage.set_aside_count)
    return dotted([warnings, text]), "warn" if warnings else ""


def progress_words(stage: StageRun, look: Look, *, short: bool = False) -> list[str]:
    """ "4,470/8,486 clips" (in short "52 %"), "1,539/s", "0:03 left": what is known of them."""
    words = look.words
    whole = f"/{figures.count(stage.total)}" if stage.total is not None else ""
    parts = [f"{figures.count(stage.done)}{whole} {unit_word(look, stage.unit)}".rstrip()]
    if short and share(stage) is not None:
        parts = [figures.percent(share(stage))]
    if stage.rate is not None:
        parts.append(f"{figures.rate(stage.rate)}/s")
    if (rest := left(stage)) is not None:
        parts.append(words("stages.left", time=figures.clock(rest)))
    return parts


def unit_word(look: Look, unit: str) -> str:
    return look.words.get(f"unit.{unit}", unit)


def brief(snapshot: Snapshot, look: Look) -> list[Row]:
    """All that a person first asks of the selected stage."""
    if not look.selected:
        return []
    stage, words = stage_of(snapshot, look.selected), look.words
    rows = [rule(stage_word(words, stage.name), look.width)]
    took = elapsed(stage, look.now)
    head = [state_word(words, stage.state)]
    if took is not None:
        head.append(figures.clock(took) if stage.state == "running" else figures.seconds(took))
    if stage.attempt > 1:
        head.append(words("stages.attempt", n=stage.attempt))
    rows += marked(stage.state, dotted(head), look.width)
    if stage.state == "running" and (stage.total or stage.done):
        width = max(10, min(40, look.width - 8))
        rows.append(row(*meter(share(stage), width), f" {figures.percent(share(stage))}"))
        rows += paragraph(dotted(progress_words(stage, look)), look.width)
    if stage.name == "infer" and of_simulated(snapshot.run):
        rows += paragraph(words("sim.speed"), look.width, "warn")
    for text, role in ((stage.reason, "bad" if stage.state == "failed" else ""), (stage.hint, ""), (stage.note, "dim")):
        if text.template:
            rows += paragraph(words.line(text), look.width, role)
    return rows + asides(stage, look, 5)


def asides(stage: StageRun, look: Look, limit: int) -> list[Row]:
    """What the stage skipped, by name, with the reason."""
    if not stage.set_aside_count:
        return []
    words = look.words
    rows: list[Row] = [row(Span(words("stages.skipped", n=stage.set_aside_count), "warn"))]
    for item in stage.set_aside[:limit]:
        rows.append(cut(row(Span("  ! ", "warn"), safe(item.item)), look.width))
        rows += paragraph(words.line(item.reason), look.width, "dim", 4)
    more = stage.set_aside_count - min(limit, len(stage.set_aside))
    return [*rows, *paragraph(words("stages.more", n=more), look.width, "dim", 4)] if more > 0 else rows


def details(snapshot: Snapshot, look: Look) -> list[Row]:
    """Everything that the run knows of the selected stage."""
    stage, words = stage_of(snapshot, look.selected), look.words
    rows = brief(snapshot, Look(words, look.width, 0, look.now, look.selected))[1:]
    rows = rows[: len(rows) - len(asides(stage, look, 5))]
    rows += [(), rule(words("details.facts"), look.width)]
    for key, value in _facts(snapshot, stage, look):
        rows += facts(words(key), value, look.width)
    if stage.outcome is not None and stage.outcome.figures:
        rows += [(), rule(words("details.figures"), look.width)]
        for name, number in stage.outcome.figures.items():
            label = figure_label(words, name, stage.outcome.figures)
            rows.append(cut(row(Span(fit(label, FIGURE), "dim"), " ", safe(_plain(number))), look.width))
    if said := _notes(snapshot, look):
        rows += [(), rule(words("details.notes"), look.width), *said]
    if stage.set_aside_count:
        rows += [(), *asides(stage, look, len(stage.set_aside))]
    if stage.name == "infer" and (judged := verdict(snapshot)) is not None:
        rows += [(), *verdict_rows(judged, look)]
    return rows


def notes(snapshot: Snapshot, look: Look) -> list[Row]:
    """What the selected stage said, in place of a log that is empty."""
    said = _notes(snapshot, look)
    head = paragraph(look.words("log.empty" if said else "log.nothing"), look.width, "dim")
    return [*head, *said]


def _notes(snapshot: Snapshot, look: Look) -> list[Row]:
    roles = {"warning": "warn", "error": "bad"}
    rows: list[Row] = []
    for note in (note for note in snapshot.run.notes if note.stage == look.selected):
        rows += paragraph(look.words.line(note.text), look.width, roles.get(note.level, ""))
    return rows


def _plain(number: object) -> str:
    if isinstance(number, bool) or not isinstance(number, int | float):
        return figures.DASH if number is None else str(number)
    return f"{number:,}" if isinstance(number, int) else f"{number:,.7g}"


def _facts(snapshot: Snapshot, stage: StageRun, look: Look) -> list[tuple[str, str]]:
    plan = next((s for s in snapshot.plan.stages if s.name == stage.name), None) if snapshot.plan else None
    facts = [("details.name", safe(stage.name))]
    if plan is not None and plan.after:
        facts.append(("details.after", ", ".join(stage_word(look.words, name) for name in plan.after)))
    if plan is not None:
        facts += [("details.reads", safe(str(path))) for path in plan.inputs.values()]
    if stage.attempt:
        facts.append(("details.attempt", figures.count(stage.attempt)))
    if stage.pid is not None:
        facts.append(("details.pid", str(stage.pid)))
    if stage.started is not None:
        facts.append(("details.started", moment(stage.started)))
    if stage.state == "failed":
        facts.append(("details.exit", str(stage.exit_code)))
    if stage.fingerprint:
        facts.append(("details.fingerprint", safe(stage.fingerprint[:16])))
    if stage.outcome is not None:
        facts += [("details.output", f"{safe(name)}: {safe(path)}") for name, path in stage.outcome.outputs.items()]
    return facts


def moment(at: float) -> str:
    """A wall time as the machine's clock shows it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
