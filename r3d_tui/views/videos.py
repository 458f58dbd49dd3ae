"""The data set by class and by video: what is there, what was set aside and why, what it was taken for. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backends.contract.client import Prediction
from backends.contract.clips import VideoEntry
from r3d_tui import figures
from r3d_tui.rows import Column, Row, Span, table
from r3d_tui.safe import safe
from r3d_tui.views.look import Look, fact, facts, stage_word

Predictions = Mapping[str, Prediction]


@dataclass(frozen=True, slots=True)
class ClassEntry:
    """One class's videos."""

    label: str
    videos: tuple[VideoEntry, ...]


def classes(videos: Sequence[VideoEntry]) -> tuple[ClassEntry, ...]:
    """The videos by class, in the order of names; those whose class nobody knows come last."""
    groups: dict[str, list[VideoEntry]] = {}
    for video in videos:
        groups.setdefault(video.label, []).append(video)
    names = sorted(groups, key=lambda label: (not label, label))
    return tuple(ClassEntry(name, tuple(groups[name])) for name in names)


def class_table(found: Sequence[ClassEntry], predictions: Predictions, look: Look) -> list[Row]:
    """A heading and a row for each class."""
    words = look.words
    columns = (
        Column(words("result.label"), 18, flex=True),
        Column(words("data.counted"), 6, right=True),
        Column(words("data.jpgs"), 8, right=True, rank=2),
        Column(words("data.clips"), 6, right=True),
        Column(words("data.aside"), 6, right=True),
        Column(words("videos.right"), 9, right=True, rank=1),
    )
    body = []
    for one in found:
        aside = sum(bool(video.reason.template) for video in one.videos)
        frames = [video.frames for video in one.videos if video.frames is not None]
        told = [predictions[v.video] for v in one.videos if v.video in predictions and predictions[v.video].predicted]
        right = f"{sum(bool(one.right) for one in told)}/{len(told)}" if told else figures.DASH
        cells: tuple[str | Span, ...] = (
            safe(one.label) or words("videos.unknown"),
            figures.count(len(one.videos)),
            figures.count(sum(frames) if frames else None),
            figures.count(sum(video.clips for video in one.videos)),
            Span(figures.count(aside), "warn" if aside else ""),
            right,
        )
        body.append(cells)
    return table(columns, body, look.width)


def video_table(found: Sequence[VideoEntry], predictions: Predictions, look: Look) -> list[Row]:
    """A heading and a row for each video: why it was set aside, or what it was taken for."""
    words = look.words
    columns = (
        Column(words("result.video"), 20, flex=True),
        Column(words("data.jpgs"), 6, right=True, rank=1),
        Column(words("data.clips"), 5, right=True),
        Column(words("videos.outcome"), 26, flex=True),
    )
    body: list[tuple[str | Span, ...]] = [
        (
            safe(video.video),
            figures.count(video.frames),
            figures.count(video.clips),
            outcome(video, predictions.get(video.video), look),
        )
        for video in found
    ]
    return table(columns, body, look.width)


def outcome(video: VideoEntry, found: Prediction | None, look: Look) -> Span:
    """What became of a video, in a few words."""
    if video.reason.template:
        return Span(f"{stage_word(look.words, video.stage)}: {look.words.line(video.reason)}", "warn")
    if found is None or found.predicted is None:
        reason = safe(found.reason) if found else ""
        return Span(reason or look.words("videos.no_result"), "warn" if reason else "dim")
    score = figures.number(found.score, 3)
    return Span(f"{'✓' if found.right else '✗'} {safe(found.predicted)} {score}", "good" if found.right else "bad")


def clip_facts(
    video: VideoEntry, clip: int, frame: int, frames: int, found: Prediction | None, look: Look
) -> list[Row]:
    """What stands beside the picture."""
    words = look.words
    rows = [*facts(words("result.video"), safe(video.video), look.width, "strong")]
    rows += facts(words("result.label"), safe(video.label), look.width)
    told = outcome(video, found, look)
    rows += facts(words("videos.predicted"), told.text, look.width, told.role)
    begin, end = video.segment
    cut = (
        words("data.before", n=figures.count(video.clips_before_cut))
        if video.clips_before_cut not in (None, video.clips)
        else ""
    )
    rows += facts(words("videos.clip"), f"{clip + 1}/{video.clips}" + (f" · {cut}" if cut else ""), look.width)
    rows.append(fact(words("videos.frame"), f"{frame + 1}/{frames}"))
    if end > begin:
        rows += facts(words("videos.segment"), f"{begin}–{end - 1}", look.width)
    return rows
