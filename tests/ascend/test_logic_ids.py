"""Logic ids where npu-smi prints physical ones only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from backends.ascend import npu_names, npu_smi_calls
from backends.ascend.npu_names import live_ids, outside_containers, parse_mapping
from backends.ascend.npu_smi import parse_info
from backends.core.values import DeviceTable

Fake = Callable[[str], Path]


def _ids(table: DeviceTable) -> list[int | None]:
    return [chip.device_id for chip in table.chips]


def test_outside_a_container_a_950s_physical_id_is_its_logic_id(output: Callable[[str], str]) -> None:
    """As CANN documents it; inside one, nothing says it."""
    table, mappings = parse_info(output("950PR_driver_25.7")), parse_mapping(output("mapping_slot_phy"))
    assert [0, 3] == _ids(live_ids(table, mappings, host=True))
    assert [None, None] == _ids(live_ids(table, mappings, host=False))
    assert [None, None] == _ids(live_ids(table, mappings[:1], host=True)), "all or none"


def test_a_logic_id_that_is_told_is_the_one_that_counts(output: Callable[[str], str]) -> None:
    """An A3's are not its physical ones; where one chip has its own, no other is given one."""
    table = parse_info(output("A3_driver_25.3"))
    assert [0, 1] == _ids(live_ids(table, parse_mapping(output("mapping_logic_phy")), host=True))


@pytest.mark.parametrize("mark", ["", ".dockerenv", "run/.containerenv", "env", "pid"])
def test_what_speaks_of_a_container(tmp_path: Path, mark: str) -> None:
    """Its marks, its environment, a process namespace of its own; without /proc nothing is known."""
    assert not outside_containers(tmp_path, {})
    (tmp_path / "proc/self/ns").mkdir(parents=True)
    (tmp_path / "run").mkdir()
    pid = "pid:[4026532000]" if mark == "pid" else "pid:[4026531836]"
    (tmp_path / "proc/self/ns/pid").symlink_to(pid)
    (tmp_path / "proc/self/ns/uts").symlink_to("uts:[4026531838]")
    if mark in (".dockerenv", "run/.containerenv"):
        (tmp_path / mark).touch()
    environment = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"} if mark == "env" else {}
    assert (mark == "") == outside_containers(tmp_path, environment)


def test_a_live_950_has_ids_outside_a_container(fake_smi: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table, then `-m`, as a stage asks for them."""
    fake_smi("show('950PR_driver_25.7' if given == ['info'] else 'mapping_slot_phy')")
    monkeypatch.setattr(npu_names, "outside_containers", lambda: True)
    assert [0, 3] == _ids(npu_smi_calls.read_ids())
