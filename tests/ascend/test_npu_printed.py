"""Whatever npu-smi prints is read back: random chips in every layout, and texts as they come to us in files."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.ascend.npu_names import soc_version
from backends.ascend.npu_smi import parse_info
from backends.ascend.npu_text import Cells, rows
from backends.core.values import Chip, ChipProcess
from tests.ascend.printed import LAYOUTS, Layout, printed

NAMES = ("310", "310P3", "310B4", "910A", "910B", "910ProB", "910B3", "910 B4", "910B4-1", "Ascend910", "xxx", None)
HEALTH = ("OK", "Warning", "Alarm", "Critical", "UNKNOWN")


@st.composite
def tables(draw: st.DrawFn) -> tuple[Layout, tuple[Chip, ...], tuple[ChipProcess, ...]]:
    """A layout and chips that it can show, two or four to an NPU where it has ids for them."""
    layout = LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))]
    npus = draw(st.lists(st.integers(0, 4000), min_size=1, max_size=3, unique=True))
    chips, processes = [], []
    for npu in npus:
        for number in range(draw(st.integers(1, 2)) if layout.second else 1):
            chips.append(draw(_chips(layout, npu, number, len(chips))))
            processes += draw(st.lists(_processes(layout, npu, number), max_size=2))
    return layout, tuple(chips), tuple(processes)


def _memory(draw: st.DrawFn) -> tuple[int | None, int | None]:
    return draw(st.one_of(st.none(), st.integers(0, 99999))), draw(st.integers(0, 131072))


@st.composite
def _chips(draw: st.DrawFn, layout: Layout, npu: int, number: int, place: int) -> Chip:
    tenths = draw(st.one_of(st.none(), st.integers(0, 9999)))
    temp = draw(st.one_of(st.none(), st.integers(-40, 130)))
    load = draw(st.one_of(st.none(), st.integers(0, 100)))
    bus = draw(st.one_of(st.none(), st.integers(0, 255)))
    name = draw(st.sampled_from(NAMES if not layout.own_cell else ("Ascend950PR", "Ascend950DT")))
    (ddr, ddr_total), (hbm, hbm_total) = _memory(draw), _memory(draw) if layout.kind == "hbm" else (None, None)
    used, total = (hbm, hbm_total) if layout.kind == "hbm" else (ddr, ddr_total)
    return Chip(
        npu,
        None if layout.own_cell else number,
        place if layout.second == "Device" else None,
        place if layout.second == "Phy-ID" else None,
        name,
        soc_version(name),
        draw(st.sampled_from(HEALTH)),
        None if bus is None else f"0000:{bus:02X}:00.0",
        None if tenths is None else tenths / 10,
        None if temp is None else float(temp),
        None if load is None else float(load),
        *(used, total, ddr, ddr_total, hbm, hbm_total),
    )


def _processes(layout: Layout, npu: int, number: int) -> st.SearchStrategy[ChipProcess]:
    return st.builds(
        ChipProcess,
        st.just(npu),
        st.just(None if layout.own_cell else number),
        st.integers(1, 4194304),
        st.sampled_from(["", "python3", "/usr/bin/very/long/path/of/a/worker.py", "VLLM::EngineCore", "a b 7"]),
        st.one_of(st.none(), st.integers(0, 99999)),
    )


@settings(max_examples=80)
@given(tables(), st.sampled_from([None, "20.2.2.spc001", "25.6.rc1.b169"]))
def test_what_is_printed_is_read(table: tuple[Layout, tuple[Chip, ...], tuple[ChipProcess, ...]], version: Any) -> None:
    """Every field of every chip and process, in print order, in every layout."""
    layout, chips, processes = table
    found = parse_info(printed(layout, chips, processes, version))
    assert (version, chips, processes) == (found.driver_version, found.chips, found.processes)


def _wrapped(text: str, screen: int, *, trimmed: bool) -> str:
    pieces = [row[at : at + screen] for row in text.splitlines() for at in range(0, max(1, len(row)), screen)]
    return "\n".join(piece.rstrip() if trimmed else piece for piece in pieces)


@settings(max_examples=80)
@given(tables(), st.integers(30, 113), st.booleans())
def test_a_table_that_a_narrow_terminal_broke_is_read(
    table: tuple[Layout, tuple[Chip, ...], tuple[ChipProcess, ...]], screen: int, trimmed: bool
) -> None:
    """Each field is the one printed; with blanks at the ends of lines left out, too."""
    layout, chips, entries = table
    processes = tuple(entry for entry in entries if len(entry.name) <= 15)  # longer ones are not printed
    found = parse_info(_wrapped(printed(layout, chips, processes), screen, trimmed=trimmed))
    assert (chips, processes) == (found.chips, found.processes)


@settings(max_examples=60)
@given(tables(), st.integers(1, 113))
def test_a_table_cut_at_the_right_says_nothing_wrong(
    table: tuple[Layout, tuple[Chip, ...], tuple[ChipProcess, ...]], width: int
) -> None:
    """Each field is the one printed, or not told: no half number where the cut goes through one."""
    layout, chips, processes = table
    found = parse_info("\n".join(row[:width] for row in printed(layout, chips, processes).splitlines()))
    for part, whole in zip(found.chips, chips, strict=False):
        for field in msgspec.structs.fields(Chip):
            assert getattr(part, field.name) in (None, getattr(whole, field.name)), field.name
    assert len(found.chips) <= len(chips)
    for entry in found.processes:
        assert any(entry in (whole, msgspec.structs.replace(whole, memory_mb=None)) for whole in processes)


_TOKEN = re.compile(r"-?\d+(?:\.\d+)?|N/?A|-+")


def _is(value: float | None, tokens: list[str], place: int) -> bool:
    """Not told, or the number that stands there."""
    if value is None:
        return True
    return -len(tokens) <= place < len(tokens) and tokens[place][-1:].isdigit() and float(tokens[place]) == value


def _in_column(chip: Chip, first: Cells, second: Cells, *, hbm: bool) -> bool:
    """Whether two rows of cells say of a chip what was read of it, each number in its own column."""
    ids, state = _TOKEN.findall(first[0]), _TOKEN.findall(first[-1])
    told = _is(chip.npu_id, ids, 0) and _is(chip.power_w, state, 0) and _is(chip.temp_c, state, 1)
    other = chip.phy_id if chip.device_id is None else chip.device_id
    ids, load = _TOKEN.findall(second[0]), _TOKEN.findall(second[-1])
    told = told and _is(chip.chip_id, ids, 0) and _is(other, ids, 1) and _is(chip.aicore_percent, load, 0)
    told = told and _is(chip.ddr_used_mb, load, 1) and _is(chip.ddr_total_mb, load, 2)
    used, total = (chip.hbm_used_mb, chip.hbm_total_mb) if hbm else (chip.ddr_used_mb, chip.ddr_total_mb)
    told = told and (chip.memory_used_mb, chip.memory_total_mb) in ((used, total), (None, None))
    return told and _is(chip.hbm_used_mb, load, -2) and _is(chip.hbm_total_mb, load, -1)


@settings(max_examples=80)
@given(tables(), st.data())
def test_a_damaged_table_tells_each_number_of_its_own_column(
    table: tuple[Layout, tuple[Chip, ...], tuple[ChipProcess, ...]], data: st.DataObject
) -> None:
    """Whatever was overwritten, taken out or put in: two rows of the text say each chip that is told."""
    layout, chips, processes = table
    text = printed(layout, chips, processes)
    for _ in range(data.draw(st.integers(1, 8))):
        at, width = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, 30))
        text = text[:at] + data.draw(st.text("|+0123 .\n/NA-:=", max_size=6)) + text[at + width :]
    cells = [row for row in rows(text) if row]
    for chip in parse_info(text).chips:
        pairs = ((one, two) for one in cells for two in cells)
        if chip.bus_id is None and chip.chip_id is None and chip.aicore_percent is None and chip.ddr_total_mb is None:
            pairs = ((one, one) for one in cells)  # row 1 alone
            assert any(_is(chip.npu_id, _TOKEN.findall(one[0]), 0) for one, _ in pairs)
            continue
        hbm = chip.hbm_total_mb is not None or chip.hbm_used_mb is not None
        assert any(_in_column(chip, one, two, hbm=hbm) for one, two in pairs), chip


A3 = (
    Chip(4, 0, None, 8, "Ascend910", None, "OK", "0000:9D:00.0", 166.9, 38, 0, 46536, 65536, 0, 0, 46536, 65536),
    Chip(4, 1, None, 9, "Ascend910", None, "OK", "0000:9F:00.0", None, 37, 5, 3187, 65536, 0, 0, 3187, 65536),
)
OTHER = (msgspec.structs.replace(A3[0], power_w=1.0, hbm_used_mb=7, memory_used_mb=7),)
TEXT = printed(LAYOUTS["A3_24"], A3, (ChipProcess(4, 1, 3328327, "python", 50119),))
EARLIER = printed(LAYOUTS["A3_24"], OTHER)
_SCREEN = (
    "\x1b[?1049h\x1b[22;0;0t\x1b[1;24r\x1b(B\x1b[m\x1b[4l\x1b[?7h\x1b[H\x1b[2JEvery 1.0s: npu-smi info    ml01: Mon"
)


_WAYS = (
    "watch watch_screen grep_colours coloured logged numbered box tabs collapsed nbsp phy_id_case two_outputs "
    "two_outputs_without_version warning_behind prompt_with_bars doubled quoted_with_tab"
)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: f"Every 2.0s: npu-smi info                    ml01: Mon Jun  2 10:00:00 2025\n\n{text}",
        lambda text: _SCREEN + "".join(f"\x1b[{n};1H{row}" for n, row in enumerate(text.splitlines(), 3)),
        lambda text: re.sub(r"OK|\d+\.\d", lambda found: f"\x1b[01;32m\x1b[K{found[0]}\x1b[m\x1b[K", text),
        lambda text: "".join(f"\x1b[31m{row}\x1b[0m\r\n" for row in text.splitlines()),
        lambda text: "".join(f"2025-06-02 10:00:00,123 INFO smi: {row}\n" for row in text.splitlines()),
        lambda text: "".join(f"{n:6}\t{row}\n" for n, row in enumerate(text.splitlines(), 1)),
        lambda text: text.replace("|", "│").replace("+", "┼"),
        lambda text: re.sub(" {2,}", "\t", text),
        lambda text: re.sub(" +", " ", text),
        lambda text: text.replace(" ", "\xa0"),
        lambda text: text.replace("Phy-ID", "Phy-Id"),
        lambda text: EARLIER + text,
        lambda text: EARLIER + text[text.index("| NPU") :],
        lambda text: (
            f"{text}[WARNING]The driver package may not be completely installed. Please reinstall it.\n$ ls | wc"
        ),
        lambda text: "[root@ml01 ~]# npu-smi info | tee a.txt | cat\n" + text,
        lambda text: text.replace("\n", "\n\n"),
        lambda text: textwrap.indent(text, "\t> "),
    ],
    ids=_WAYS.split(),
)
def test_the_way_into_a_file_does_not_matter(change: Callable[[str], str]) -> None:
    """Screens of watch, colours, logs, other bars and blanks, an earlier output before: the last table is told."""
    found = parse_info(change(TEXT))
    assert A3 == found.chips
    assert (ChipProcess(4, 1, 3328327, "python", 50119),) == found.processes


def test_what_the_driver_did_not_give_is_not_told() -> None:
    """The tool then prints -0.1 W, -200 degrees, 4294967295 % and a negative memory: no measurement."""
    text = TEXT.replace("166.9", "-0.1 ").replace(" 38 ", " -200 ", 1).replace("| 5  ", "| 4294967295  ")
    text = text.replace("46536/ 65536", "-12  / 65536")
    first, second = parse_info(text).chips
    assert (None, None, 0.0, None, 65536) == (
        first.power_w,
        first.temp_c,
        first.aicore_percent,
        first.hbm_used_mb,
        first.hbm_total_mb,
    )
    assert (37.0, None, 3187) == (second.temp_c, second.aicore_percent, second.hbm_used_mb)
