"""The lists of the browser as columns, each said once: its heading, its cell, and what it sorts by.

Also what stands beside a video's clip.
"""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

from msgspec import Struct

from backends.core.catalog_pages import Change, ClassEntry, VideoEntry
from backends.core.client import RunSummary
from backends.core.events import ItemSetAside
from r3d_tui.lang.words import Words
from r3d_tui.text import figures
from r3d_tui.text.rows import Column, Row, Span, safe
from r3d_tui.views.listing import Arrange, SortKey, in_memory
from r3d_tui.views.look import Look, fact, facts, paragraph, sign, stage_word, state_word
from r3d_tui.views.result import accuracy_bar
from r3d_tui.views.stages import moment

Cell = Callable[[Any, Look], str | Span]


class Field(Struct, frozen=True):
    heading: str
    """Key of its words; empty: no heading."""
    width: int
    cell: Cell
    sorts: str = ""
    """The column of the catalog (of runs: the attribute) that it sorts by; empty: it does not."""
    down: bool = False
    """Sorted with the largest first."""
    right: bool = False
    rank: int = 0
    flex: bool = False

    def column(self, look: Look) -> Column:
        head = look.words(self.heading) if self.heading else ""
        return Column(head, self.width, self.right, self.rank, self.flex)


def sort_keys(fields: Sequence[Field]) -> tuple[SortKey[Any], ...]:
    return tuple(SortKey(one.heading, attrgetter(one.sorts), one.down, one.sorts) for one in fields if one.sorts)


def _started(one: RunSummary) -> str:
    return moment(one.started) if one.started is not None else figures.DASH


def _state(one: RunSummary, look: Look) -> Span:
    mark = sign(one.state)
    return Span(f"{mark.text} {state_word(look.words, one.state)}", mark.role)


def run_rate(one: RunSummary, _: Look) -> str | Span:
    """A rate that compares with no other stands in brackets: its column is too narrow for a word."""
    rate = figures.rate(one.clips_per_s)
    return Span(f"({rate})", "dim") if one.clips_per_s is not None and not one.is_comparable else rate


FILLER = Field("", 0, lambda _, __: "", flex=True, rank=9)
"""Takes what is left, so that the columns before it stand close to each other."""
RUNS = (
    Field("runs.run", 20, lambda one, _: safe(one.id)),
    Field("stages.state", 13, _state, "state"),
    Field("runs.started", 19, lambda one, _: _started(one), "started", down=True, rank=3),
    Field("stages.time", 8, lambda one, _: figures.seconds(one.seconds), "seconds", down=True, right=True),
    Field("result.top1", 7, lambda one, _: figures.number(one.top1, 4), "top1", down=True, right=True),
    Field("infer.clips_per_s", 8, run_rate, "clips_per_s", down=True, right=True, rank=1),
    Field("", 9, lambda one, look: Span(look.words("sim.word") if one.simulated else "", "warn"), rank=2),
    FILLER,
)


def arranged_runs(found: Sequence[RunSummary], words: Words) -> Arrange[RunSummary]:
    """The runs, latest first; found by id, state and day."""
    return in_memory(found, lambda one: f"{one.id} {state_word(words, one.state)} {_started(one)}")


def runs_note(found: Sequence[RunSummary], look: Look) -> list[Row]:
    """What a bracket means, where there is one."""
    measured = [one for one in found if one.clips_per_s is not None]
    keys = ["sim.bracket"] if any(one.simulated for one in measured) else []
    keys += ["runs.beside"] if any(one.clips_per_s_beside for one in measured) else []
    rows = [row for key in keys for row in paragraph(look.words(key), look.width, "warn")]
    return [*rows, ()] if rows else []


def _right(one: ClassEntry, _: Look) -> str:
    return f"{figures.percent(one.accuracy)} {one.right}/{one.judged}" if one.judged else figures.DASH


CLASSES = (
    Field("result.label", 26, lambda one, look: safe(one.label) or look.words("browse.unknown"), "label"),
    Field("", 12, lambda one, _: accuracy_bar(one.accuracy, 12), rank=4),
    Field("browse.right", 13, _right, "accuracy", right=True),
    Field("data.counted", 7, lambda one, _: figures.count(one.videos), "videos", down=True, right=True),
    Field("data.jpgs", 10, lambda one, _: figures.count(one.frames), "frames", down=True, right=True, rank=3),
    Field("data.clips", 9, lambda one, _: figures.count(one.clips), "clips", down=True, right=True, rank=2),
    Field("data.aside", 7, lambda one, _: Span(figures.count(one.skipped), "warn" if one.skipped else ""),
          "skipped", down=True, right=True, rank=1),
    FILLER,
)  # fmt: skip


