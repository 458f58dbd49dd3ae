"""The pane before a run: data, model, target, and what a run would do. Nothing is a dash that could be known."""

from collections.abc import Mapping, Sequence

from backends.core.client import Preview, Snapshot
from backends.core.command_reports import Overview
from backends.core.settings import Settings
from r3d_tui.lang.words import Words
from r3d_tui.text import figures
from r3d_tui.text.rows import Row, Span, cut, fit, row, safe, shorten
from r3d_tui.views.devices import Device
from r3d_tui.views.look import Look, dotted, paragraph, stage_word
from r3d_tui.views.phase import fix_before, forecast, unmade

LABEL = 8
NAME = 24
TABLE = 90
"""Columns from which every stage of the plan is listed."""


def ready(
    snapshot: Snapshot,
    look: Look,
    devices: Sequence[Device] = (),
    overview: Overview | None = None,
    plan: Sequence[Preview] | None = None,
    took: Mapping[str, float] | None = None,
) -> list[Row]:
    """Data, model and target, contradictions, and the plan as far as it is known yet; `took` as of `plan_rows`."""
    words, settings = look.words, snapshot.settings
    rows: list[Row] = []
    if settings is not None:
        rows += [*_data(settings, look, overview), *_model(settings, look, overview)]
        rows += _target(settings, look, devices, overview)
    if snapshot.run.state in ("stopped", "interrupted"):
        rows += [(), *paragraph(f"! {words(f'ready.{snapshot.run.state}')}", look.width, "warn", 1)]
    for text in overview.contradictions if overview is not None else ():
        rows += paragraph(f"✗ {words.line(text)}", look.width, "bad", 1)
    if found := fix_before(overview):
        setting, value = found
        fix = Span(words("ready.fix", setting=setting, value=value), "strong", "screen.do('fix')")
        rows.append(row("   ", Span("f ", "key", "screen.do('fix')"), fix))
    if snapshot.problem.template:
        return [*rows, (), *paragraph(f"✗ {words.line(snapshot.problem)}", look.width, "bad", 1)]
    return [*rows, (), *plan_rows(snapshot, look, plan, overview, took or {}, look.height - len(rows) - 1)]


