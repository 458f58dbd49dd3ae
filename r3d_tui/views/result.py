"""The result: accuracy and throughput beside what is published, the lowest classes, what is confused with what."""

import math
from collections.abc import Sequence
from itertools import zip_longest

from msgspec.structs import replace

from backends.core.client import Snapshot
from backends.core.values import ClassScore, Confusion, Report, VideoScore
from r3d_tui.text import figures
from r3d_tui.text.rows import Row, Span, cells, cut, fit, row, safe, shorten, text_of, width_of
from r3d_tui.views.devices import Device
from r3d_tui.views.look import Look, dotted, figure, paragraph, stage_of
from r3d_tui.views.matrix import Heat, SoFar, matrix
from r3d_tui.views.verdict import verdict, verdict_line
from r3d_tui.views.verification import verify_failure, verify_stage
from r3d_tui.widgets.meter import meter

BESIDE = 100
"""Columns from which blocks stand beside each other."""


def result(
    snapshot: Snapshot, look: Look, devices: Sequence[Device] = (), chosen: VideoScore | None = None
) -> list[Row]:
    """The result pane: accuracy with its interval, throughput, then the lowest classes and what is confused.

    `chosen` is the misclassified video whose clip is shown beside the pane.
    """
    report = snapshot.report
    if report is None:
        key = "result.none" if snapshot.run.state != "running" else "result.not_yet"
        return paragraph(look.words(key), look.width, "dim", 1)
    rows = [*_accuracy(report, look), *_unverified(snapshot, look), *_counts(report, look)]
    rows += _speed(snapshot, look, devices)
    space = look.height - len(rows) - 1
    if space < 3:
        return rows
    worst = report.worst
    if chosen in worst:
        worst = worst[max(0, worst.index(chosen) - min(WORST, space - 1) + 1) :]
    blocks = _blocks(report.classes, report.confusions, worst, look, chosen)
    return [*rows, (), *_beside(blocks, look.width, space)]


WORST = 12
"""Misclassified videos that are listed."""
LISTS = 28
"""Cells that the lists beside a matrix need."""


def accuracy_so_far(snapshot: Snapshot, look: Look, heat: Heat | None = None) -> list[Row]:
    """The lowest classes and the first confusions, while inference goes on of the videos so far; beside the matrix
    where there is room for it.
    """
    found = _so_far(snapshot)
    if not found.classes:
        return paragraph(look.words("result.not_yet"), look.width, "dim")
    drawn = matrix(found, replace(look, width=look.width - LISTS - 2), look.height, heat) if found.is_whole else None
    if drawn is None or drawn.whole is None:
        return _beside(_blocks(found.classes, found.confusions, (), look), look.width, look.height)
    wide = max(map(width_of, drawn.rows))
    if snapshot.report is not None:
        return list(drawn.rows)  # the result beside it has the lists
    rest = look.width - wide - 2
    lists = _beside(_blocks(found.classes, found.confusions, (), replace(look, width=rest)), rest, look.height)
    rows = zip_longest(drawn.rows, lists, fillvalue=())
    return [(*_padded(line, wide), Span("  "), *beside) for line, beside in rows]


def _so_far(snapshot: Snapshot) -> SoFar:
    """Of the report, else of the ticks of inference: the matrix where they have it."""
    if snapshot.report is not None:
        return SoFar(tuple(one for one in snapshot.report.classes if one.videos), snapshot.report.confusions)
    live = stage_of(snapshot, "infer").live
    if classes_counted(snapshot):
        return _counted(str(live["confusion_matrix"]))
    lowest, confused = (_lines(live.get(name)) for name in ("lowest_classes", "confusions"))
    classes = tuple(ClassScore(name, int(videos), int(right), int(right)) for name, right, videos in lowest)
    return SoFar(classes, tuple(Confusion(name, best, int(videos)) for name, best, videos in confused), is_whole=False)


def classes_counted(snapshot: Snapshot) -> int:
    """Of how many classes inference reports what their videos were predicted as; 0 as long as none was."""
    text = str(stage_of(snapshot, "infer").live.get("confusion_matrix") or "")
    return text.count("\n") + 1 if ":" in text else 0


def _counted(text: str) -> SoFar:
    """Of the figure of ticks: classes in lines, of each the numbers of classes and videos."""
    rows = [line.split("\t") for line in text.split("\n")]
    names, classes, confusions = [name for name, _ in rows], [], []
    for rank, (name, row_of) in enumerate(rows):
        counts = {int(best): int(videos) for best, videos in (pair.split(":") for pair in row_of.split())}
        right = counts.pop(rank, 0)
        classes.append(ClassScore(name, right + sum(counts.values()), right, right))
        confusions += [Confusion(name, names[best], videos) for best, videos in counts.items()]
    return SoFar(tuple(classes), tuple(sorted(confusions, key=lambda pair: -pair.videos)))


