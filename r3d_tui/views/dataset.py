"""The data set: where it is, what of it is there, what is missing or skipped and why."""

from backends.core.client import Snapshot
from r3d_tui.text import figures
from r3d_tui.text.rows import Row, Span, cut, fit, row, safe
from r3d_tui.views.look import LABEL, Look, dotted, fact, figure, paragraph, share, stage_of, stage_word
from r3d_tui.views.stages import asides, progress_words
from r3d_tui.widgets.meter import meter

STAGES = ("frames", "annotate", "preprocess")


def dataset(snapshot: Snapshot, look: Look) -> list[Row]:
    rows = [*_sources(snapshot, look), (), *_counts(snapshot, look), *_work(snapshot, look)]
    for name in STAGES:
        stage = stage_of(snapshot, name)
        if stage.set_aside_count:
            rows += [(), row(Span(stage_word(look.words, name), "head")), *asides(stage, look, len(stage.set_aside))]
    return rows


def brief(snapshot: Snapshot, look: Look) -> list[Row]:
    """The same in four lines: what is there, what was made of it, what was skipped, what works on it."""
    words = look.words
    frames, annotate, pre = (stage_of(snapshot, name) for name in STAGES)
    classes = figure(annotate, "classes") or figure(frames, "classes")
    counts = (
        ("ready.classes", classes),
        ("data.videos_n", figure(annotate, "subset_videos") or figure(frames, "videos")),
        ("data.frames_n", figure(frames, "frames")),
        ("infer.clips", figure(pre, "clips")),
    )
    known = [words(key, n=figures.count(value)) for key, value in counts if value is not None]
    rows = [*paragraph(dotted(known[:2]), look.width), *paragraph(dotted(known[2:]), look.width)] if known else []
    skipped = sum(stage.set_aside_count for stage in (frames, annotate, pre))
    if skipped:
        rows.append(row(Span(words("stages.skipped", n=figures.count(skipped)), "warn")))
    return [*(rows or _sources(snapshot, look)), *_work(snapshot, look)]


def _sources(snapshot: Snapshot, look: Look) -> list[Row]:
    words, settings = look.words, snapshot.settings
    if settings is None:
        return [fact(words("data.set"), figures.DASH)]
    data = settings.dataset
    name = dotted([words("data.split", n=data.split), words.get(f"subset.{data.subset}", data.subset)])
    rows = [cut(fact(words("data.set"), Span(name, "strong")), look.width)]
    places = (("data.videos", data.videos), ("data.frames", data.frames), ("data.json", data.annotation))
    for key, path in (*places, ("data.splits", data.splits)):
        if path is not None:
            shown = fit(safe(str(path)), look.width - LABEL, keep_end=True).rstrip()
            rows.append(fact(words(key), shown))
    return rows


def _counts(snapshot: Snapshot, look: Look) -> list[Row]:
    words = look.words
    frames, annotate, pre = (stage_of(snapshot, name) for name in STAGES)
    classes = figure(annotate, "classes") or figure(frames, "classes")
    subset = figure(annotate, "subset_videos")
    listed = figure(annotate, "videos")
    found = figure(frames, "videos")
    videos = dotted(
        [
            words("data.listed", n=figures.count(listed)) if listed is not None else "",
            words("data.subset", n=figures.count(subset)) if subset is not None else "",
        ]
    )
    here = words("data.found", n=figures.count(found)) if found is not None else ""
    before = figure(pre, "clips_before_cut")
    clips = figures.count(figure(pre, "clips"))
    if before is not None:
        clips = dotted([clips, words("data.before", n=figures.count(before))])
    store = dotted([figures.size(figure(pre, "bytes")), words("data.packed") if figure(pre, "bytes") else ""])
    found_missing = (figure(annotate, "missing"), figure(pre, "missing"))
    missing = max((value for value in found_missing if value is not None), default=None)
    begun = [stage for stage in (frames, annotate, pre) if stage.state not in ("waiting", "skipped")]
    aside = sum(stage.set_aside_count for stage in begun) if begun else None
    rows = [
        fact(words("data.classes"), figures.count(classes)),
        fact(words("data.counted"), videos or figures.DASH),
        fact(words("data.jpgs"), dotted([figures.count(figure(frames, "frames")), here])),
        fact(words("data.clips"), clips),
        fact(words("data.store"), store),
        fact(words("data.missing"), Span(figures.count(missing), "warn" if missing else "")),
        fact(words("data.aside"), Span(figures.count(aside), "warn" if aside else "")),
    ]
    return [cut(line, look.width) for line in rows]


def _work(snapshot: Snapshot, look: Look) -> list[Row]:
    """The stage that is at work on the data now."""
    rows: list[Row] = []
    for name in STAGES:
        stage = stage_of(snapshot, name)
        if stage.state == "running":
            width = max(8, min(24, look.width - LABEL - 40))
            text = f" {progress_words(stage, look)[0]}"
            rows.append(cut(fact(stage_word(look.words, name), *meter(share(stage), width), text), look.width))
        if stage.state == "failed":
            text = look.words.line(stage.reason)
            rows.append(cut(fact(stage_word(look.words, name), Span("✗ " + text, "bad")), look.width))
    return rows
