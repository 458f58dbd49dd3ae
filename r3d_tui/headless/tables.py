"""Stages, runs, logs, chips and needs as lines of text for the plain face. Pure; a dash where nothing is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from backends.core.client import RunSummary, Snapshot
from backends.core.messages import Line
from backends.core.needs import Finding
from backends.core.values import Chip, DeviceTable
from r3d_tui.headless import sentences
from r3d_tui.lang.words import Words
from r3d_tui.text import figures
from r3d_tui.text.rows import Column, Span, cells, fit, table, text_of
from r3d_tui.text.safe import safe
from r3d_tui.views.look import dotted, state_word
from r3d_tui.views.stages import moment

WIDEST = 1000
"""No table is cut: what is too wide for a terminal wraps there, and a pipe gets all of it."""


def status_lines(snapshot: Snapshot, words: Words) -> Iterator[str]:
    """One line a stage, how far those are that run, then how the run ended or stands."""
    stages = snapshot.run.stages
    width = max((cells(sentences.stage_name(words, stage.name)) for stage in stages), default=0)
    for stage in stages:
        said = sentences.stage_said(words, stage)
        if stage.state == "running":
            said.append(sentences.progress_said(words, stage))
        yield f"{fit(sentences.stage_name(words, stage.name), width)}  {dotted(said)}".rstrip()
    yield from sentences.endings(words, snapshot)


def run_lines(runs: Iterable[RunSummary], words: Words) -> Iterator[str]:
    """One line a run, latest first: its id, when it began, how it ended, how long it took, what it found."""
    columns = (
        Column(words("runs.run"), 20),
        Column(words("runs.started"), 19),
        Column(words("stages.state"), 11),
        Column(words("stages.time"), 8, right=True),
        Column(words("result.top1"), 6, right=True),
        Column(words("infer.clips_per_s"), 9, right=True),
    )
    body = [
        (
            safe(run.id),
            figures.DASH if run.started is None else moment(run.started),
            state_word(words, run.state),
            figures.seconds(run.seconds),
            figures.number(run.top1, 4),
            figures.rate(run.clips_per_s) + ("*" if run.simulated else ""),
        )
        for run in runs
    ]
    if not body:
        yield words("plain.nothing")
        return
    yield from _lines(columns, body)
    if any(line[-1].endswith("*") for line in body):
        yield f"* {words('sim.speed')}"


def log_lines(paths: Mapping[str, str], words: Words) -> Iterator[str]:
    names = {name: sentences.stage_name(words, name) for name in paths}
    width = max(map(cells, names.values()), default=0)
    for name, path in paths.items():
        yield f"{fit(names[name], width)}  {safe(path)}"


def device_lines(chips: DeviceTable, words: Words) -> Iterator[str]:
    """One line a chip, or what went wrong and the fix."""
    if chips.error:
        yield words.line(Line(chips.error.message))
        for text in (chips.error.cause, chips.error.fix):
            if text.template:
                yield "  " + words.line(text)
    elif not chips.chips:
        yield words("chips.none")
    if chips.chips:
        columns = (
            Column(words("chips.npu"), 3, right=True),
            Column(words("chips.chip"), 4, right=True),
            Column(words("chips.device"), 6, right=True),
            Column(words("chips.name"), 10),
            Column(words("chips.soc"), 16),
            Column(words("chips.health"), 8),
            Column(words("chips.power"), 6, right=True),
            Column(words("chips.temp"), 4, right=True),
            Column(words("chips.aicore"), 6, right=True),
            Column(words("chips.memory"), 15, right=True),
        )
        yield from _lines(columns, [_chip(chip) for chip in chips.chips])


def finding_lines(findings: tuple[Finding, ...], words: Words) -> Iterator[str]:
    """One line a need: its state, what was found, and under it the fix where it is not met."""
    states = {state: words(f"need.{state}") for state in ("met", "warning", "missing", "unknown")}
    names = [_need(finding.name, words) for finding in findings]
    state_width, name_width = max(map(cells, states.values())), max(map(cells, names), default=0)
    for finding, name in zip(findings, names, strict=True):
        state = fit(states[finding.state], state_width)
        yield f"{state}  {fit(name, name_width)}  {words.line(finding.found)}".rstrip()
        if finding.hint.template and finding.state != "met":
            yield " " * (state_width + 2) + words("need.fix", hint=words.line(finding.hint))


def _need(name: str, words: Words) -> str:
    bare = name.removesuffix(", guide")
    word = words.get(f"finding.{bare}", bare)
    return word if bare == name else words("need.guide", name=word)


def _lines(columns: tuple[Column, ...], body: Iterable[Iterable[str]]) -> Iterator[str]:
    """The columns as wide as what stands in them."""
    rows = [tuple(line) for line in body]
    wide = [max(column.width, *(cells(line[place]) for line in rows)) for place, column in enumerate(columns)]
    fitted = [Column(column.head, width, column.right) for column, width in zip(columns, wide, strict=True)]
    for line in table(fitted, [[Span(cell) for cell in line] for line in rows], WIDEST):
        yield text_of(line).rstrip()


def _chip(chip: Chip) -> tuple[str, ...]:
    return (
        str(chip.npu_id),
        _told(chip.chip_id),
        _told(chip.device_id),
        safe(chip.name or figures.DASH),
        safe(chip.soc_version or figures.DASH),
        safe(chip.health or figures.DASH),
        _told(chip.power_w),
        _told(chip.temp_c),
        _told(chip.aicore_percent),
        f"{_told(chip.memory_used_mb)} / {_told(chip.memory_total_mb)}",
    )


def _told(value: float | None) -> str:
    return figures.DASH if value is None else f"{value:g}"
