"""What the plain face says of a run, in the reader's language: stages, figures, endings, errors. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from backends.core.client import Snapshot
from backends.core.events import DeviceChanged, Event, StageFinished
from backends.core.log_lines import log_line
from backends.core.messages import Line, R3dError, Scalar, line, os_reason
from backends.core.run_state import DeviceRun, Run, StageRun
from r3d_tui.lang.words import Words
from r3d_tui.text import figures
from r3d_tui.text.rows import safe
from r3d_tui.views.look import Look, dotted, figure_label, stage_word, state_word
from r3d_tui.views.stages import progress_words
from r3d_tui.views.verification import verify_stage

FIGURES: Mapping[str, tuple[str, ...]] = {
    "check": ("met", "warnings", "missing"),
    "frames": ("classes", "videos", "frames", "bytes"),
    "annotate": ("classes", "videos", "subset_videos", "missing", "unlisted"),
    "preprocess": ("videos", "clips", "missing", "bytes", "servers", "clips_per_s"),
    "export": ("arch", "classes", "parameters", "opset", "nodes", "bytes"),
    "simplify": ("nodes_before", "nodes", "bytes"),
    "compile": ("soc_version", "precision_mode", "cann", "tune", "tune_gain_percent", "bytes"),
    "infer": ("runtime", "devices", "devices_retired", "clips", "seconds", "clips_per_s", "pass_clips_per_s"),
    "score": ("videos", "clips"),
    "evaluate": ("top1", "topk", "videos", "videos_set_aside"),
}
"""Which of a stage's figures stand in its line; of verify's, differences and matches. The console and JSON have all."""
QUIET = frozenset({"warnings", "missing", "unlisted", "devices_retired", "videos_set_aside"})
"""Figures that say nothing where they are 0."""


def stage_name(words: Words, name: str) -> str:
    """A stage by the word that people read and, where it differs, the name that they type."""
    word = stage_word(words, name)
    return word if word == safe(name) else words("plain.both", word=word, name=name)


def stage_said(words: Words, stage: StageRun) -> list[str]:
    """A stage's state with time, then why, the fix, what it measured and how much was skipped: each a part."""
    took = f" {figures.seconds(stage.seconds)}" if stage.seconds is not None else ""
    parts = [state_word(words, stage.state) + took]
    if stage.state != "done" and (why := words.line(stage.reason)) not in parts:  # "up to date" once
        parts.append(why)
    if stage.state == "failed":
        parts.append(words.line(stage.hint))
    if stage.outcome and stage.state in ("done", "cached"):
        parts += figures_said(words, stage.name, stage.outcome.figures)
    if stage.set_aside_count:
        parts.append(words("stages.skipped", n=figures.count(stage.set_aside_count)))
    return [part for part in parts if part]


def progress_said(words: Words, stage: StageRun) -> str:
    """How far a stage is: done of total, unit, rate, time left; else what it says that it does."""
    if stage.done or stage.total:
        return dotted(progress_words(stage, Look(words, 80)))
    return words.line(stage.note)


def device_said(words: Words, device: DeviceRun) -> str:
    return dotted([state_word(words, device.state), words.line(device.reason)])


def figures_said(words: Words, stage: str, measured: Mapping[str, Scalar]) -> list[str]:
    """A stage's figures with their names in words; what nobody measured is left out."""
    names = FIGURES.get(stage) or tuple(name for name in measured if not name.endswith(("_cosine", "_passed")))
    shown = [name for name in names if measured.get(name) is not None and (measured[name] or name not in QUIET)]
    return [f"{figure_label(words, name, measured)} {_value(words, name, measured[name])}" for name in shown]


