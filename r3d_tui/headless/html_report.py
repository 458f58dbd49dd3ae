"""`report.html`: what a run found as one file that needs no network, for whoever would rather look. Pure text.

`r3d_tui.commands.open_report` gathers what it shows. All foreign text is cleaned and escaped.
"""

import base64
import html
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct, field

from backends.core.messages import Line, line
from backends.core.run_state import Run
from backends.core.values import DeviceSample, Report, VideoScore
from r3d_tui.lang.words import Words
from r3d_tui.text.figures import DASH, count, number, percent, rate, seconds
from r3d_tui.text.rows import safe
from r3d_tui.views.verification import MEASURES, verified_rows, verify_failure, verify_stage

MATRIX_CLASSES = 60
"""A matrix of more classes is not readable at the width of a page: the pairs stand instead."""
PAIRS, WORST, SKIPPED = 40, 24, 200
POINTS = 400
"""Of a sensor's line: more would not be seen."""

STYLE = """
:root{color-scheme:light dark;--ink:#1c2733;--dim:#5c6b7a;--line:#d5dce3;--ground:#fff;--bar:#2b7bb9;--bad:#b3261e;
--good:#1b7f4d;--amber:#9a6700}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--dim:#9aa7b4;--line:#33404d;--ground:#12181f;--bar:#58a6ff;
--bad:#ff7b72;--good:#56d364;--amber:#e3b341}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--ground);max-width:1080px;margin:2em auto;
padding:0 1em}h1{font-size:1.5em;margin-bottom:0}h2{font-size:1.1em;border-bottom:1px solid var(--line);margin-top:2em}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.15em .6em;border-bottom:1px solid var(--line)}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}.big{font-size:2.6em;font-weight:600}.dim{color:var(--dim)}
.bad{color:var(--bad)}.good{color:var(--good)}.amber{color:var(--amber)}.bar{background:var(--bar);height:.7em;display:inline-block}
.clips{display:flex;flex-wrap:wrap;gap:1em}.clip{width:150px;font-size:12px;overflow-wrap:anywhere}
.clip img{width:150px;height:150px;image-rendering:pixelated}
.matrix{width:auto;margin-bottom:1em}.matrix td,.matrix th{padding:0;border:0;font-size:10px;
height:14px;min-width:14px;text-align:center}.matrix th.row{text-align:right;padding-right:.5em;white-space:nowrap}
svg text{fill:var(--ink);font-size:12px}pre{overflow-x:auto;background:color-mix(in srgb,var(--line) 30%,transparent);
padding:.8em}
"""


class Thumbnail(Struct, frozen=True):
    """One frame of a video as the model sees it: uint8 RGB, height x width x 3 in C order."""

    width: int
    height: int
    pixels: bytes


class PageContents(Struct, frozen=True):
    """All that the page shows. What is None or empty was not measured and is not shown."""

    title: str
    run: Run
    report: Report | None = None
    samples: Sequence[DeviceSample] = ()
    thumbnails: Mapping[str, Thumbnail] = field(default_factory=dict)
    """By video."""
    versions: Mapping[str, str] = field(default_factory=dict)
    settings: str = ""
    """The text of r3d.toml as it is now."""


def html_page(contents: PageContents, words: Words) -> str:
    title, report = _text(contents.title), contents.report
    parts = [
        "<!doctype html>",
        f'<html lang="{words.language}"><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        f"<title>{title}</title><style>{STYLE}</style>",
        f"<h1>{title}</h1>",
        *_head(contents.run, words),
        *(_accuracy(report, words) if report else ()),
        *_verification(contents.run, words),
        *_throughput(contents.run, words),
        *(_classes(report, words) if report else ()),
        *(_confusions(report, words) if report else ()),
        *(_misclassified(report, contents.thumbnails, words) if report else ()),
        *_sensors(contents.samples, words),
        *_stages(contents.run, words),
        *_skipped(contents.run, words),
        *_settings(contents, words),
    ]
    return "\n".join(parts) + "\n"


