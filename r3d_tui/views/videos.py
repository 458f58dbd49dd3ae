"""The data set by class and by video: what is there, what was skipped and why, what it was predicted as."""

from __future__ import annotations

from backends.core.catalog_pages import Catalog, ClassEntry, Query, VideoEntry
from r3d_tui.text import figures
from r3d_tui.text.rows import Column, Row, Span
from r3d_tui.text.safe import safe
from r3d_tui.views.listing import Listing, Order, by_column, pages
from r3d_tui.views.look import Look, fact, facts, stage_word

CLASS_ORDERS: tuple[Order[ClassEntry], ...] = (
    by_column("result.label", "label"),
    by_column("data.counted", "videos", down=True),
    by_column("data.jpgs", "frames", down=True),
    by_column("data.clips", "clips", down=True),
    by_column("data.aside", "skipped", down=True),
    by_column("videos.right", "accuracy"),
)
VIDEO_ORDERS: tuple[Order[VideoEntry], ...] = (
    by_column("result.video", "video"),
    by_column("data.jpgs", "frames", down=True),
    by_column("data.clips", "clips", down=True),
    by_column("videos.outcome", "outcome"),
    by_column("result.score", "score"),
)


def class_listing(catalog: Catalog) -> Listing[ClassEntry]:
    """The classes in the order of names; videos whose class nobody knows come last. Slow: call it from a thread."""
    return Listing(pages(catalog, Query("classes"), CLASS_ORDERS, lambda one: one.label))


def video_listing(catalog: Catalog, label: str, predicted: str | None = None) -> Listing[VideoEntry]:
    """The videos of a class, or those that were predicted as `predicted`; found by name, prediction and reason.

    Slow: call it from a thread.
    """
    query = Query("videos", label=label, predicted=predicted)
    return Listing(pages(catalog, query, VIDEO_ORDERS, lambda one: one.video))


def class_columns(look: Look) -> tuple[Column, ...]:
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
    share = f"{figures.percent(one.accuracy)} {one.right}/{one.judged}" if one.judged else figures.DASH
    return (
        safe(one.label) or look.words("videos.unknown"),
        figures.count(one.videos),
        figures.count(one.frames),
        figures.count(one.clips),
        Span(figures.count(one.skipped), "warn" if one.skipped else ""),
        share,
    )


def video_columns(look: Look) -> tuple[Column, ...]:
    words = look.words
    return (
        Column(words("result.video"), 20, flex=True),
        Column(words("data.jpgs"), 6, right=True, rank=1),
        Column(words("data.clips"), 5, right=True),
        Column(words("videos.outcome"), 22, flex=True),
        Column(words("result.score"), 5, right=True, rank=2),
    )


def video_cells(video: VideoEntry, look: Look) -> tuple[str | Span, ...]:
    """One video: why it was skipped, or what it was predicted as."""
    return (
        safe(video.video),
        figures.count(video.frames),
        figures.count(video.clips),
        outcome(video, look, score=False),
        figures.number(video.score, 3),
    )


def outcome(video: VideoEntry, look: Look, *, score: bool = True) -> Span:
    """What became of a video, in a few words."""
    if video.stage:
        return Span(f"{stage_word(look.words, video.stage)}: {look.words.line(video.reason)}", "warn")
    if video.predicted is None:
        reason = look.words.line(video.reason)
        return Span(reason or look.words("videos.no_result"), "warn" if reason else "dim")
    number = f" {figures.number(video.score, 3)}" if score else ""
    is_right = video.is_right
    return Span(f"{'✓' if is_right else '✗'} {safe(video.predicted)}{number}", "good" if is_right else "bad")


def clip_facts(video: VideoEntry, clip: int, frame: int, frames: int, look: Look) -> list[Row]:
    words = look.words
    rows = [*facts(words("result.video"), safe(video.video), look.width, "strong")]
    rows += facts(words("result.label"), safe(video.label), look.width)
    result = outcome(video, look)
    rows += facts(words("videos.predicted"), result.text, look.width, result.role)
    begin, end = video.first, video.end
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