def _lines(text: object) -> list[list[str]]:
    """Of a figure that holds a line each with tabs between its three parts."""
    return [parts for line in str(text or "").split("\n") if len(parts := line.split("\t")) == 3]


def _blocks(
    classes: Sequence[ClassScore],
    confusions: Sequence[Confusion],
    worst: Sequence[VideoScore],
    look: Look,
    chosen: VideoScore | None = None,
) -> list[list[Row]]:
    """What there is of lowest classes, confusions and misclassified videos, each as wide as it will stand."""
    number = sum(map(bool, (classes, confusions, worst)))
    wide = look.width if look.width < BESIDE or number < 2 else (look.width - 2 * (number - 1)) // number
    return [
        block
        for block in (_classes(classes, look, wide), _confusions(confusions, look, wide), _worst(worst, look, chosen))
        if block
    ]


def _beside(blocks: Sequence[list[Row]], width: int, height: int) -> list[Row]:
    """Blocks side by side where there is room, else one under the other, in at most `height` lines."""
    if width < BESIDE or len(blocks) < 2:
        rows: list[Row] = []
        for number, block in enumerate(blocks):  # the first gets what does not divide
            rows += block[: max(2, math.ceil((height - len(rows)) / (len(blocks) - number)))]
        return [cut(line, width) for line in rows[:height]]
    wide = (width - 2 * (len(blocks) - 1)) // len(blocks)
    blank = row(" " * wide)
    rows = []
    for number in range(min(height, max(map(len, blocks)))):
        parts = [_padded(block[number], wide) if number < len(block) else blank for block in blocks]
        rows.append(tuple(span for part in parts for span in (*part, Span("  ")))[:-1])
    return rows


def _padded(line: Row, wide: int) -> Row:
    line = cut(line, wide)
    return (*line, Span(" " * (wide - width_of(line))))


def _accuracy(report: Report, look: Look) -> list[Row]:
    words, right = look.words, round(report.top1 * report.videos)
    of = words("result.of", right=figures.count(right), n=figures.count(report.videos))
    more = f"   {words('result.topk', k=report.k)} {report.topk:.4f}" if report.k > 1 else ""
    first = row(" ", Span(f" {words('result.top1')} {report.top1:.4f} ", "chip"), f"  {of}", Span(more, "dim"))
    *bars, interval = axis(report, look)
    if report.videos != report.videos_listed:
        interval = (*interval, Span(f" · {report.top1_all:.4f} {words('result.all_of')}", "dim"))
    return [cut(line, look.width) for line in (first, *bars, interval)]


def _unverified(snapshot: Snapshot, look: Look) -> list[Row]:
    """Beside the accuracy of a model whose verification failed: that it did, and why."""
    stage = verify_stage(snapshot.run)
    text = look.words.line(verify_failure(stage))
    return paragraph(f"✗ {text}", look.width - 1, "bad", 1) if stage.state == "failed" else []


def axis(report: Report, look: Look) -> list[Row]:
    """The accuracy's interval and the published value on one axis, and under it whether the one lies in the other."""
    low, high, top1, published = report.top1_low, report.top1_high, report.top1, report.published_top1
    known = [low, high, top1, *([published] if published is not None else [])]
    pad = max(0.02, (max(known) - min(known)) * 0.15)
    first, last = max(0.0, min(known) - pad), min(1.0, max(known) + pad)
    wide = max(16, min(70, look.width - 20))

    def place(value: float) -> int:
        return max(0, min(wide - 1, round((value - first) / max(1e-9, last - first) * (wide - 1))))

    line = ["─"] * wide
    for spot in range(place(low), place(high) + 1):
        line[spot] = "━"
    line[place(low)], line[place(high)], line[place(top1)] = "┣", "┫", "●"
    left, middle = place(low), place(high) + 1
    text = "".join(line)
    bar = row(
        " ", Span(f"{first:.3f} ", "dim"), Span(text[:left], "rule"), Span(text[left:middle], "accent"),
        Span(text[middle:], "rule"), Span(f" {last:.3f}", "dim"),
    )  # fmt: skip
    said = look.words("result.interval", low=f"{low:.4f}", high=f"{high:.4f}")
    if published is None:
        return [bar, row(" " * 7, Span(said, "dim"))]
    inside = low <= published <= high
    verdict = look.words("result.inside" if inside else "result.outside")
    value, how = f"{look.words('result.published')} {published:.4f}", f"({top1 - published:+.4f}, {verdict})"
    spot, role = 7 + place(published), "good" if inside else "warn"
    if spot + 3 + cells(value) + cells(how) <= look.width:
        mark = row(" " * spot, Span(f"▲ {value} {how}", role))
    elif spot + 2 + cells(how) <= look.width:
        mark = row(" " * max(0, spot - cells(value) - 1), Span(f"{value} ▲ {how}", role))
    else:
        mark = row(" " * max(0, spot - cells(value) - cells(how) - 2), Span(f"{value} {how} ▲", role))
    return [bar, mark, row(" " * 7, Span(said, "dim"))]


