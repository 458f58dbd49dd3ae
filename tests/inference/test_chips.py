"""Which chips a run takes."""

from __future__ import annotations

import pytest

from backends.core.messages import InputError, NeedError, line
from backends.core.values import Chip, ChipProcess, DeviceTable, ToolFailure
from backends.inference.select_devices import choose_chips, none_taken

CHIPS = (
    Chip(1, 0, 0, name="310P3", health="OK"),
    Chip(1, 1, 1, name="310P3", health="Warning"),
    Chip(4, 0, 2, name="310P3", health=None),
    Chip(4, 1, 3, name="310P3", health="OK"),
)
TABLE = DeviceTable("live", chips=CHIPS, processes=(ChipProcess(4, 1, 77, "train.py"), ChipProcess(4, 1, 78, "")))


def test_healthy_and_free_chips_are_taken() -> None:
    """The others are there with their reason; health that nobody told is no illness."""
    choice = choose_chips(TABLE, None)
    assert ["npu:0", "npu:1", "npu:2", "npu:3"] == [device.id for device in choice.devices]
    assert [0, 1, 2, 3] == [device.index for device in choice.devices]
    reasons = {name: str(reason) for name, reason in choice.left_out.items()}
    assert {"npu:1": "npu-smi reports Warning", "npu:3": "busy: train.py, 78"} == reasons
    assert 2 == choice.taken


def test_chips_that_are_named_are_taken_whatever_they_are() -> None:
    """The user knows."""
    choice = choose_chips(TABLE, (3, 1))
    assert {"npu:0", "npu:2"} == set(choice.left_out)
    with pytest.raises(InputError, match="no chip with the device id 7, 9"):
        choose_chips(TABLE, (9, 1, 7))


def test_a_process_of_a_whole_npu_makes_all_its_chips_busy() -> None:
    """The 950's process table does not say which chip."""
    table = DeviceTable("live", chips=CHIPS[:1], processes=(ChipProcess(1, None, 7, "x"),))
    assert "busy: x" in str(none_taken(choose_chips(table, None)))


def test_chips_that_cannot_be_opened() -> None:
    """Without a logic id, or hidden by a scheduler, which counts the others anew."""
    table = DeviceTable("live", chips=(Chip(8, 0, name="910B4", health="OK"), *CHIPS[:1], CHIPS[2]))
    choice = choose_chips(table, None, visible="2,5")
    assert [("npu:2", 0)] == [(device.id, device.index) for device in choice.devices]
    assert ["npu:8.0", "npu:0"] == list(choice.unusable)


def test_chips_whose_id_npu_smi_does_not_say_can_be_named() -> None:
    """As the 950's inside a container: without a name nothing is opened, and the line says what to do."""
    table = DeviceTable("live", chips=tuple(Chip(npu, name="Ascend950PR", health="OK") for npu in (3, 5)))
    with pytest.raises(NeedError, match=r"name it under \[infer\] devices") as caught:
        raise none_taken(choose_chips(table, None))
    assert "[infer] devices" in str(caught.value.hint)
    choice = choose_chips(table, (1, 0))
    assert [("npu:1", 1, "Ascend950PR"), ("npu:0", 0, "Ascend950PR")] == [
        (device.id, device.index, device.name) for device in choice.devices
    ]
    assert (2, {}) == (choice.taken, choice.unusable)
    with pytest.raises(InputError, match="no chip with the device id 0, 1, 2"):
        choose_chips(table, (0, 1, 2))
    shown = choose_chips(table, (7, 4), visible="4")
    assert ([("npu:4", 0)], ["npu:7"]) == (
        [(device.id, device.index) for device in shown.devices],
        list(shown.unusable),
    )


def test_no_chips_at_all_is_a_need_with_npu_smis_own_reason() -> None:
    """Cause and fix are those of the tool's failure."""
    failure = ToolFailure("-8005", "x", line("the driver was not restarted"), line("reboot"))
    with pytest.raises(NeedError, match="no chips: the driver was not restarted") as caught:
        choose_chips(DeviceTable("live", failure), None)
    assert "reboot" == str(caught.value.hint)
    with pytest.raises(NeedError, match="npu-smi lists none"):
        choose_chips(DeviceTable("live"), None)
