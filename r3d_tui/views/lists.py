"""The lists of a workspace as columns and cells: its runs, and what was skipped in one of them."""

from __future__ import annotations

from collections.abc import Sequence

from backends.core.catalog_pages import Catalog, Query, SkippedEntry
from backends.core.client import RunSummary, Snapshot
from r3d_tui.lang.words import Words
from r3d_tui.text import figures
from r3d_tui.text.rows import Column, Row, Span
from r3d_tui.text.safe import safe
from r3d_tui.views.listing import Listing, Order, by_column, entries, pages
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

    return Listing(entries(found, RUN_ORDERS, text))


def run_columns(look: Look) -> tuple[Column, ...]:
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


def skipped_count(snapshot: Snapshot) -> int:
    return sum(stage.set_aside_count for stage in stages(snapshot))


SKIPPED_ORDERS: tuple[Order[SkippedEntry], ...] = (
    by_column("list.item", "item"),
    by_column("stages.stage", "stage"),
    by_column("list.reason", "reason"),
)


def skipped_listing(catalog: Catalog) -> Listing[SkippedEntry]:
    """What was skipped; found by name, stage and reason. Slow: call it from a thread."""
    return Listing(pages(catalog, Query("skipped"), SKIPPED_ORDERS, lambda one: one.item))


def skipped_columns(look: Look) -> tuple[Column, ...]:
    words = look.words
    return (
        Column(words("list.item"), 20, flex=True),
        Column(words("stages.stage"), 10, rank=1),
        Column(words("list.reason"), 22, flex=True),
    )


def skipped_cells(one: SkippedEntry, look: Look) -> tuple[str | Span, ...]:
    return safe(one.item), Span(stage_word(look.words, one.stage), "dim"), Span(look.words.line(one.reason), "warn")
