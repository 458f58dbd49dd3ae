"""What `--json` prints: documents whose keys scripts depend on. Pure; None where nobody measured."""

from __future__ import annotations

from typing import Any

from backends.core.client import RunSummary, Snapshot
from backends.core.codec import encode
from backends.core.messages import Line
from backends.core.needs import Finding
from backends.core.run_state import Run, StageRun


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
    }


def figures_of(run: Run) -> dict[str, Any]:
    """Every stage's figures as `<stage>.<figure>`, of stages that are settled."""
    found: dict[str, Any] = {}
    for stage in run.stages:
        if stage.outcome and stage.settled:
            found.update({f"{stage.name}.{name}": value for name, value in stage.outcome.figures.items()})
    return found


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
