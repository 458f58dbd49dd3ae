"""The pane while a run goes on: a bar for each stage at work, and under it what those stages make."""

from collections.abc import Sequence

from backends.core.client import Snapshot
from backends.core.published import ACCURACIES
from backends.core.run_state import StageRun
from r3d_tui.text import figures
from r3d_tui.text.rows import Row, Span, cells, cut, fit, row
from r3d_tui.views.chips import ChipTable
from r3d_tui.views.devices import of_simulated
from r3d_tui.views.look import Look, dotted, elapsed, figure, left, live_rate, share, stage_word
from r3d_tui.views.phase import MODEL, computes, infer_runs, running_stages
from r3d_tui.views.stages import progress_words, unit_word
from r3d_tui.widgets.meter import meter, spark

GUIDE_TOP1 = ACCURACIES[0].top1
"""Of the ModelZoo guide, over HMDB51 split 1: what a figure on the way is set beside."""


def running(snapshot: Snapshot, look: Look, table: ChipTable) -> list[Row]:
    """Bars, and the rates of inference where it runs."""
    found = running_stages(snapshot)
    rows: list[Row] = []
    for stage in found:
        if stage.total is None and not computes(stage) and infer_runs(snapshot):
            continue  # it waits for inference: the strip says enough
        rows += progress(stage, look, is_alone=len(found) == 1)
        if computes(stage):
            rows += inference(snapshot, stage, look, table)
    if not found:
        rows.append(row(" ", Span(look.words("running.between"), "dim")))
    return rows


def progress(stage: StageRun, look: Look, *, is_alone: bool = False) -> list[Row]:
    """A bar with what is known of the work; inference that is alone goes without its name."""
    part, words = share(stage), look.words
    name = "" if is_alone and stage.name == "infer" else f"{fit(stage_word(words, stage.name), 11)} "
    if part is None:
        text = dotted([*(progress_words(stage, look) if stage.done else []), words.line(stage.note)])
        if stage.name == "infer" and not text:
            text = words("running.loading")
        clock = figures.clock(elapsed(stage, look.now))
        return [cut(row(" ", Span(name, "strong"), Span(f"{clock}  ", "accent"), text), look.width)]
    counts = f"{figures.count(stage.done)}/{figures.count(stage.total)}"
    rest = left(stage)
    tail = words("stages.left", time=figures.clock(rest)) if rest is not None else ""
    text = f"  {figures.percent(part):>5}  {counts}"
    wide = max(8, look.width - 2 - cells(name) - cells(text) - (cells(tail) + 2 if tail else 0))
    bar = meter(part, wide)
    line = row(" ", Span(name, "strong"), *bar, text, Span(f"  {tail}" if tail else "", "strong"))
    rows = [cut(line, look.width)]
    rate = f"{figures.rate(stage.rate)} {unit_word(look, stage.unit)}/s" if stage.rate is not None else ""
    note = dotted([rate, words.line(stage.note)])
    if stage.name != "infer" and note and (look.height > 12 or computes(stage)):
        rows.append(cut(row(" " * (1 + cells(name)), Span(note, "dim")), look.width))
    return rows


def inference(snapshot: Snapshot, stage: StageRun, look: Look, table: ChipTable) -> list[Row]:
    """The accuracy so far, the rate of all with its line, and its share of the reference."""
    words = look.words
    parts: list[Span] = []
    top1 = figure(stage, "top1_so_far")
    if top1 is not None:
        parts += [Span(f"{words('result.top1')} {100 * top1:.1f} % ", "strong"), Span(words("running.so_far"), "")]
        if table.reference:
            parts.append(Span(f" ({words('running.guide', top1=f'{100 * GUIDE_TOP1:.1f}')})", "dim"))
        parts.append(Span("   "))
    runs = [one.run for one in table.devices if one.run is not None]
    now = [rate for rate in map(live_rate, runs) if rate is not None]
    if now:
        parts += [Span(f"{figures.rate(sum(now))} ", "strong"), Span(f"{words('infer.clips_per_s')}  ")]
    tail = _of_reference(table, now, look)
    known = [value for value in (table.rates or {}).get("", ()) if value is not None]
    peak = f"  {words('running.peak', n=figures.rate(max(known)))}" if len(known) > 1 and look.width >= 110 else ""
    room = look.width - 2 - sum(cells(span.text) for span in parts) - cells(tail) - cells(peak)
    if len(known) > 1 and room > 6:
        parts.append(spark(list((table.rates or {}).get("", ())), min(room, 40)))
    parts += [Span(peak, "dim"), Span(tail, "")]
    rows = [cut(row(" ", *parts), look.width)] if any(span.text.strip() for span in parts) else []
    if of_simulated(snapshot.run):
        rows.append(cut(row(" ", Span(words("sim.speed"), "dim")), look.width))
    return rows


def _of_reference(table: ChipTable, now: Sequence[float], look: Look) -> str:
    if not table.reference or not now:
        return ""
    whole = [one.published for one in table.devices if one.run and live_rate(one.run) is not None]
    known = [rate for rate in whole if rate is not None]
    if not known or len(known) < len(whole):
        return ""
    return f"  {look.words('running.of_reference', share=f'{100 * sum(now) / sum(known):.0f}', n=len(known))}"


def converts(snapshot: Snapshot) -> bool:
    """Only the conversion is at work."""
    names = {stage.name for stage in running_stages(snapshot)}
    return bool(names) and names <= set(MODEL) and not infer_runs(snapshot)
