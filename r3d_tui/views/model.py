"""The conversion: checkpoint, onnx, simplified, om, each with what came out of it, and how far they agree."""

from __future__ import annotations

from backends.core.client import Snapshot
from backends.core.run_state import StageRun
from r3d_tui.text import figures
from r3d_tui.text.rows import Column, Row, Span, cut, fit, row, table
from r3d_tui.text.safe import safe
from r3d_tui.views.look import (
    LABEL,
    Look,
    dotted,
    elapsed,
    fact,
    facts,
    figure,
    figure_text,
    paragraph,
    share,
    sign,
    stage_of,
    state_word,
)
from r3d_tui.views.stages import progress_words
from r3d_tui.widgets.meter import meter

CHAIN = (("onnx", "export"), ("sim", "simplify"), ("om", "compile"))
SHOWN = (*CHAIN, ("verify", "verify"))


def model(snapshot: Snapshot, look: Look) -> list[Row]:
    rows = [*_network(snapshot, look), (), *_chain(snapshot, look), *_troubles(snapshot, look), ()]
    return [*rows, *_verify(snapshot, look)]


def brief(snapshot: Snapshot, look: Look) -> list[Row]:
    """The same in four lines: the chain with its sizes, the parity of each model, the chip it is compiled for."""
    words = look.words
    steps = [figure_text(stage_of(snapshot, "export"), "arch") or "pth"]
    for short, name in CHAIN:
        stage = stage_of(snapshot, name)
        size = figures.size(figure(stage, "bytes")) if figure(stage, "bytes") is not None else ""
        if stage.state != "skipped":
            steps.append(f"{short} {size or sign(stage.state).text}")
    rows = paragraph(" → ".join(steps), look.width, "strong" if len(steps) > 1 else "")
    verify = stage_of(snapshot, "verify")
    apart = {short: figure(verify, f"{short}_max_abs") for short in _compared(verify)}
    parity = [f"{short} {figures.small(value)}" for short, value in apart.items() if value is not None]
    if parity:
        rows += paragraph(f"{words('model.verify')} {'  '.join(parity)}", look.width)
    compiled = stage_of(snapshot, "compile")
    took = figures.seconds(compiled.seconds) if compiled.seconds is not None else ""
    rows += paragraph(dotted([figure_text(compiled, "soc_version"), _cann(compiled), took]), look.width, "dim")
    return rows + _troubles(snapshot, look)


def _network(snapshot: Snapshot, look: Look) -> list[Row]:
    words, export = look.words, stage_of(snapshot, "export")
    path = snapshot.settings.model.checkpoint if snapshot.settings else None
    place = fit(safe(str(path)), look.width - LABEL, keep_end=True).rstrip() if path else figures.DASH
    parameters, opset = figure(export, "parameters"), figure(export, "opset")
    classes = figure(export, "classes")
    parts = [
        figure_text(export, "arch"),
        words("model.classes", n=figures.count(classes)) if classes is not None and look.width >= 60 else "",
        words("model.parameters", n=f"{parameters / 1e6:.1f} M") if parameters is not None else "",
        f"opset {opset:.0f}" if opset is not None else "",
    ]
    network = dotted(parts) or figures.DASH
    return [
        fact(words("model.checkpoint"), place),
        *facts(words("model.network"), network, look.width, "strong"),
    ]


def _chain(snapshot: Snapshot, look: Look) -> list[Row]:
    words = look.words
    columns = (
        Column(words("model.step"), 11),
        Column(words("stages.state"), 11),
        Column(words("model.nodes"), 6, right=True, rank=1),
        Column(words("model.size"), 9, right=True),
        Column(words("stages.time"), 8, right=True),
        Column("", 16, flex=True, rank=2),
    )
    body: list[list[str | Span]] = []
    for short, name in SHOWN:
        stage = stage_of(snapshot, name)
        nodes, clips = figure(stage, "nodes"), figure(stage, "clips")
        size = (
            words("infer.clips", n=figures.count(clips)) if clips is not None else figures.size(figure(stage, "bytes"))
        )
        mark = sign(stage.state)
        extra = dotted([figure_text(stage, "soc_version"), _cann(stage)])
        skipped = look.words.line(stage.reason) if stage.state == "skipped" else ""
        took = elapsed(stage, look.now)
        body.append(
            [
                Span(f"{mark.text} {short}", mark.role),
                Span(state_word(words, stage.state), "dim" if stage.state in ("waiting", "skipped") else mark.role),
                figures.count(nodes),
                size,
                figures.clock(took) if stage.state == "running" else figures.seconds(took),
                Span(skipped or extra, "dim"),
            ]
        )
    return table(columns, body, look.width)


def _cann(stage: StageRun) -> str:
    version = figure_text(stage, "cann")
    return f"CANN {version}" if version else ""


def _troubles(snapshot: Snapshot, look: Look) -> list[Row]:
    rows: list[Row] = []
    for _, name in CHAIN:
        stage = stage_of(snapshot, name)
        if stage.state == "failed":
            rows += [(), *paragraph(look.words.line(stage.reason), look.width, "bad")]
            rows += paragraph(look.words.line(stage.hint), look.width) if stage.hint.template else []
        elif stage.state == "running" and stage.total:
            text = " " + dotted(progress_words(stage, look))
            rows.append(cut(row(*meter(share(stage), max(8, min(24, look.width - 40))), text), look.width))
    return rows


def _compared(stage: StageRun) -> list[str]:
    """What was compared with the checkpoint: the two exports always, other runtimes where they were."""
    others = [name for name in ("openvino", "om") if figure(stage, f"{name}_max_abs") is not None]
    return ["onnx", "sim", *others]


def _verify(snapshot: Snapshot, look: Look) -> list[Row]:
    words, stage = look.words, stage_of(snapshot, "verify")
    columns = (
        Column(words("model.verify"), 12),
        Column(words("model.max_abs"), 12, right=True),
        Column(words("model.cosine"), 10, right=True),
        Column(words("model.top1"), 12, right=True),
        Column("", 0, flex=True, rank=1),
    )
    body: list[list[str | Span]] = []
    limits = snapshot.settings.verify if snapshot.settings else None
    for short in _compared(stage):
        apart, cosine, top1 = (figure(stage, f"{short}_{name}") for name in ("max_abs", "cosine", "top1"))
        over = limits is not None and apart is not None and apart > limits.max_abs
        below = limits is not None and cosine is not None and cosine < limits.cosine
        differ = limits is not None and top1 is not None and top1 < limits.top1
        body.append(
            [
                Span(f"pth {short}"),
                Span(figures.small(apart), "bad" if over else ""),
                Span(figures.number(cosine, 7), "bad" if below else ""),
                Span(figures.percent(top1), "bad" if differ else ""),
                "",
            ]
        )
    rows = table(columns, body, look.width)
    if stage.state == "failed":
        rows += paragraph(words.line(stage.reason), look.width, "bad")
        rows += paragraph(words.line(stage.hint), look.width) if stage.hint.template else []
    return rows