def png(picture: Thumbnail) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.frombytes("RGB", (picture.width, picture.height), picture.pixels).save(file, "PNG", optimize=True)
    return file.getvalue()


def _text(text: str) -> str:
    return html.escape(safe(text))


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: int = 1) -> Iterator[str]:
    """A table of cells that are HTML already; all columns from `numbers` on are set right."""
    yield (
        "<table><tr>" + "".join(f"<th{_right(n, numbers)}>{_text(head)}</th>" for n, head in enumerate(heads)) + "</tr>"
    )
    for row in rows:
        yield "<tr>" + "".join(f"<td{_right(n, numbers)}>{cell}</td>" for n, cell in enumerate(row)) + "</tr>"
    yield "</table>"


def _right(column: int, numbers: int) -> str:
    return ' class="n"' if column >= numbers else ""


def _heading(title: Line, words: Words) -> str:
    return f"<h2>{_text(words.line(title))}</h2>"


def _bar(share: float) -> str:
    return f'<span class="bar" style="width:{max(0.0, min(share, 1.0)) * 160:.0f}px"></span>'


def _head(run: Run, words: Words) -> Iterator[str]:
    took = None if run.ended is None or run.started is None else run.ended - run.started
    state = words(f"state.{run.state}")
    yield f'<p class="dim">{_text(run.id)} · {_text(state)} · {seconds(took)} · {_text(run.host)}</p>'
    if run.simulated:
        yield '<p class="amber">' + _text(words.line(line("simulated: throughput is not meaningful"))) + "</p>"


def _accuracy(report: Report, words: Words) -> Iterator[str]:
    yield _heading(line("Accuracy"), words)
    yield f'<p><span class="big">{percent(report.top1, 2)}</span> top-1 · {percent(report.topk, 2)} top-{report.k} · '
    over = line("over {n} of {listed} videos of the subset", n=report.videos, listed=report.videos_listed)
    yield _text(words.line(over)) + "</p>"
    yield _axis(report, words)
    if report.videos_set_aside:
        yield "<p>" + _text(words.line(line("{n} videos without a result", n=report.videos_set_aside))) + "</p>"


def _axis(report: Report, words: Words) -> str:
    """The accuracy with its interval and the published value on one axis from 0 to 100 %."""

    def x(share: float) -> float:
        return 20 + share * 760

    ticks = "".join(
        f'<line x1="{x(n / 10):.1f}" x2="{x(n / 10):.1f}" y1="40" y2="46" stroke="currentColor"/>'
        f'<text x="{x(n / 10):.1f}" y="62" text-anchor="middle">{n * 10}</text>'
        for n in range(11)
    )
    low, high, top1 = x(report.top1_low), x(report.top1_high), x(report.top1)
    published = ""
    if report.published_top1 is not None:
        at, share = x(report.published_top1), percent(report.published_top1, 2)
        text = _text(words.line(line("published {share}", share=share)))
        published = (
            f'<line x1="{at:.1f}" x2="{at:.1f}" y1="18" y2="46" stroke="var(--amber)" stroke-width="2"/>'
            f'<text x="{at:.1f}" y="12" text-anchor="middle">{text}</text>'
        )
    return (
        f'<svg viewBox="0 0 800 70" role="img"><line x1="20" x2="780" y1="40" y2="40" stroke="currentColor"/>{ticks}'
        f'<rect x="{low:.1f}" y="30" width="{max(high - low, 1):.1f}" height="8" fill="var(--bar)" opacity=".4"/>'
        f'<circle cx="{top1:.1f}" cy="34" r="5" fill="var(--bar)"/>{published}</svg>'
    )


def _verification(run: Run, words: Words) -> Iterator[str]:
    """How far each model lies from what it was made from; first whether that failed."""
    stage = verify_stage(run)
    if not (rows := verified_rows(stage)) and stage.state != "failed":
        return
    yield _heading(line("Verification"), words)
    if stage.state == "failed":
        yield f'<p class="bad">{_text(words.line(verify_failure(stage)))}</p>'
    heads = map(words, ("panel.model", *MEASURES))
    shown = ((*map(_text, cells), f'<span class="{mark.role}">{mark.text}</span>') for cells, mark in rows)
    yield from _table([*heads, ""], shown)


