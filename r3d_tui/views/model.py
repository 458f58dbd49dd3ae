"""The conversion: checkpoint, onnx, simplified, om, each with what came out of it, and how far they agree."""

from backends.core.client import Snapshot
from backends.core.run_state import StageRun
from r3d_tui.text import figures
from r3d_tui.text.rows import Column, Row, Span, cut, fit, row, safe, table
from r3d_tui.views.look import (
    LABEL,
    Look,
    dotted,
    elapsed,
    fact,
    facts,
    figure,
    figure_text,
    packed,
    paragraph,
    share,
    sign,
    stage_of,
    state_word,
)
from r3d_tui.views.stages import progress_words
from r3d_tui.views.verification import mark, precision_mode, verified, verified_cells
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
    role = "strong" if len(steps) > 1 else ""
    rows = [row(Span(line, role)) for line in packed((steps[0], *(f"→ {one}" for one in steps[1:])), look.width, " ")]
    verify = stage_of(snapshot, "verify")
    parity = [f"{one.name} {figures.small(one.max_abs)} {mark(one).text}".rstrip() for one in verified(verify)]
    if parity:
        role = "bad" if verify.state == "failed" else ""
        rows += paragraph(f"{words('model.verify')} {'  '.join(parity)}", look.width, role)
    compiled = stage_of(snapshot, "compile")
    took = figures.seconds(compiled.seconds) if compiled.seconds is not None else ""
    made = (figure_text(compiled, "soc_version"), precision_mode(compiled), _cann(compiled), took)
    rows += [row(Span(line, "dim")) for line in packed(filter(None, made), look.width)]
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
        mode = precision_mode(stage) if name == "compile" else ""
        extra = dotted([figure_text(stage, "soc_version"), mode, _cann(stage)])
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


def _verify(snapshot: Snapshot, look: Look) -> list[Row]:
    words, stage = look.words, stage_of(snapshot, "verify")
    columns = (
        Column(words("model.verify"), 8, flex=True),
        Column(words("model.max_abs"), 12, right=True),
        Column(words("model.cosine"), 9, right=True),
        Column(words("model.top1"), 11, right=True),
        Column("", 1),
        Column("", 0, flex=True, rank=1),
    )
    mode = precision_mode(stage)
    body: list[list[str | Span]] = [
        [*verified_cells(one, ""), mark(one), Span(mode if one.name == "om" else "", "dim")] for one in verified(stage)
    ]
    rows = table(columns, body, look.width) if body else []
    if stage.state == "failed":
        rows += paragraph(words.line(stage.reason), look.width, "bad")
        rows += paragraph(words.line(stage.hint), look.width) if stage.hint.template else []
    return rows
