"""A run's report as text and as JSON: what its evaluation wrote, with what verify found beside it. Pure.

`r3d_tui.commands.open_report` writes report.md into the run's folder, or prints the JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from backends.core.client import RunResult
from backends.core.codec import encode
from backends.core.messages import line
from backends.core.run_state import Run
from r3d_tui.lang.words import Words
from r3d_tui.text.figures import number, percent, small
from r3d_tui.text.safe import safe
from r3d_tui.views.verification import mark, precision_mode, verified, verify_failure, verify_stage


def report_document(result: RunResult) -> dict[str, Any]:
    """The accuracy as report.json has it, and each model that was verified."""
    stage = verify_stage(result.state)
    return {
        "run": result.run.id,
        "state": result.run.state,
        "report": encode(result.report) if result.report else None,
        "verification": {
            "state": stage.state,
            "reason": str(stage.reason) if stage.reason.template else None,
            "precision_mode": precision_mode(stage) or None,
            "models": encode(verified(stage)),
        },
    }


def markdown_page(text: str, run: Run, words: Words) -> str:
    """`text` is report.md as the evaluate stage wrote it; empty where none did."""
    accuracy, heading, rest = text.partition("\n## ")
    parts = (accuracy.strip("\n"), "\n".join(_verification(run, words)), f"{heading}{rest}".strip("\n"))
    return "\n\n".join(part for part in parts if part) + "\n"


def _verification(run: Run, words: Words) -> Iterator[str]:
    stage = verify_stage(run)
    rows = verified(stage)
    if rows or stage.state in ("failed", "skipped"):
        yield f"## {_cell(words.line(line('Verification')))}\n"
    if stage.state in ("failed", "skipped"):
        yield f"{_cell(words.line(verify_failure(stage)))}\n"
    if rows:
        yield _row(words(key) for key in ("panel.model", "model.max_abs", "model.cosine", "model.top1"))
        yield "|---" * 5 + "|"
    for one in rows:
        name = f"{one.name} {precision_mode(stage)}".rstrip() if one.name == "om" else one.name
        yield _row((name, small(one.max_abs), number(one.cosine, 7), percent(one.top1)), mark(one).text)


def _row(cells: Iterable[str], last: str = "") -> str:
    return f"| {' | '.join((*map(_cell, cells), last))} |"


def _cell(text: str) -> str:
    return "".join(f"\\{c}" if c in r"\`*[]<>|#~" else c for c in safe(text))