def _throughput(run: Run, words: Words) -> Iterator[str]:
    figures = run.figures_with("runtime")  # of inference: other stages have rates of their own
    if not figures and not run.devices:
        return
    yield _heading(line("Throughput"), words)
    total = figures.get("clips_per_s")
    runtime = _text(str(figures.get("runtime", "")))
    if isinstance(total, int | float):
        yield f'<p><span class="big">{rate(total)}</span> clips/s · {runtime}</p>'
    elif isinstance(whole := figures.get("pass_clips_per_s"), int | float):
        said = words.line(line("clips/s with decoding, over {n} servers", n=int(figures.get("servers") or 0)))
        yield f'<p><span class="big">{rate(whole)}</span> {_text(said)} · {runtime}</p>'
    if beside := figures.get("clips_per_s_beside"):
        why = f"{words('verdict.beside', stage=beside)}: {words('verdict.beside_fix')}"
        yield f'<p class="amber">{_text(why)}</p>'
    if not run.devices:  # its inference was up to date
        return
    most = max((device.clips for device in run.devices), default=0) or 1
    named = [words.line(text) for text in (line("device"), line("done"), line("clips"))]
    heads = [*named, "clips/s", "p50 ms", "p95 ms", "J/clip"]
    rows = (
        (
            f"{_text(device.id)} <span class='dim'>{_text(device.name)}</span>",
            _bar(device.clips / most),
            count(device.clips),
            rate(device.mean_clips_per_s),
            number(device.latency_ms),
            number(device.latency_p95_ms),
            number(device.joules_per_clip, 3),
        )
        for device in run.devices
    )
    yield from _table(heads, rows, 2)


def _classes(report: Report, words: Words) -> Iterator[str]:
    yield _heading(line("Classes, lowest accuracy first"), words)
    ordered = sorted(report.classes, key=lambda one: (one.top1 / one.videos if one.videos else 0.0, one.label))
    heads = [words.line(line("class")), "", words.line(line("right")), "top-1", f"top-{report.k}"]
    rows = (
        (_text(one.label), _bar(one.top1 / n), f"{one.top1}/{n}", percent(one.top1 / n), percent(one.topk / n))
        for one in ordered
        if (n := one.videos)
    )
    yield from _table(heads, rows, 2)


def _confusions(report: Report, words: Words) -> Iterator[str]:
    if not report.confusions:
        return
    yield _heading(line("Confusions"), words)
    labels = [one.label for one in report.classes if one.videos]
    if len(labels) <= MATRIX_CLASSES:
        yield from _matrix(report, labels)
    pairs = (
        (f"{_text(pair.label)} → {_text(pair.predicted)}", count(pair.videos)) for pair in report.confusions[:PAIRS]
    )
    yield from _table([words.line(line("true class → predicted as")), words.line(line("videos"))], pairs)


def _matrix(report: Report, labels: Sequence[str]) -> Iterator[str]:
    """Rows are true classes, columns predicted ones; shade is the share of the row's videos."""
    found = {(pair.label, pair.predicted): pair.videos for pair in report.confusions}
    found |= {(one.label, one.label): one.top1 for one in report.classes}
    videos = {one.label: one.videos for one in report.classes}
    yield '<table class="matrix">'
    for row in labels:
        cells = []
        for column in labels:
            n = found.get((row, column), 0)
            colour = "var(--bar)" if row == column else "var(--bad)"
            shade = f"color-mix(in srgb,{colour} {100 * n / videos[row]:.0f}%,transparent)"
            title = f"{row} → {column}: {n}"
            cells.append(f'<td style="background:{shade}" title="{_text(title)}">{n or ""}</td>')
        yield f'<tr><th class="row">{_text(row)}</th>{"".join(cells)}</tr>'
    yield "</table>"


