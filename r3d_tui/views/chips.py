"""The one table of chips: chosen here before a run, watched during it, excluded and included at any time.

Before inference it shows what each chip is and who uses it; from inference on, what it does.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from msgspec import Struct

from backends.core.client import Snapshot
from backends.core.events import ServerWork
from backends.core.settings import Settings
from r3d_tui.text import figures
from r3d_tui.text.rows import Column, Grid, Row, Span, cells, grid, row, safe
from r3d_tui.views.devices import Device, memory_text, reasons, share_of, share_of_reference, short_id
from r3d_tui.views.look import Look, live_rate, paragraph, sign, state_word
from r3d_tui.views.server import server_cells, server_columns, work_of
from r3d_tui.widgets.meter import meter, spark

HOT_C = (80.0, 90.0)
FULL = (0.90, 0.97)
"""Shares and degrees from which a figure is a warning, and from which it is bad."""
BAR, LINE = "\0", "\1"
"""Keep the places of a bar and of a line of rates."""


class ChipTable(Struct, frozen=True):
    devices: Sequence[Device]
    """Those that are listed, in order."""
    settings: Settings | None
    working: bool
    """Inference runs or ran in this run: figures of work instead of what the chips are."""
    clips: int | None = None
    """Of the run, done or not: what a bar is a share of."""
    rates: Mapping[str, Sequence[float | None]] | None = None
    """Clips/s of each device over time; of all together under ""."""
    reference: bool = False
    """The published rate is of this network."""
    workers: int = 0
    """Devices of the run that nobody excluded."""

    @property
    def has_total(self) -> bool:
        return self.working and len(self.devices) > 1

    @property
    def over_servers(self) -> bool:
        """A row is a server, not a chip."""
        return any(work_of(one) is not None for one in self.devices)


def included(device: Device, settings: Settings | None) -> bool:
    """Whether the run works on it, or the next one will: by the run, else by `infer.devices`, else free and healthy."""
    if device.run is not None and device.run.state != "found":
        return device.run.state not in ("out", "retired")
    if settings is not None and settings.infer.devices is not None:
        return number_of(device.id) in settings.infer.devices
    return device.sample is None or not device.sample.not_taken.template


def number_of(device: str) -> int:
    """The number in `infer.devices` that a device's id stands for; -1 where it is none."""
    number = device.rpartition(":")[2]
    return int(number) if number.isdecimal() else -1


def devices_setting(chosen: AbstractSet[int], free: AbstractSet[int]) -> str | None:
    """`infer.devices` as TOML has it; None, which takes the setting out, where all that are free are chosen."""
    return None if chosen == free else f"[{', '.join(map(str, sorted(chosen)))}]"


def chip_table(found: ChipTable, look: Look, cursor: str) -> list[Row]:
    """Heading and one row a chip; the one under the cursor is marked."""
    if not found.devices:
        return []
    settled = grid((_work_columns if found.working else _idle_columns)(found, look), look.width)
    rows = [settled.head(), *(_drawn(one, found, look, cursor, settled) for one in found.devices)]
    if found.has_total:
        done = sum(one.run.clips for one in found.devices if one.run is not None)
        share = min(1.0, done / found.clips) if found.clips else None
        rows.append(_with_shapes(settled.row(_total(found, look)), share, "accent", (found.rates or {}).get("", ())))
    return rows


def _drawn(one: Device, found: ChipTable, look: Look, cursor: str, settled: Grid) -> Row:
    cells_of = _work_cells if found.working else _idle_cells
    rates = (found.rates or {}).get(one.id, ())
    role = "bad" if one.state == "retired" else "good"
    return _with_shapes(settled.row(cells_of(one, found, look, cursor)), _even_share(one, found), role, rates)


def _even_share(one: Device, found: ChipTable) -> float | None:
    """Clips done of what each chip would do if all did the same; one that did more is full."""
    if one.run is None or not found.clips or not found.workers:
        return None
    return min(1.0, one.run.clips * found.workers / found.clips)