def _value(words: Words, name: str, value: Scalar) -> str:
    """A figure as its name asks for: bytes, seconds, shares, rates; a word as it is, harmless."""
    if name == "layout":
        return words.get(f"layout.{value}", str(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return safe(str(value))
    if name == "bytes":
        return figures.size(value)
    if name.endswith("seconds"):
        return figures.seconds(value)
    if name.endswith(("_per_s", "throughput")):
        return figures.rate(value)
    if name.endswith("max_abs"):
        return figures.small(value)
    if name.endswith("_top1") and name != "published_top1":
        return figures.percent(value, 1)
    if name in ("top1", "topk", "top1_low", "top1_high", "published_top1", "accuracy"):
        return f"{value:.4f}"
    return figures.count(value) if isinstance(value, int) else f"{value:.4g}"


def figures_of(run: Run) -> dict[str, Any]:
    """Every stage's figures as `<stage>.<figure>`, of stages that are settled."""
    found: dict[str, Any] = {}
    for stage in run.stages:
        if stage.outcome and stage.settled:
            found.update({f"{stage.name}.{name}": value for name, value in stage.outcome.figures.items()})
    return found


def logged(words: Words, event: Event) -> tuple[str, str] | None:
    """An event's line in its stage's log: in English, as in the file, and in the reader's language."""
    found = log_line(event)
    if found is None:
        return None
    facts = dict(found.facts)
    if isinstance(event, DeviceChanged):
        facts["state"] = state_word(words, event.state)
    if isinstance(event, StageFinished):
        facts["figures"] = dotted(figures_said(words, event.stage, event.outcome.figures))
    return safe(str(found)).rstrip(), words.line(Line(found.template, facts)).rstrip()


def endings(words: Words, snapshot: Snapshot) -> list[str]:
    """The last lines of a run: its state, what it measured, over how many videos. Reasons are in `failures`."""
    run = snapshot.run
    if not run.id:
        return [words("plain.nothing")]
    state = state_word(words, run.state)
    if run.reason.template:
        lines = [words("plain.ended_why", run=run.id, state=state, reason=words.line(run.reason))]
    else:
        lines = [words("plain.ended", run=run.id, state=state)]
    measured = figures_of(run)
    if accuracy := _accuracy(words, snapshot, measured):
        lines.append(accuracy)
    if verify_stage(run).state == "failed":
        lines.append(words.line(line("the model is not verified")))
    speed, whole = measured.get("infer.clips_per_s"), measured.get("infer.pass_clips_per_s")
    if speed is not None or whole is not None:
        clips, key = figures.count(measured.get("infer.clips")), "plain.speed" if speed is not None else "plain.pass"
        lines.append(words(key, clips=clips, rate=figures.rate(speed if speed is not None else whole)))
        if run.simulated:
            lines.append(words("sim.speed"))
        elif beside := measured.get("infer.clips_per_s_beside"):
            lines.append(
                f"{words('verdict.beside', stage=stage_name(words, str(beside)))}: {words('verdict.beside_fix')}"
            )
    return lines


def _accuracy(words: Words, snapshot: Snapshot, measured: Mapping[str, Scalar]) -> str:
    report = snapshot.report
    top1 = report.top1 if report else measured.get("evaluate.top1")
    if not isinstance(top1, float):
        return ""
    parts = [words("plain.top1", top1=f"{top1:.4f}")]
    if report and report.k > 1:
        parts.append(words("plain.topk", k=report.k, value=f"{report.topk:.4f}"))
    videos, aside = measured.get("evaluate.videos"), measured.get("evaluate.videos_set_aside")
    parts.append(words("plain.over", videos=figures.count(figures.as_number(videos))))
    if aside:
        parts.append(words("stages.skipped", n=figures.count(figures.as_number(aside))))
    return dotted(parts)


def failures(words: Words, snapshot: Snapshot) -> Iterator[str]:
    """One line for each stage that failed: which, why, the fix."""
    for stage in snapshot.run.stages:
        if stage.state == "failed":
            name, what, hint = stage_name(words, stage.name), words.line(stage.reason), words.line(stage.hint)
            if hint:
                yield words("plain.stage_error_hint", stage=name, what=what, hint=hint)
            else:
                yield words("plain.stage_error", stage=name, what=what)


def complaint(words: Words, error: R3dError) -> str:
    """An error of ours as one line: what, and the fix."""
    what, hint = words.line(error.line), words.line(error.hint)
    return words("plain.error_hint", what=what, hint=hint) if hint else words("plain.error", what=what)


def system_complaint(words: Words, error: OSError) -> str:
    reason = os_reason(error)
    if error.filename:
        reason = line("{path}: {reason}", path=str(error.filename), reason=reason)
    return words("plain.error", what=reason)


def fault(words: Words, error: Exception) -> str:
    """A fault of ours as one line: its kind, its words, and what to do."""
    what = words("plain.fault", kind=type(error).__name__, what=str(error))
    return words("plain.error_hint", what=what, hint=words("plain.fault_hint"))