def _misclassified(report: Report, thumbnails: Mapping[str, Thumbnail], words: Words) -> Iterator[str]:
    if report.worst:
        yield _heading(line("Misclassified videos, by confidence"), words) + "<div class='clips'>"
        yield from (_card(video, thumbnails.get(video.video)) for video in report.worst[:WORST])
        yield "</div>"


def _card(video: VideoScore, picture: Thumbnail | None) -> str:
    image = ""
    if picture is not None:
        image = f'<img alt="" src="data:image/png;base64,{base64.b64encode(png(picture)).decode()}">'
    wrong = f'<b>{_text(video.label)}</b> → <b class="bad">{_text(video.predicted)}</b> {number(video.score, 3)}'
    return f'<div class="clip">{image}<br>{wrong}<br><span class="dim">{_text(video.video)}</span></div>'


def _sensors(samples: Sequence[DeviceSample], words: Words) -> Iterator[str]:
    """Utilisation, temperature and power of every device over the run, where they were read."""
    drawn = (
        _chart(samples, "busy_percent", words.line(line("utilisation")) + " %"),
        _chart(samples, "temp_c", words.line(line("temperature")) + " °C"),
        _chart(samples, "power_w", words.line(line("power")) + " W"),
    )
    charts = [chart for chart in drawn if chart]
    if charts:
        yield _heading(line("Chips over time"), words)
        yield from charts


def _chart(samples: Sequence[DeviceSample], key: str, title: str) -> str:
    lines: dict[str, list[tuple[float, float]]] = {}
    for sample in samples:
        value = getattr(sample, key)
        if value is not None:
            lines.setdefault(sample.device, []).append((sample.at, float(value)))
    values = [value for points in lines.values() for _, value in points]
    if not values:
        return ""
    low, high = min(values), max(values)
    times = [at for points in lines.values() for at, _ in points]
    start, span = min(times), (max(times) - min(times)) or 1.0
    drawn = "".join(
        '<polyline fill="none" stroke="var(--bar)" stroke-width="1" opacity=".7" points="'
        + " ".join(
            f"{40 + 740 * (at - start) / span:.1f},{90 - 70 * (v - low) / ((high - low) or 1):.1f}" for at, v in points
        )
        + '"/>'
        for points in (points[:: max(1, len(points) // POINTS)] for points in lines.values())
    )
    return (
        f'<svg viewBox="0 0 800 110" role="img"><text x="40" y="12">{_text(title)}</text>{drawn}'
        f'<text x="34" y="24" text-anchor="end">{high:g}</text><text x="34" y="92" text-anchor="end">{low:g}</text>'
        f'<text x="780" y="106" text-anchor="end">{seconds(span)}</text></svg>'
    )


def _stages(run: Run, words: Words) -> Iterator[str]:
    yield _heading(line("Stages"), words)
    rows = (
        (_text(one.name), _text(words(f"state.{one.state}")), _text(words.line(one.reason)), seconds(one.seconds))
        for one in run.stages
    )
    yield from _table([words.line(line("stage")), "", "", words.line(line("time"))], rows, 3)


def _skipped(run: Run, words: Words) -> Iterator[str]:
    items = [(stage.name, item) for stage in run.stages for item in stage.set_aside]
    if items:
        yield _heading(line("Skipped"), words)
        rows = ((_text(name), _text(item.item), _text(words.line(item.reason))) for name, item in items[:SKIPPED])
        yield from _table([words.line(line("stage")), words.line(line("item")), words.line(line("reason"))], rows, 3)


def _settings(contents: PageContents, words: Words) -> Iterator[str]:
    yield _heading(line("Versions and settings"), words)
    known = " · ".join(f"{name} {version}" for name, version in contents.versions.items())
    yield f'<p class="dim">{_text(known) or DASH}</p>'
    if contents.settings:
        lines = "\n".join(_text(text) for text in contents.settings.splitlines())
        yield f"<pre>{lines}</pre>"
