"""A server of a run over several: its row in the table of chips, and its chips on the page that Enter opens."""

from collections import Counter
from collections.abc import Sequence

from backends.core.events import ServerChip, ServerWork
from backends.core.run_state import DeviceRun
from r3d_tui.text import figures
from r3d_tui.text.rows import Column, Row, Span, safe, table
from r3d_tui.views.devices import Device, short_id
from r3d_tui.views.look import Look, facts, live_rate, sign, state_word

CELLS = 16
"""Chips that have a cell each; of more they are counted by state."""


def work_of(device: Device) -> ServerWork | None:
    """What it does, where it is a server."""
    return device.run.server if device.run is not None else None


def server_columns(found: Sequence[Device], look: Look) -> tuple[Column, ...]:
    """Behind the rate and its line: the chips, and the shares of decoding and of the chips."""
    words = look.words
    signs = max((len(_signs(one.chips)) for one in map(work_of, found) if one is not None), default=0)
    return (
        Column(f"  {words('server.chips')}", max(8, signs + 2), flex=True),
        Column(words("server.decoding").upper(), 9, right=True),
        Column(words("server.computing").upper(), 9, right=True),
    )


def server_cells(run: DeviceRun, work: ServerWork) -> list[str | Span]:
    """The cells of `server_columns`."""
    states = {chip.state for chip in work.chips}
    role = "bad" if "retired" in states else "warn" if "stalled" in states else "good"
    return [Span(f"  {_signs(work.chips)}", role), figures.percent(work.decoding), figures.percent(run.utilisation)]


def _signs(chips: Sequence[ServerChip]) -> str:
    signs = [sign(chip.state).text for chip in chips]
    if len(signs) <= CELLS:
        return "".join(signs)
    return " ".join(f"{text}{n}" for text, n in Counter(signs).most_common())


def clip_rows(run: DeviceRun, look: Look) -> list[Row]:
    """Clips done by a device, and its rate now and on average."""
    words = look.words
    rate = f"{figures.rate(live_rate(run))} {words('chip.now')} · "
    rate += f"{figures.rate(run.mean_clips_per_s)} {words('chip.mean')}"
    rows = facts(words("data.clips"), figures.count(run.clips), look.width)
    return rows + facts(words("infer.clips_per_s"), rate, look.width)


def server_page(run: DeviceRun, work: ServerWork, look: Look) -> list[Row]:
    """What the server did and does, and a row for each of its chips."""
    words, rows = look.words, clip_rows(run, look)
    rows += facts(words("server.decoding"), figures.percent(work.decoding), look.width)
    rows += facts(words("server.computing"), figures.percent(run.utilisation), look.width)
    rows += facts(words("server.heard"), words("server.ago", seconds=f"{work.silent_s:.0f}"), look.width)
    columns = (
        Column(words("chip_table.chip"), 5),
        Column(words("stages.state").upper(), 11, flex=True),
        Column(words("chip_table.clips"), 7, right=True),
        Column(words("infer.clips_per_s").upper(), 8, right=True),
        Column(words("chip_table.util"), 5, right=True),
    )
    return [*rows, (), *table(columns, [_chip(chip, look) for chip in work.chips], look.width)]


def _chip(chip: ServerChip, look: Look) -> list[str | Span]:
    mark = sign(chip.state)
    return [
        short_id(chip.id),
        Span(f"{mark.text} {state_word(look.words, safe(chip.state))}", mark.role),
        figures.count(chip.clips),
        figures.rate(chip.clips_per_s),
        figures.percent(chip.utilisation),
    ]