def _counts(report: Report, look: Look) -> list[Row]:
    words = look.words
    skipped = words("stages.skipped", n=report.videos_set_aside) if report.videos_set_aside else ""
    subset = words.get(f"subset.{report.subset}", report.subset)
    clips = words("infer.clips", n=figures.count(report.clips)) if report.clips is not None else ""
    videos = words("result.videos_of", n=figures.count(report.videos), of=figures.count(report.videos_listed))
    line = row(" ", Span(dotted([f"{videos} ({subset})", clips])))
    return [cut((*line, Span(f" · {skipped}" if skipped else "", "warn")), look.width)]


def _speed(snapshot: Snapshot, look: Look, devices: Sequence[Device]) -> list[Row]:
    words = look.words
    speed = figure(stage_of(snapshot, "infer"), "clips_per_s")
    if speed is None:
        whole = figure(stage_of(snapshot, "infer"), "pass_clips_per_s")
        text = f" {words('figure.pass_clips_per_s')}"
        return [] if whole is None else [cut(row(" ", Span(figures.rate(whole), "strong"), Span(text)), look.width)]
    line = [Span(" "), Span(figures.rate(speed), "strong"), Span(f" {words('infer.clips_per_s')}")]
    rates = [one.published for one in devices if one.run is not None]
    if rates and None not in rates:
        whole = sum(rate for rate in rates if rate is not None)
        text = words(
            "result.speed_published", n=len(rates), rate=figures.rate(whole), share=f"{100 * speed / whole:.0f}"
        )
        line.append(Span(f"  {text}"))
    found = verdict(snapshot)
    if found is None:
        return [cut(tuple(line), look.width)]
    judged = verdict_line(found, look)
    if width_of(beside := (*line, Span("  "), *judged)) <= look.width:
        return [beside]
    return [cut(tuple(line), look.width), *paragraph(text_of(judged), look.width - 1, judged[0].role, 1)]


def _classes(classes: Sequence[ClassScore], look: Look, wide: int) -> list[Row]:
    """The lowest; of those where every video is right a few."""
    weak = sorted((one for one in classes if one.videos), key=lambda one: (one.top1 / one.videos, one.label))
    imperfect = sum(one.top1 < one.videos for one in weak)
    shown = weak[: max(4, min(12, imperfect))]
    return [_heading(look, "result.lowest"), *(_bar(one, wide) for one in shown)] if shown else []


def _heading(look: Look, key: str) -> Row:
    return row(" ", Span(look.words(key), "head"))


def _bar(score: ClassScore, wide: int) -> Row:
    share = score.top1 / score.videos
    text = f" {figures.percent(share):>5} {f'{score.top1}/{score.videos}':>6}"
    bar = 12 if wide >= 48 else 6
    name = max(6, min(24, wide - bar - len(text) - 3))
    return row(" ", fit(shorten(safe(score.label), name), name), " ", *meter(share, bar, _role(share)), text)


def _confusions(confusions: Sequence[Confusion], look: Look, wide: int) -> list[Row]:
    if not confusions:
        return []
    name = max(8, min(18, (wide - 9) // 2))
    pairs = (
        row(
            f" {pair.videos:>3}  ",
            fit(shorten(safe(pair.label), name), name),
            Span(" → ", "dim"),
            shorten(safe(pair.predicted), name),
        )
        for pair in confusions[:12]
    )
    return [_heading(look, "result.confused"), *pairs]


def _worst(worst: Sequence[VideoScore], look: Look, chosen: VideoScore | None) -> list[Row]:
    if not worst:
        return []
    wrong = (
        row(
            Span("›" if video == chosen else " ", "accent"),
            f"{video.score:.2f}  ",
            Span(safe(video.label), "strong" if video == chosen else ""),
            Span(" → ", "dim"),
            safe(video.predicted),
            Span(f"  {safe(video.video)}", "dim"),
        )
        for video in worst[:WORST]
    )
    return [_heading(look, "result.worst"), *wrong]


def accuracy_bar(share: float | None, wide: int) -> Span:
    """The share of a class as a bar of `wide` cells, blank beyond it: one piece, as a cell of a list is."""
    if share is None:
        return Span("")
    bar, _ = meter(share, wide, _role(share))
    return bar


def _role(share: float) -> str:
    return "bad" if share < 0.34 else "warn" if share < 0.5 else "good"
