"""Every panel but the log, a view each: to add one, write its view, name it here and give it a box in `layout`."""

from msgspec.structs import replace

from r3d_tui.panels.panel import Scene, View
from r3d_tui.text import figures
from r3d_tui.text.rows import Column, Row, Span, cut, row, safe, table
from r3d_tui.views import chips, dataset, failure, model, ready, result, running, stages
from r3d_tui.views.browser_tables import run_rate
from r3d_tui.views.devices import histories, short_id
from r3d_tui.views.look import Look, dotted, facts, paragraph, sign, stage_word
from r3d_tui.views.look import stages as stages_of
from r3d_tui.views.phase import failed_stage, infer_runs, phase_of
from r3d_tui.views.server import server_page

BRIEF = 10
"""Lines below which data and model are told in short."""


def _main(scene: Scene, look: Look) -> list[Row]:
    snapshot, phase = scene.snapshot, phase_of(scene.snapshot)
    if phase == "setup":
        return ready.without_workspace(snapshot, look, read_only=scene.read_only)
    if phase == "failed":
        mine = failed_stage(snapshot)
        log = scene.state.book.shown() if mine is not None and scene.state.book.stage == mine.name else []
        return failure.failure(snapshot, look, scene.state.change, log)
    if phase == "running":
        rows = running.running(snapshot, look, _table(scene))
        if infer_runs(snapshot):
            return rows
        if snapshot.report is not None:  # verify alone goes on
            rest = replace(look, height=look.height - len(rows) - 1)
            return [*rows, (), *result.result(snapshot, rest, scene.devices)]
        if scene.boxed:
            return rows
        below = model.brief if running.converts(snapshot) else dataset.brief
        return [*rows, (), *(row(" ", *line) for line in below(snapshot, look))]
    if phase == "done":
        return result.result(snapshot, look, scene.devices, scene.clip.video if scene.clip else None)
    return ready.ready(snapshot, look, scene.devices, scene.state.overview, scene.state.plan, scene.state.took)


def _main_title(scene: Scene) -> str:
    snapshot = scene.snapshot
    failed = failed_stage(snapshot)
    if failed is not None:
        return stage_word(scene.words, failed.name)
    return scene.words(f"main.{phase_of(snapshot)}")


def _table(scene: Scene) -> chips.ChipTable:
    return chips.table_of(scene.snapshot, scene.listed, scene.state.rates.rates)


def _chips(scene: Scene, look: Look) -> list[Row]:
    table = _table(scene)
    if not table.devices:
        if scene.state.unread.template:
            return paragraph(look.words.line(scene.state.unread), look.width, "warn", 1)
        key = "devices.no_match" if scene.devices else "chip_table.none"
        return paragraph(look.words(key), look.width, "dim", 1)
    news = chips.chip_news(table, look)
    rows = chips.chip_table(table, look, scene.state.device)
    if note := _chips_note(scene, table, look):
        rows.append(cut(row(" ", Span(note, "dim")), look.width))
    return [*rows, *news]


def _chips_note(scene: Scene, table: chips.ChipTable, look: Look) -> str:
    """What stands in the title where there is one."""
    if scene.boxed:
        return ""
    age = "" if table.working else chips.reading_age(scene.devices, look)
    return dotted([scene.state.arrangement.described(look), age])


def chip_lines(scene: Scene, look: Look) -> int:
    """Lines that the chips would take, without drawing them: it is asked for every picture."""
    table = _table(scene)
    if not table.devices:
        return len(_chips(scene, look))
    below = len(chips.chip_news(table, look)) + bool(_chips_note(scene, table, look))
    return 1 + len(table.devices) + table.has_total + below


def _chips_info(scene: Scene, look: Look) -> str:
    arranged = scene.state.arrangement.described(look)
    return "  ".join(part for part in (arranged, chips.reading_age(scene.devices, look)) if part)


def _stage_cursor(scene: Scene, rows: list[Row]) -> int | None:
    names = [stage.name for stage in stages_of(scene.snapshot)]
    return names.index(scene.selected) + 1 if scene.selected in names and rows else None


def _runs(scene: Scene, look: Look) -> list[Row]:
    """The latest runs with their accuracy and rate, short."""
    words, runs = look.words, scene.state.runs
    columns = (
        Column("", 1),
        Column(words("runs.run"), 20, flex=True),
        Column(words("result.top1"), 6, right=True),
        Column(words("infer.clips_per_s"), 7, right=True),
    )
    body = ((sign(one.state), safe(one.id), figures.number(one.top1, 4), run_rate(one, look)) for one in runs)
    return table(columns, body, look.width) if runs else paragraph(words("runs.none"), look.width, "dim")


def _clip(scene: Scene, look: Look) -> list[Row]:
    """The clip of the chosen misclassified video as the model sees it, and what it was predicted as."""
    if scene.clip is None:
        return []
    video, words = scene.clip.video, look.words
    rows = list(scene.clip.picture)
    if not rows:
        text, role = (scene.clip.wrong, "warn") if scene.clip.wrong else (words("browse.reading_clip"), "dim")
        rows = [*paragraph(text, look.width, role), ()]
    rows += facts(words("result.label"), safe(video.label), look.width)
    text = f"✗ {safe(video.predicted)} {figures.number(video.score, 3)}"
    return [*rows, *facts(words("browse.predicted"), text, look.width, "bad")]


def _clip_info(scene: Scene, _: Look) -> str:
    worst = scene.snapshot.report.worst if scene.snapshot.report is not None else ()
    return f"j/k {worst.index(scene.clip.video) + 1}/{len(worst)}" if scene.clip and scene.clip.video in worst else ""


def _marked(scene: Scene, look: Look) -> list[Row]:
    mine = next((one for one in scene.devices if one.id == scene.state.device), None)
    if mine is None:
        return paragraph(look.words("chip_table.none"), look.width, "dim")
    if mine.run is not None and mine.run.server is not None:
        return server_page(mine.run, mine.run.server, look)
    rows = histories(scene.state.tracks.by_device.get(mine.id), look, height=max(1, (look.height - 2) // 5))
    return rows or paragraph(look.words("chip.no_history"), look.width, "dim")


def _marked_title(scene: Scene) -> str:
    name = short_id(scene.state.device)
    return f"{scene.words('panel.marked')} {name}" if name.isdigit() else name


VIEWS = (
    View("main", _main, title=_main_title),
    View(
        "chips",
        _chips,
        _chips_info,
        lambda scene, _: next((n for n, one in enumerate(scene.listed, 1) if one.id == scene.state.device), None),
    ),
    View("data", lambda scene, look: (dataset.brief if look.height < BRIEF else dataset.dataset)(scene.snapshot, look)),
    View("model", lambda scene, look: (model.brief if look.height < BRIEF else model.model)(scene.snapshot, look)),
    View("accuracy", lambda scene, look: result.accuracy_so_far(scene.snapshot, look, scene.heat)),
    View("stages", lambda scene, look: stages.stage_table(scene.snapshot, look), cursor=_stage_cursor),
    View("runs", _runs),
    View("clip", _clip, _clip_info, title=lambda scene: safe(scene.clip.video.video) if scene.clip else ""),
    View("marked", _marked, title=_marked_title),
)
