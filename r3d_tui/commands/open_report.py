"""`r3d-tui report`: what a run found as report.html and report.md in its folder, or as JSON."""

import contextlib
import webbrowser
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from backends import api
from backends.core.client import Client, RunResult
from backends.core.codec import encode
from backends.core.files import write_whole
from backends.core.messages import InputError, R3dError, line
from backends.core.run_state import Run
from backends.core.values import Report
from r3d_tui.commands.options import Json, chosen_words, open_workspace, print_json, say
from r3d_tui.headless.html_report import WORST, PageContents, Thumbnail, html_page
from r3d_tui.lang.words import Words
from r3d_tui.text.rows import safe
from r3d_tui.views.verification import MEASURES, precision_mode, verified, verified_rows, verify_failure, verify_stage

SIDE = 112
"""Pixels of a thumbnail: a clip as the model sees it."""
PACKAGES = ("numpy", "torch", "onnx", "onnxruntime", "openvino")


def report(
    run: Annotated[str | None, typer.Argument(help="A run's id, as in `r3d-tui runs`; without: the latest.")] = None,
    opened: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
    json_document: Json = False,
) -> None:
    """Write report.html and report.md of a run: accuracy, verification, classes, confusions, clips, chips over time."""
    client = open_workspace()
    known = [one.id for one in client.runs()]
    if not known:
        raise InputError("{path}: nothing has run here yet", hint="r3d-tui run", path=str(client.workspace))
    if run is not None and run not in known:
        raise InputError("unknown run {name}", hint="r3d-tui runs", name=run)
    if json_document:
        print_json(report_document(client.result(run or known[0])))
        return
    path = write_report(client, run or known[0])
    say(str(path))
    if opened:
        webbrowser.open(path.as_uri())


def write_report(client: Client, run_id: str) -> Path:
    """report.html and report.md, written whole into the run's folder; gives the path of the page."""
    result = client.result(run_id)
    settings = ""
    with contextlib.suppress(OSError):
        settings = (client.workspace / "r3d.toml").read_text(encoding="utf-8", errors="replace")
    contents = PageContents(
        f"r3d-tui · {client.workspace.name} · {run_id}",
        result.state,
        result.report,
        client.history(run_id),
        _thumbnails(client.workspace, run_id, result.report),
        api.versions(PACKAGES),
        settings,
    )
    path = api.run_folder(client.workspace, run_id) / "report.html"
    write_whole(path, html_page(contents, chosen_words()).encode("utf-8", "replace"))
    text = markdown_page(api.report_text(client.workspace, result.state), result.state, Words("en"))
    write_whole(path.with_suffix(".md"), text.encode("utf-8", "replace"))
    return path


def _thumbnails(workspace: Path, run_id: str, report: Report | None) -> dict[str, Thumbnail]:
    """The first frame of each misclassified video that is shown, of those whose clips of this run are still there."""
    found = {}
    for video in report.worst[:WORST] if report else ():
        with contextlib.suppress(R3dError):
            clip = api.clip_frames(workspace, video.video, 0, SIDE, run_id)
            found[video.video] = Thumbnail(clip.width, clip.height, clip.frame(0))
    return found


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
    rows = verified_rows(stage)
    if rows or stage.state in ("failed", "skipped"):
        yield f"## {_cell(words.line(line('Verification')))}\n"
    if stage.state in ("failed", "skipped"):
        yield f"{_cell(words.line(verify_failure(stage)))}\n"
    if rows:
        yield _row(map(words, ("panel.model", *MEASURES)))
        yield "|---" * 5 + "|"
    for cells, mark in rows:
        yield _row(cells, mark.text)


def _row(cells: Iterable[str], last: str = "") -> str:
    return f"| {' | '.join((*map(_cell, cells), last))} |"


def _cell(text: str) -> str:
    return "".join(f"\\{c}" if c in r"\`*[]<>|#~" else c for c in safe(text))
