"""Chip names, boards and mappings."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.ascend.npu_names import (
    Mapping,
    needs_board,
    parse_fields,
    parse_mapping,
    soc_from_board,
    soc_version,
    with_mapping,
)
from backends.ascend.npu_smi import parse_info


@pytest.mark.parametrize(
    ("name", "soc"),
    [
        ("310", "Ascend310"),
        ("310P3", "Ascend310P3"),
        ("310B4", "Ascend310B4"),
        ("910A", "Ascend910A"),
        ("910B", "Ascend910B"),
        ("910ProB", "Ascend910ProB"),
        ("910B4", "Ascend910B4"),
        ("910 B4", "Ascend910B4"),
        ("910B4-1", "Ascend910B4-1"),
        ("910B2C", "Ascend910B2C"),
        ("Ascend 910B3", "Ascend910B3"),
        ("310Pvir01", None),
        ("Ascend910", None),
        ("Ascend950PR", None),
        ("xxx", None),
        ("", None),
        (None, None),
    ],
)
def test_soc_version_follows_the_documented_rules(name: str | None, soc: str | None) -> None:
    """`Ascend` and the name where that is the rule; None where it must be asked for."""
    assert soc == soc_version(name)


def test_a3_and_950_are_named_by_their_board(output: Callable[[str], str]) -> None:
    """Chip Name, an underscore, NPU Name; without them nothing is guessed."""
    assert needs_board("Ascend910")
    assert needs_board("Ascend950DT")
    assert not needs_board("910B4")
    assert "Ascend910_9392" == soc_from_board(output("board_A3"))
    assert "Ascend950PR_9579" == soc_from_board("\tChip Name : Ascend950PR\n\tNPU Name : 9579\n")
    assert soc_from_board("\tChip Name : Ascend910\n\tNPU Name : NA\n") is None
    assert soc_from_board("dcmi module initialize failed. ret is -8005") is None


def test_the_mcu_block_does_not_overwrite_the_chips() -> None:
    """`-t common` repeats Temperature and Power for the management controller at its end."""
    text = "\tTemperature(C) : 42\n\tNPU Real-time Power(W) : 15\n\tChip Name : mcu\n\tTemperature(C) : 30\n"
    assert "42" == parse_fields(text)["Temperature(C)"]


def test_each_heading_of_the_mapping_is_read(output: Callable[[str], str]) -> None:
    """Logic ID; Logic and Phy-ID; the 950's Slot ID and Phy-ID. Controllers are no chips."""
    assert (Mapping(2, 0, 0, None, "Ascend 910B3"), Mapping(5, 0, 1, None, "Ascend 910B3")) == parse_mapping(
        output("mapping_logic")
    )
    assert (Mapping(4, 0, 0, 8, "Ascend910"), Mapping(4, 1, 1, 9, "Ascend910")) == parse_mapping(
        output("mapping_logic_phy")
    )
    assert (Mapping(0, 0, None, 0, "Ascend950PR"), Mapping(3, 0, None, 3, "Ascend950PR")) == parse_mapping(
        output("mapping_slot_phy")
    )


def test_columns_with_single_blanks_are_told_apart() -> None:
    """As a log keeps them."""
    text = "NPU ID Chip ID Chip Logic ID Chip Phy-ID Chip Name\n0 1 1 1 Ascend910\n0 2 - - Mcu\n"
    assert (Mapping(0, 1, 1, 1, "Ascend910"),) == parse_mapping(text)


def test_logic_ids_come_from_the_mapping_and_are_not_overwritten(output: Callable[[str], str]) -> None:
    """Ids that the table has stay; those it lacks are taken; a chip that is not mapped keeps None."""
    table = with_mapping(parse_info(output("A3_driver_25.3")), parse_mapping(output("mapping_logic_phy")))
    assert [(0, 8), (1, 9)] == [(chip.device_id, chip.phy_id) for chip in table.chips]
    table = with_mapping(parse_info(output("910x_driver_24.1")), parse_mapping(output("mapping_logic")))
    assert [None, 0, 1] == [chip.device_id for chip in table.chips]
    table = with_mapping(parse_info(output("310_driver_20.2")), (Mapping(2144, 0, 99),))
    assert 4 == table.chips[2].device_id


def test_a_950_is_mapped_by_its_npu_alone(output: Callable[[str], str]) -> None:
    """Its table prints no chip id; its mapping no logic id, and a physical one is not taken for it."""
    table = with_mapping(parse_info(output("950PR_driver_25.7")), parse_mapping(output("mapping_slot_phy")))
    assert [(None, 0), (None, 3)] == [(chip.device_id, chip.phy_id) for chip in table.chips]


@given(st.text("NPUIDChipLogic -Phy\t\n0123456789|", max_size=300))
def test_any_text_is_no_crash(text: str) -> None:
    """Foreign text gives mappings of numbers that stand in it, or nothing; a board without names gives no chip name."""
    told = set(re.findall(r"\d+", text))
    for found in parse_mapping(f"NPU ID   Chip ID   Chip Logic ID   Chip Name\n{text}"):
        numbers = [value for value in msgspec.structs.astuple(found) if isinstance(value, int)]
        assert all(any(int(digits) == value for digits in told) for value in numbers)
    assert soc_from_board(text) is None