def _idle_columns(found: ChipTable, look: Look) -> tuple[Column, ...]:
    words = look.words
    return (
        Column(f" {words('chip_table.chip')}", _id_width(found)),
        Column(words("chip_table.name"), min(24, max([6, *(cells(safe(one.name)) for one in found.devices)])), rank=2),
        Column(words("chip_table.health"), 7, rank=1),
        Column(words("chip_table.util"), 5, right=True),
        Column(words("chip_table.memory"), 9, right=True),
        Column("°C", 4, right=True, rank=3),
        Column("W", 6, right=True, rank=4),
        Column(words("chip_table.used_by"), 12, flex=True),
    )


def _work_columns(found: ChipTable, look: Look) -> tuple[Column, ...]:
    words = look.words
    watts = any(one.sample is not None and one.sample.power_w is not None for one in found.devices)
    warm = any(one.sample is not None and one.sample.temp_c is not None for one in found.devices)
    line = 6 if look.width < 110 else 12
    done = (
        Column(words("chip_table.clips"), 8 if found.over_servers else 6, right=True),
        Column(words("infer.clips_per_s").upper(), 7, right=True),
        Column(words("chip_table.trend"), line),
    )
    if found.over_servers:
        return (Column(f" {words('server.name')}", _id_width(found)), *done, *server_columns(found.devices, look))
    return (
        Column(f" {words('chip_table.chip')}", _id_width(found)),
        Column(words("chip_table.done"), 8, flex=True),
        *done,
        Column(words("chip_table.share") if found.reference else "", 5 if found.reference else 0, right=True),
        Column(words("chip_table.p50"), 6, right=True, rank=9),
        Column(words("chip_table.p95"), 6, right=True, rank=5),
        Column(words("chip_table.util"), 4, right=True, rank=4),
        Column(words("chip_table.memory"), 9, right=True, rank=8),
        Column("°C" if warm else "", 4 if warm else 0, right=True, rank=3),
        Column("W" if watts else "", 6 if watts else 0, right=True, rank=6),
    )


def _id_width(found: ChipTable) -> int:
    return min(18, max(9, *(cells(short_id(one.id)) + 8 for one in found.devices)))


def _head(one: Device, found: ChipTable, cursor: str) -> Span:
    mark = sign(one.state) if one.run is not None else Span(" ", "")
    box = "[x]" if included(one, found.settings) else "[ ]"
    here = "›" if cursor == one.id else " "
    action = f"screen.pick_device({one.id!r})" if safe(one.id) == one.id else ""
    return Span(f"{here}{box} {short_id(one.id)} {mark.text}", mark.role, action)


def _idle_cells(one: Device, found: ChipTable, look: Look, cursor: str) -> list[str | Span]:
    sample = one.sample
    quiet = "" if included(one, found.settings) else "dim"
    health = safe(sample.health or "") if sample else ""
    used = safe(sample.used_by) if sample else ""
    why = "; ".join(look.words.line(text) for text in reasons(one)) or used or figures.DASH
    return [
        _head(one, found, cursor),
        Span(safe(one.name) or figures.DASH, quiet),
        Span(health or figures.DASH, "bad" if health and health.upper() != "OK" else quiet),
        Span(figures.percent(share_of(sample.busy_percent, 100) if sample else None), quiet),
        _memory(one),
        _heat(one),
        Span(figures.number(sample.power_w, 1) if sample else figures.DASH, quiet),
        Span(why, "warn" if why != figures.DASH and not included(one, found.settings) else "dim"),
    ]


def _work_cells(one: Device, found: ChipTable, look: Look, cursor: str) -> list[str | Span]:
    run, sample = one.run, one.sample
    if run is None:
        why = safe(sample.used_by) if sample and sample.used_by else state_word(look.words, "out")
        blank: list[str | Span] = [*[figures.DASH] * 2, "", *[figures.DASH] * 7]
        return [_head(one, found, cursor), Span(why, "dim"), *blank]
    rate = live_rate(run)
    ended = None if run.state in ("retired", "out") else run.mean_clips_per_s
    shown = rate if rate is not None else ended
    now = Span(figures.rate(shown), "strong" if rate is not None else "")
    done: list[str | Span] = [figures.count(run.clips), now, LINE]
    if found.over_servers:
        return [_head(one, found, cursor), *done, *server_cells(run, run.server or ServerWork())]
    return [
        _head(one, found, cursor),
        BAR,
        *done,
        figures.number(100 * share, 0) if (share := share_of_reference(one)) is not None else figures.DASH,
        figures.milliseconds(run.latency_ms),
        figures.milliseconds(run.latency_p95_ms),
        figures.number(sample.busy_percent if sample else None, 0),
        _memory(one),
        _heat(one),
        figures.number(sample.power_w if sample else None, 1),
    ]


