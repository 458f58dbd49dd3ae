"""The data set by class and by video: what is there, what was set aside and why, what it was taken for. Pure."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from backends.core.client import Prediction
from backends.core.clip_entries import VideoEntry
from backends.core.cooperative import giving_way
from backends.core.lazy_sequence import Made
from r3d_tui.lang.words import Words
from r3d_tui.text import figures
from r3d_tui.text.rows import Column, Row, Span
from r3d_tui.text.safe import safe
from r3d_tui.views.listing import Listing, Order
from r3d_tui.views.look import Look, fact, facts, stage_word

Predictions = Mapping[str, Prediction]


class ClassEntry(Struct, frozen=True):
    """One class's videos, counted."""

    label: str
    videos: Sequence[VideoEntry]
    frames: int | None = None
    clips: int = 0
    aside: int = 0
    told: int = 0
    """Videos with a result."""
    right: int = 0

    @property
    def accuracy(self) -> float | None:
        """Of the videos with a result."""
        return self.right / self.told if self.told else None


class Picked(Made[VideoEntry]):
    """Some of many videos, by their places among them: four bytes each."""

    def __init__(self, videos: Sequence[VideoEntry], places: array[int]) -> None:
        self._videos, self._places = videos, places

    def __len__(self) -> int:
        return len(self._places)

    def _one(self, place: int) -> VideoEntry:
        return self._videos[self._places[place]]


def classes(videos: Sequence[VideoEntry], predictions: Predictions) -> tuple[ClassEntry, ...]:
    """The videos by class, in the order of names; those whose class nobody knows come last. Slow for many."""
    groups: dict[str, _Group] = {}
    for place, video in enumerate(giving_way(videos)):
        group = groups.get(video.label) or groups.setdefault(video.label, _Group())
        group.places.append(place)
        if video.frames is not None:
            group.frames = (group.frames or 0) + video.frames
        group.clips += video.clips
        group.aside += bool(video.reason.template)
        found = predictions.get(video.video)
        if found is not None and found.right is not None:
            group.told += 1
            group.right += found.right
    names = sorted(groups, key=lambda label: (not label, label))
    return tuple(_entry(name, videos, groups[name]) for name in names)


class _Group(Struct):
    """One class while its videos are counted."""

    places: array[int] = field(default_factory=lambda: array("I"))
    frames: int | None = None
    clips: int = 0
    aside: int = 0
    told: int = 0
    right: int = 0


def _entry(label: str, videos: Sequence[VideoEntry], of: _Group) -> ClassEntry:
    return ClassEntry(label, Picked(videos, of.places), of.frames, of.clips, of.aside, of.told, of.right)


CLASS_ORDERS: tuple[Order[ClassEntry], ...] = (
    Order("result.label", lambda one: one.label),
    Order("data.counted", lambda one: len(one.videos), down=True),
    Order("data.jpgs", lambda one: one.frames, down=True),
    Order("data.clips", lambda one: one.clips, down=True),
    Order("data.aside", lambda one: one.aside, down=True),
    Order("videos.right", lambda one: one.accuracy),
)


def class_listing(found: Sequence[ClassEntry]) -> Listing[ClassEntry]:
    """The classes, to be filtered and ordered."""
    return Listing(found, CLASS_ORDERS, lambda one: one.label)


def class_columns(look: Look) -> tuple[Column, ...]:
    """Of the list of classes."""
    words = look.words
    return (
        Column(words("result.label"), 18, flex=True),
        Column(words("data.counted"), 7, right=True),
        Column(words("data.jpgs"), 10, right=True, rank=2),
        Column(words("data.clips"), 9, right=True),
        Column(words("data.aside"), 7, right=True, rank=1),
        Column(words("videos.right"), 13, right=True),
    )


def class_cells(one: ClassEntry, look: Look) -> tuple[str | Span, ...]:
    """One class."""
    share = f"{figures.percent(one.accuracy)} {one.right}/{one.told}" if one.told else figures.DASH
    return (
        safe(one.label) or look.words("videos.unknown"),
        figures.count(len(one.videos)),
        figures.count(one.frames),
        figures.count(one.clips),
        Span(figures.count(one.aside), "warn" if one.aside else ""),
        share,
    )


def video_listing(found: Sequence[VideoEntry], predictions: Predictions, words: Words) -> Listing[VideoEntry]:
    """The videos of a class; found by their names, and by what they were taken for or why they were set aside."""

    def taken(video: VideoEntry) -> str:
        one = predictions.get(video.video)
        return one.predicted or "" if one else ""

    def score(video: VideoEntry) -> float | None:
        one = predictions.get(video.video)
        return one.score if one else None

    orders: tuple[Order[VideoEntry], ...] = (
        Order("result.video", lambda one: one.video),
        Order("data.jpgs", lambda one: one.frames, down=True),
        Order("data.clips", lambda one: one.clips, down=True),
        Order("videos.outcome", lambda one: (not one.reason.template, taken(one))),
        Order("result.score", score),
    )

    def text(video: VideoEntry) -> str:
        why = words.line(video.reason) if video.reason.template else ""
        return f"{video.video} {taken(video)} {why}"

    return Listing(found, orders, text)


def video_columns(look: Look) -> tuple[Column, ...]:
    """Of the list of videos."""
    words = look.words
    return (
        Column(words("result.video"), 20, flex=True),
        Column(words("data.jpgs"), 6, right=True, rank=1),
        Column(words("data.clips"), 5, right=True),
        Column(words("videos.outcome"), 22, flex=True),
        Column(words("result.score"), 5, right=True, rank=2),
    )


def video_cells(video: VideoEntry, predictions: Predictions, look: Look) -> tuple[str | Span, ...]:
    """One video: why it was set aside, or what it was taken for."""
    found = predictions.get(video.video)
    return (
        safe(video.video),
        figures.count(video.frames),
        figures.count(video.clips),
        outcome(video, found, look, score=False),
        figures.number(found.score if found else None, 3),
    )


def outcome(video: VideoEntry, found: Prediction | None, look: Look, *, score: bool = True) -> Span:
    """What became of a video, in a few words."""
    if video.reason.template:
        return Span(f"{stage_word(look.words, video.stage)}: {look.words.line(video.reason)}", "warn")
    if found is None or found.predicted is None:
        reason = safe(found.reason) if found else ""
        return Span(reason or look.words("videos.no_result"), "warn" if reason else "dim")
    certain = f" {figures.number(found.score, 3)}" if score else ""
    return Span(f"{'✓' if found.right else '✗'} {safe(found.predicted)}{certain}", "good" if found.right else "bad")


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