def outcome(video: VideoEntry, look: Look) -> Span:
    """What became of a video: why it was skipped, or what it was predicted as."""
    if video.stage:
        return Span(f"{stage_word(look.words, video.stage)}: {look.words.line(video.reason)}", "warn")
    if video.predicted is None:
        reason = look.words.line(video.reason)
        return Span(reason or look.words("browse.no_result"), "warn" if reason else "dim")
    return Span(f"{'✓' if video.is_right else '✗'} {safe(video.predicted)}", "good" if video.is_right else "bad")


VIDEOS = (
    Field("result.video", 20, lambda one, _: safe(one.video), "video", flex=True),
    Field("result.label", 14, lambda one, _: safe(one.label), "label", rank=3),
    Field("data.jpgs", 6, lambda one, _: figures.count(one.frames), "frames", down=True, right=True, rank=2),
    Field("data.clips", 5, lambda one, _: figures.count(one.clips), "clips", down=True, right=True, rank=1),
    Field("browse.outcome", 22, outcome, "outcome", flex=True),
    Field("result.score", 5, lambda one, _: figures.number(one.score, 3), "score", down=True, right=True, rank=2),
)
WRONG = (
    Field("result.video", 24, lambda one, _: safe(one.video), "video", flex=True),
    Field("result.label", 14, lambda one, _: safe(one.label), "label", rank=1),
    Field("result.taken", 14, lambda one, _: safe(one.predicted), "predicted"),
    Field("result.score", 6, lambda one, _: figures.number(one.score, 3), "score", down=True, right=True),
)
SKIPPED = (
    Field("list.item", 20, lambda one, _: safe(one.item), "item", flex=True),
    Field("stages.stage", 10, lambda one, look: Span(stage_word(look.words, one.stage), "dim"), "stage", rank=1),
    Field("list.reason", 22, lambda one, look: Span(look.words.line(one.reason), "warn"), "reason", flex=True),
)
CHANGE_SIGNS = {"broken": ("✗", "bad"), "fixed": ("✓", "good"), "lost": ("–", "warn"), "gained": ("·", "good")}


def _change(one: Change, text: str | None) -> Span:
    sign, role = CHANGE_SIGNS.get(one.kind, ("·", "dim"))
    return Span(sign if text is None else text, role)


CHANGES = (
    Field("", 1, lambda one, _: _change(one, None)),
    Field("result.video", 18, lambda one, _: safe(one.video), "video", flex=True),
    Field("result.label", 14, lambda one, _: safe(one.label), "label", rank=1),
    Field("compare.before", 14, lambda one, _: _label(one.before), "before"),
    Field("compare.now", 14, lambda one, _: _change(one, _label(one.after)), "after"),
)


def _label(label: str | None) -> str:
    return figures.DASH if label is None else safe(label)


def as_video(one: ItemSetAside | Change) -> VideoEntry:
    """What is known of a video that is not in the catalog."""
    if isinstance(one, ItemSetAside):
        return VideoEntry(one.item, "", stage=one.stage, reason=one.reason)
    return VideoEntry(one.video, one.label, predicted=one.after)


def clip_facts(video: VideoEntry, clip: int, frame: int, frames: int, look: Look) -> list[Row]:
    """All about a video, and which of its clips (from 0) and frames is shown; without `frames` none is."""
    words = look.words
    rows = facts(words("result.video"), safe(video.video), look.width, "strong")
    if video.label:
        rows += facts(words("result.label"), safe(video.label), look.width)
    result = outcome(video, look)
    score = f" {figures.number(video.score, 3)}" if video.score is not None and not video.stage else ""
    heading = "browse.predicted" if video.predicted is not None and not video.stage else "list.reason"
    rows += facts(words(heading), result.text + score, look.width, result.role)
    if not video.clips:
        return [*rows, (), *paragraph(words("browse.no_clips"), look.width, "dim")]
    is_cut = video.clips_before_cut not in (None, video.clips)
    cut = f" · {words('data.before', n=figures.count(video.clips_before_cut))}" if is_cut else ""
    rows += facts(words("browse.clip"), f"{clip + 1}/{video.clips}{cut}", look.width)
    if frames:
        rows.append(fact(words("browse.frame"), f"{frame + 1}/{frames}"))
    if video.end > video.first:
        rows += facts(words("browse.segment"), f"{video.first}–{video.end - 1}", look.width)
    return rows
