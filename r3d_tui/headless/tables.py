"""Stages, runs, logs, chips and needs as lines of text. Pure; a dash where nothing was reported."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from backends.core.client import RunSummary, Snapshot
from backends.core.codec import encode
from backends.core.command_reports import ServerReport
from backends.core.messages import Line
from backends.core.needs import Finding
from backends.core.run_state import StageRun
from backends.core.values import Chip, DeviceTable
from r3d_tui.headless import sentences
from r3d_tui.headless.sentences import figures_of
from r3d_tui.lang.words import Words
from r3d_tui.text import figures
from r3d_tui.text.rows import Column, Span, cells, fit, row, safe, table, text_of
from r3d_tui.views.browser_tables import RUNS, runs_note
from r3d_tui.views.look import Look, dotted
from r3d_tui.views.verification import is_verified

WIDEST = 1000
"""No table is cut: what is too wide for a terminal wraps there, and a pipe gets all of it."""


CHIP_COLUMNS: tuple[tuple[str, int, bool, Callable[[Chip], float | str | None]], ...] = (
    ("npu", 3, True, lambda chip: chip.npu_id),
    ("chip", 4, True, lambda chip: chip.chip_id),
    ("device", 6, True, lambda chip: chip.device_id),
    ("name", 10, False, lambda chip: chip.name),
    ("soc", 16, False, lambda chip: chip.soc_version),
    ("health", 8, False, lambda chip: chip.health),
    ("power", 6, True, lambda chip: chip.power_w),
    ("temp", 4, True, lambda chip: chip.temp_c),
    ("aicore", 6, True, lambda chip: chip.aicore_percent),
    ("memory", 15, True, lambda chip: f"{_known(chip.memory_used_mb)} / {_known(chip.memory_total_mb)}"),
)
"""Of the chips: the heading's key in `chips`, width, whether it is set right, what stands in it."""


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
    """The console's list of runs, latest first, and what a bracket means where there is one."""
    found, look = tuple(runs), Look(words, WIDEST)
    if not found:
        yield words("plain.nothing")
        return
    yield from _lines([one.column(look) for one in RUNS], [[one.cell(run, look) for one in RUNS] for run in found])
    yield from filter(None, map(text_of, runs_note(found, look)))


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
        columns = [Column(words(f"chips.{key}"), width, right=right) for key, width, right, _ in CHIP_COLUMNS]
        yield from _lines(columns, [[_known(cell(chip)) for *_, cell in CHIP_COLUMNS] for chip in chips.chips])


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


def _lines(columns: Sequence[Column], body: Iterable[Sequence[str | Span]]) -> Iterator[str]:
    """The columns as wide as what stands in them."""
    rows = [row(*line) for line in body]
    wide = [max(column.width, *(cells(line[place].text) for line in rows)) for place, column in enumerate(columns)]
    fitted = [Column(column.head, width, column.right) for column, width in zip(columns, wide, strict=True)]
    for line in table(fitted, rows, WIDEST):
        yield text_of(line).rstrip()


def _known(value: float | str | None) -> str:
    return figures.DASH if value is None or value == "" else safe(value) if isinstance(value, str) else f"{value:g}"


def status_document(snapshot: Snapshot) -> dict[str, Any]:
    run = snapshot.run
    return {
        "workspace": str(snapshot.workspace),
        "run": run.id or None,
        "state": run.state,
        "stages": [_stage(stage) for stage in run.stages],
        "devices": [
            {"id": d.id, "name": d.name or None, "state": d.state, "clips": d.clips, "clips_per_s": d.clips_per_s}
            for d in run.devices
        ],
        "result": result_document(snapshot),
    }


def result_document(snapshot: Snapshot) -> dict[str, Any]:
    """Accuracy and throughput of the latest run; every figure None until its stage is done."""
    figures = figures_of(snapshot.run)
    report = snapshot.report
    return {
        "top1": report.top1 if report else figures.get("top1"),
        "top5": report.topk if report and report.k == 5 else None,
        "videos": figures.get("evaluate.videos"),
        "videos_set_aside": figures.get("evaluate.videos_set_aside"),
        "videos_skipped": figures.get("evaluate.videos_set_aside"),
        "clips": figures.get("infer.clips"),
        "clips_per_s": figures.get("infer.clips_per_s"),
        "clips_per_s_beside": figures.get("infer.clips_per_s_beside"),
        "verified": is_verified(snapshot.run),
    }


def runs_document(runs: tuple[RunSummary, ...]) -> dict[str, Any]:
    return {"runs": [{name: getattr(run, name) for name in RunSummary.__struct_fields__} for run in runs]}


def findings_document(findings: tuple[Finding, ...]) -> dict[str, Any]:
    rows = [{"name": f.name, "state": f.state, "found": str(f.found), "hint": str(f.hint)} for f in findings]
    return {"findings": rows}


def _stage(stage: StageRun) -> dict[str, Any]:
    return {
        "name": stage.name,
        "state": stage.state,
        "reason": words(stage.reason),
        "seconds": stage.seconds,
        "done": stage.done,
        "total": stage.total,
        "set_aside": stage.set_aside_count,
        "figures": _figures(stage),
    }


def _figures(stage: StageRun) -> dict[str, Any]:
    figures: dict[str, Any] = encode(stage.outcome.figures) if stage.outcome else {}
    skipped = figures.get("videos_set_aside")
    return figures if skipped is None else {**figures, "videos_skipped": skipped}


def words(line: Line) -> str | None:
    """A line in English, None where there is none."""
    return str(line) if line.template else None


def server_document(reports: Iterable[ServerReport], words: Words) -> dict[str, Any]:
    servers = []
    for one in reports:
        reason = words.line(one.reason) if one.reason.template else None
        servers.append({**msgspec.structs.asdict(one), "reason": reason})
    return {"servers": servers}