def _fact(look: Look, label: str, name: str, says: str, role: str = "", sign: str = "") -> Row:
    """A label, what it is about, and a verdict."""
    mark = Span(f"{sign} " if sign else "  ", {"✓": "good", "✗": "bad", "!": "warn"}.get(sign, ""))
    wide = min(NAME if look.width < 110 else 40, max(8, look.width // 3))
    shown = fit(shorten(name, wide, keep_end=True), wide)
    return cut(
        row(" ", Span(fit(label, LABEL), "head"), Span(shown, "strong"), " ", mark, Span(says, role)), look.width
    )


def _data(settings: Settings, look: Look, overview: Overview | None) -> list[Row]:
    words, data = look.words, settings.dataset
    source, labels = data.videos or data.frames, data.annotation or data.splits
    rows = []
    if source is not None:
        said = sources(overview, words, videos=data.videos is not None) if overview is not None else ""
        rows.append(_fact(look, words("ready.data"), safe(source.name), said, "", "✓" if said else ""))
    if labels is not None:
        said = wanted_labels(overview, words, data.subset) if overview is not None else ""
        unseen = words("data.split", n=data.split) if data.splits is not None else ""
        rows.append(_fact(look, "", safe(labels.name), said or unseen, "", "✓" if said else ""))
    return rows


def _model(settings: Settings, look: Look, overview: Overview | None) -> list[Row]:
    model = settings.model
    path = model.checkpoint or model.onnx or model.om
    if path is None:
        return []
    said = network(overview, look.words) if overview is not None else ""
    return [_fact(look, look.words("ready.model"), safe(path.name), said, "", "✓" if said else "")]


def _target(settings: Settings, look: Look, devices: Sequence[Device], overview: Overview | None) -> list[Row]:
    name, sign = str(settings.infer.target), ""
    said = [settings.infer.runtime if settings.infer.runtime != "auto" else ""]
    chips = [one for one in devices if one.id.startswith("npu")]
    if name == "ascend" and chips:
        name, sign = f"ascend · {safe(chips[0].name)}", "✓"
    if overview is not None and overview.target:
        said += [safe(part) for part in overview.target]
    said.append(look.words("ready.batch", n=settings.infer.batch))
    return [_fact(look, look.words("ready.target"), name, dotted(said), "", sign)]


def plan_rows(
    snapshot: Snapshot,
    look: Look,
    plan: Sequence[Preview] | None,
    overview: Overview | None,
    took: Mapping[str, float],
    height: int,
) -> list[Row]:
    """How much a run would do, and what it takes; then, in `height` lines, every stage with what it would do and why,
    else those that run only because something changed. `took` are seconds of stages in earlier runs.
    """
    words, indent = look.words, row(" " * (LABEL + 1))
    label = Span(f" {fit(words('ready.plan'), LABEL)}", "head")
    if plan is None:
        return [row(label, Span(words("ready.looking"), "dim"))]
    run = [one.stage for one in plan if one.action in ("run", "unknown")]
    kept = [one for one in plan if one.action == "cached"]
    first = dotted([words("ready.summary", run=len(run), kept=len(kept)), _estimate(snapshot, run, took, look)])
    rows = [row(label, Span(first, "strong" if run else ""))]
    if overview is not None and overview.free_bytes is not None:
        needed = overview.disk_bytes if run else None
        needs = words("ready.needs", n=figures.size(needed)) if needed else ""
        text = dotted([needs, words("ready.disk", free=figures.size(overview.free_bytes))])
        rows.append((*indent, Span(text, "warn" if needed and needed > overview.free_bytes else "dim")))
    changed = [one for one in plan if one.action == "run" and one.acceptable]
    if look.width >= TABLE and height >= len(rows) + 1 + len(plan):
        rows += [(), *((*indent, *_planned(one, took, look)) for one in plan)]
    else:
        rows += [
            (*indent, Span(f"{stage_word(words, one.stage)}: {words.line(one.reason)}", "warn")) for one in changed[:3]
        ]
    return [cut(line, look.width) for line in rows]


def _planned(one: Preview, took: Mapping[str, float], look: Look) -> Row:
    """A stage of the plan: its sign, what it took the last time where it would run, and why it would."""
    mark = {"run": Span("▸", "accent"), "unknown": Span("·", "dim"), "cached": Span("✓", "good")}.get(one.action)
    runs = one.action in ("run", "unknown")
    seconds = figures.clock(took[one.stage]) if runs and one.stage in took else ""
    name = Span(fit(stage_word(look.words, one.stage), 13), "strong" if runs else "dim")
    reason = Span(look.words.line(one.reason), "warn" if one.action == "run" and one.acceptable else "dim")
    return row(mark or Span("–", "dim"), " ", name, Span(fit(seconds, 7, right=True), ""), "  ", reason)


def _estimate(snapshot: Snapshot, run: Sequence[str], took: Mapping[str, float], look: Look) -> str:
    """By what the stages took in earlier runs here; nothing where one of them has not run."""
    skipped = {stage.name for stage in snapshot.plan.stages if stage.skip is not None} if snapshot.plan else set()
    needed = {name: took[name] for name in run if name in took}
    if snapshot.plan is None or not needed or set(run) - skipped - set(needed):
        return ""
    longest = sorted(needed, key=lambda name: -needed[name])[:3]
    parts = ", ".join(f"{stage_word(look.words, name)} {figures.clock(needed[name])}" for name in longest)
    return look.words("ready.about", time=figures.clock(forecast(snapshot.plan, needed)), parts=parts)


def without_workspace(snapshot: Snapshot, look: Look, *, read_only: bool) -> list[Row]:
    """Where there is no workspace, or its r3d.toml cannot be read: what the ways on are."""
    words = look.words
    place = shorten(safe(str(snapshot.workspace)), max(10, look.width - 4), keep_end=True)
    rows = [(), row("  ", Span(words("setup.none"), "strong")), row("  ", Span(place, "dim")), ()]
    ways: tuple[tuple[str, str], ...] = (("Enter", "new"), ("t", "demo"), ("q", "quit"))
    if not unmade(snapshot):
        rows = [(), *paragraph(f"✗ {words.line(snapshot.problem)}", look.width - 2, "bad", 2), ()]
        ways = (("Enter", "edit"), ("q", "quit"))
    for key, action in ways[-1:] if read_only else ways:
        act = f"screen.do({action!r})"
        first, *rest = paragraph(words(f"ways.{action}"), look.width - 12)
        rows.append(row("    ", Span(fit(key, 6), "key", act), *(span._replace(action=act) for span in first)))
        rows += [row("          ", *line) for line in rest]
    return rows


def sources(found: Overview, words: Words, *, videos: bool) -> str:
    """Class folders and videos; "" where they could not be counted."""
    if found.items is None:
        return ""
    key = "ready.videos" if videos else "ready.frames"
    return words(key, classes=figures.count(found.folders), n=figures.count(found.items))


def wanted_labels(found: Overview, words: Words, subset: str = "validation") -> str:
    """Classes of the annotation, and its videos that are evaluated."""
    if found.classes is None or found.subset_videos is None:
        return ""
    listed = words("ready.listed", n=figures.count(found.subset_videos), subset=words.get(f"subset.{subset}", subset))
    return dotted([words("ready.classes", n=figures.count(found.classes)), listed])


def network(found: Overview, words: Words) -> str:
    """The network of the checkpoint, and whether it has the annotation's classes."""
    if not found.arch:
        return ""
    same = found.classes is not None and found.model_classes == found.classes
    note = f" {words('ready.as_annotation')}" if same else ""
    return dotted([safe(found.arch), words("ready.classes", n=figures.count(found.model_classes)) + note])