def _total(found: ChipTable, look: Look) -> list[str | Span]:
    runs = [one.run for one in found.devices if one.run is not None]
    now = [rate for rate in map(live_rate, runs) if rate is not None]
    mean = [run.mean_clips_per_s for run in runs if run.state not in ("out", "retired") and run.mean_clips_per_s]
    watts = [one.sample.power_w for one in found.devices if one.sample and one.run and one.sample.power_w is not None]
    rate = figures.rate(sum(now) if now else sum(mean) if mean else None)
    line = [f" {look.words('chip_table.total')}", BAR, figures.count(sum(run.clips for run in runs)), rate, LINE]
    if found.over_servers:
        line = [one for one in line if one != BAR] + [""] * 3
    else:
        line += [*[""] * 6, figures.number(sum(watts), 0) if watts else ""]
    return [Span(str(cell), "strong") for cell in line]


def _with_shapes(line: Row, share: float | None, role: str, rates: Sequence[float | None]) -> Row:
    """Bars and lines of rates where the cells kept their place."""
    spans: list[Span] = []
    for span in line:
        if span.text.startswith(BAR):
            spans += meter(share, cells(span.text), role)
        elif span.text.startswith(LINE):
            spans.append(spark(rates, cells(span.text)))
        else:
            spans.append(span)
    return tuple(spans)


def _memory(one: Device) -> Span:
    share = share_of(one.sample.memory_used_mb, one.sample.memory_total_mb) if one.sample else None
    return Span(memory_text(one.sample), _level(share, FULL))


def _heat(one: Device) -> Span:
    temp = one.sample.temp_c if one.sample else None
    role = _level(temp, HOT_C)
    return Span(figures.number(temp, 0) + ("!" if role == "bad" else ""), role)


def _level(value: float | None, limits: tuple[float, float]) -> str:
    if value is None or value < limits[0]:
        return ""
    return "bad" if value >= limits[1] else "warn"


def chip_news(found: ChipTable, look: Look) -> list[Row]:
    """Why chips do not work, latest last; and readings that are old."""
    rows: list[Row] = []
    for one in found.devices:
        if one.run is None or one.state not in ("retired", "stalled", "out"):
            continue
        mark = sign(one.state)
        for text in reasons(one)[:1]:
            said, state = look.words.line(text), state_word(look.words, one.state)
            words = f"{short_id(one.id)} {said if said.startswith(state) else f'{state}: {said}'}"
            first, *rest = paragraph(words, look.width - 3, mark.role)
            rows += [row(" ", mark, " ", *first), *(row("   ", *line) for line in rest)]
    return rows


def reading_age(devices: Sequence[Device], look: Look) -> str:
    """How old the latest reading is, with the tool that it is from."""
    read = [one.sample for one in devices if one.sample is not None and one.sample.at]
    if not read:
        return ""
    age = max(0.0, look.now - max(sample.at for sample in read))
    key = "chip_table.age_npu" if any(sample.device.startswith("npu") for sample in read) else "chip_table.age"
    return look.words(key, time=f"{age:.0f} s" if age < 60 else figures.clock(age))


def working(snapshot: Snapshot) -> bool:
    return any(device.clips or device.state == "working" for device in snapshot.run.devices)


def table_of(snapshot: Snapshot, devices: Sequence[Device], rates: Mapping[str, Sequence[float | None]]) -> ChipTable:
    stage = next((one for one in snapshot.run.stages if one.name == "infer"), None)
    total = None
    if stage is not None:
        clips = stage.outcome.figures.get("clips") if stage.outcome else None
        total = stage.total or (int(clips) if isinstance(clips, int | float) else None)
    workers = sum(one.run is not None and one.run.state != "out" for one in devices)
    reference = any(one.published for one in devices)
    return ChipTable(devices, snapshot.settings, working(snapshot), total, rates, reference, workers)
