"""The lists of a workspace as columns and cells: its runs, and what was set aside in one of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from backends.core.client import RunSummary, Snapshot
from backends.core.clip_entries import AsideEntry
from r3d_tui.lang.words import Words
from r3d_tui.text import figures
from r3d_tui.text.rows import Column, Row, Span
from r3d_tui.text.safe import safe
from r3d_tui.views.listing import Listing, Order
from r3d_tui.views.look import Look, paragraph, sign, stage_word, stages, state_word
from r3d_tui.views.stages import moment

RUN_ORDERS: tuple[Order[RunSummary], ...] = (
    Order("runs.started", lambda one: one.started, down=True),
    Order("stages.state", lambda one: one.state),
    Order("stages.time", lambda one: one.seconds, down=True),
    Order("result.top1", lambda one: one.top1, down=True),
    Order("infer.clips_per_s", lambda one: one.clips_per_s, down=True),
)


def run_listing(found: Sequence[RunSummary], words: Words) -> Listing[RunSummary]:
    """The runs, latest first; found by id, state and day."""

    def text(one: RunSummary) -> str:
        started = moment(one.started) if one.started is not None else ""
        return f"{one.id} {state_word(words, one.state)} {started}"

    return Listing(found, RUN_ORDERS, text)


def run_columns(look: Look) -> tuple[Column, ...]:
    """Of the list of runs."""
    words = look.words
    return (
        Column(words("runs.run"), 20),
        Column(words("stages.state"), 13),
        Column(words("runs.started"), 19, rank=3),
        Column(words("stages.time"), 8, right=True),
        Column(words("result.top1"), 7, right=True),
        Column(words("infer.clips_per_s"), 8, right=True, rank=1),
        Column("", 9, rank=2),
        Column("", 0, flex=True, rank=9),
    )


def run_cells(one: RunSummary, look: Look) -> tuple[str | Span, ...]:
    """One run; a speed of simulated chips says so, where its column is too narrow by a bracket."""
    mark = sign(one.state)
    speed = figures.rate(one.clips_per_s)
    return (
        safe(one.id),
        Span(f"{mark.text} {state_word(look.words, one.state)}", mark.role),
        moment(one.started) if one.started is not None else figures.DASH,
        figures.seconds(one.seconds),
        figures.number(one.top1, 4),
        Span(f"({speed})", "dim") if one.simulated and one.clips_per_s is not None else speed,
        Span(look.words("sim.word") if one.simulated else "", "warn"),
        "",
    )


def run_note(found: Sequence[RunSummary], look: Look) -> list[Row]:
    """What a bracket means, where there is one."""
    if not any(one.simulated and one.clips_per_s is not None for one in found):
        return []
    return [*paragraph(look.words("sim.bracket"), look.width, "warn"), ()]


def set_aside_count(snapshot: Snapshot) -> int:
    """How many were set aside, named or not."""
    return sum(stage.set_aside_count for stage in stages(snapshot))


def aside_listing(found: Sequence[AsideEntry], words: Words) -> Listing[AsideEntry]:
    """What was set aside; found by name, stage and reason."""
    orders: tuple[Order[AsideEntry], ...] = (
        Order("list.item", lambda one: one.item),
        Order("stages.stage", lambda one: one.stage),
        Order("list.reason", lambda one: words.line(one.reason)),
    )
    return Listing(found, orders, lambda one: f"{one.item} {stage_word(words, one.stage)} {words.line(one.reason)}")


def aside_columns(look: Look) -> tuple[Column, ...]:
    """Of the list of what was set aside."""
    words = look.words
    return (
        Column(words("list.item"), 20, flex=True),
        Column(words("stages.stage"), 10, rank=1),
        Column(words("list.reason"), 22, flex=True),
    )


def aside_cells(one: AsideEntry, look: Look) -> tuple[str | Span, ...]:
    """One item."""
    return safe(one.item), Span(stage_word(look.words, one.stage), "dim"), Span(look.words.line(one.reason), "warn")
