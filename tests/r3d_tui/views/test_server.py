"""A run over several servers as the console has it: a row a server, its chips behind Enter."""

from __future__ import annotations

from pathlib import Path

from backends.core.client import Snapshot
from backends.core.events import DeviceChanged, DeviceProgress, ServerChip, ServerWork
from backends.core.run_state import Run, fold
from backends.core.values import DeviceSample
from r3d_tui.lang.words import Words
from r3d_tui.text.rows import text_of
from r3d_tui.views.chip import chip
from r3d_tui.views.chips import chip_table, table_of
from r3d_tui.views.devices import joined
from r3d_tui.views.look import Look

LOOK = Look(Words("en"), 100, 30, 0.0)


def snapshot(*servers: tuple[ServerChip, ...]) -> Snapshot:
    """Servers at work; the head has a chip of its own, which takes no part."""
    run = Run("1", "running")
    for number, chips in enumerate(servers, 1):
        run = fold(run, DeviceChanged(f"server-{number}", "working", "kunpeng · 8 × Ascend310P3"))
        work = ServerWork(chips, 0.5, 1.2)
        run = fold(run, DeviceProgress(f"server-{number}", 30, 20.0, 19.0, utilisation=0.25, server=work))
    return Snapshot(1, Path("w"), run, samples=(DeviceSample("npu:0", 0.0, "310P3", "OK"),))


def test_a_server_is_a_row_with_a_cell_for_each_chip() -> None:
    """A dropped chip shows; many chips are counted by state."""
    few = (ServerChip("npu:0", "working"), ServerChip("npu:1", "retired"))
    many = tuple(ServerChip(f"npu:{n}", "working") for n in range(40))
    found = snapshot(few, many)
    devices = joined(found)
    assert ["server-1", "server-2"] == [one.id for one in devices]
    rows = [text_of(one) for one in chip_table(table_of(found, devices, {}), LOOK, "")]
    assert "▸✗" in rows[1]
    assert "▸40" in rows[2]
    assert ["50", "%", "25", "%"] == rows[1].split()[-4:]


def test_the_page_of_a_server_lists_its_chips() -> None:
    """State, clips and rate of each, and how old the server's last word is."""
    found = snapshot((ServerChip("npu:0", "working", 17, 11.5, 0.9), ServerChip("npu:1", "retired", 13)))
    rows = [text_of(one) for one in chip(joined(found)[0], None, (), None, found, LOOK)]
    assert any("last word" in one and "1 s ago" in one for one in rows)
    assert [["0", "▸", "running", "17", "11.5", "90", "%"], ["1", "✗", "dropped", "13", "–", "–"]] == [
        one.split() for one in rows[-2:]
    ]
