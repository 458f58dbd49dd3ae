"""Calls of npu-smi, through a stand-in for it."""

from __future__ import annotations

import io
import re
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from backends.ascend import npu_smi_calls
from backends.core.messages import InputError

Fake = Callable[[str], Path]

A3 = """
if given == ['info']: show('A3_driver_25.3')
elif given == ['info', '-m']: show('mapping_logic_phy')
elif given[:3] == ['info', '-t', 'board'] and given[3] == '-i' and given[5] == '-c': show('board_A3')
else: sys.exit('Command or option is not found.')
"""


def test_what_the_table_does_not_say_is_asked_for(fake_smi: Fake) -> None:
    """Logic ids by -m, once; the soc_version of an A3 by the board of each chip."""
    calls = fake_smi(A3)
    table = npu_smi_calls.read_devices("live")
    assert [(0, 8, "Ascend910_9392"), (1, 9, "Ascend910_9392")] == [
        (chip.device_id, chip.phy_id, chip.soc_version) for chip in table.chips
    ]
    assert ("live", None) == (table.source, table.error)
    asked = ["info", "info -m", "info -t board -i 4 -c 0", "info -t board -i 4 -c 1"]
    assert asked == calls.read_text().splitlines()


def test_nothing_more_is_asked_where_the_table_says_all(fake_smi: Fake) -> None:
    """A 310P's table has logic ids and names the chip: the tool is slow."""
    calls = fake_smi("show('310P3_duo_driver_24.1')")
    assert [0, 1, 2] == [chip.device_id for chip in npu_smi_calls.read_devices("live").chips]
    assert ["info"] == calls.read_text().splitlines()


def test_acl_is_the_authority_on_the_name(fake_smi: Fake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where CANN is there, its answer counts for a host of one kind of chip; it is asked in another process."""
    fake_smi("show('310Pvir01_driver_22.0')")
    (tmp_path / "acl.py").write_text("def get_soc_name():\n    print('[WARNING] noise')\n    return 'Ascend310P3'\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert ["Ascend310P3"] == [chip.soc_version for chip in npu_smi_calls.read_devices("live").chips]
    assert "acl" not in sys.modules


def test_an_acl_that_fails_changes_nothing(fake_smi: Fake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its traceback is no name."""
    fake_smi("show('310P3_driver_22.0')")
    (tmp_path / "acl.py").write_text("raise ImportError('libascendcl.so')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert ["Ascend310P3"] == [chip.soc_version for chip in npu_smi_calls.read_devices("live").chips]


def test_a_hanging_tool_is_ended_after_its_limit(fake_smi: Fake) -> None:
    """The failure says so; no process stays."""
    fake_smi("time.sleep(60)")
    begun = time.monotonic()
    table = npu_smi_calls.read_table(0.3)
    assert time.monotonic() - begun < 5
    assert table.error is not None
    assert "timeout" == table.error.code
    assert "no answer" in str(table.error.cause)


def test_a_missing_tool_is_a_trouble_and_no_crash(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As on a machine without an NPU."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(npu_smi_calls, "PLACES", ())
    table = npu_smi_calls.read_devices("live")
    assert table.error is not None
    assert "not installed" in str(table.error.cause)
    assert () == table.chips


def test_a_tool_that_cannot_be_started_is_told(tmp_path: Path) -> None:
    """A wrong architecture, say."""
    script = tmp_path / "npu-smi"
    script.write_bytes(b"\x7fELF nonsense")
    script.chmod(0o755)
    answer = npu_smi_calls.run((str(script), "info"), 5)
    assert answer.failure is not None
    assert "cannot be started" in str(answer.failure.cause)


def test_a_saved_output_is_read_from_a_file_and_from_standard_input(
    output: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a mapping behind the table its ids are taken too; UTF-16 of a Windows terminal is understood."""
    text = output("A3_driver_25.3") + output("mapping_logic_phy")
    path = tmp_path / "saved.txt"
    path.write_text(text, encoding="utf-16")
    table = npu_smi_calls.read_devices(path)
    assert [0, 1] == [chip.device_id for chip in table.chips]
    assert str(path) == table.source
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert table.chips == npu_smi_calls.read_devices("-").chips


def test_a_file_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    """One line with its path."""
    with pytest.raises(InputError, match=r"nothere\.txt: No such file"):
        npu_smi_calls.read_devices(str(tmp_path / "nothere.txt"))


def test_a_file_without_a_table_is_told_and_no_crash(tmp_path: Path) -> None:
    """Bytes of anything."""
    path = tmp_path / "noise"
    path.write_bytes(bytes(range(256)) * 20)
    assert npu_smi_calls.read_devices(path).error is not None


def test_a_saved_output_may_hold_the_other_questions_too(output: Callable[[str], str], tmp_path: Path) -> None:
    """Answers of -m and -t board in the same file give what the table does not say, of the chips that they name."""
    path = tmp_path / "saved.txt"
    path.write_text("\n".join(map(output, ("A3_driver_25.3", "mapping_logic_phy", "board_A3"))))
    assert [(0, "Ascend910_9392"), (1, None)] == [
        (chip.device_id, chip.soc_version) for chip in npu_smi_calls.read_devices(path).chips
    ]


SERVICES = {
    "compose": "npu-exporter-1  | {row}",
    "compose v1": "worker_1      | {row}",
    "compose in colours": "\x1b[36mworker-1  |\x1b[0m {row}",
    "compose with times": "worker-1  | 2026-01-01T00:00:00.123456789Z {row}",
    "docker with times": "2026-01-01T00:00:00.123456789Z {row}",
    "pods": "[pod/npu-0/worker] {row}",
    "quoted": "> {row}",
    "quoted twice": ">> {row}",
    "quoted by a bar": "| {row}",
    "quoted by both": "> | {row}",
}


@pytest.mark.parametrize("name", SERVICES)
def test_what_logs_of_containers_and_quotations_put_before_a_line_is_taken_off(
    output: Callable[[str], str], tmp_path: Path, name: str
) -> None:
    """Of a transcript of table, ids and boards: all three are read as without it."""
    board = output("board_A3")
    other = board.replace("Chip ID                        : 0", "Chip ID                        : 1")
    parts = ["$ npu-smi info", output("A3_driver_25.3"), "[root@x ~]# npu-smi info -m", output("mapping_logic_phy")]
    parts += ["# npu-smi info -t board -i 4 -c 0", board, "# npu-smi info -t board -i 4 -c 1", other]
    rows = "\n".join(parts).splitlines()
    tables = []
    for text in ("\n".join(rows), "\n".join(SERVICES[name].format(row=row).rstrip() for row in rows)):
        (tmp_path / "saved.txt").write_text(text)
        tables.append(npu_smi_calls.read_devices(tmp_path / "saved.txt"))
    assert tables[0] == tables[1]
    assert [(0, 8, "Ascend910_9392"), (1, 9, "Ascend910_9392")] == [
        (chip.device_id, chip.phy_id, chip.soc_version) for chip in tables[1].chips
    ]


@pytest.mark.parametrize("signs", [{" ": "&nbsp;"}, {"|": "&#124;"}, {"|": "&vert;", "+": "&#43;", "=": "&#x3D;"}])
def test_html_entities_are_read_as_the_signs_that_they_stand_for(
    output: Callable[[str], str], tmp_path: Path, signs: dict[str, str]
) -> None:
    """A table copied from the source of a web page has the chips of the plain one."""
    text = "\n".join((output("A3_driver_25.3"), output("mapping_logic_phy"), output("board_A3")))
    tables = []
    for shown in (text, text.translate(str.maketrans(signs))):
        (tmp_path / "saved.txt").write_text(shown)
        tables.append(npu_smi_calls.read_devices(tmp_path / "saved.txt"))
    assert tables[0] == tables[1]
    assert tables[1].chips


def test_logs_of_two_containers_are_held_apart(output: Callable[[str], str], tmp_path: Path) -> None:
    """However their lines meet, each table is whole; the last one counts."""
    rows = output("310P3_driver_22.0").splitlines()
    mixed = "\n".join(f"{name} | {row}" for row in rows for name in ("a-1", "b-1"))
    (tmp_path / "saved.txt").write_text(mixed)
    (tmp_path / "one.txt").write_text("\n".join(rows))
    assert (
        npu_smi_calls.read_devices(tmp_path / "one.txt").chips
        == npu_smi_calls.read_devices(tmp_path / "saved.txt").chips
    )


def test_a_name_that_was_taken_out_is_read_from_the_mapping(output: Callable[[str], str], tmp_path: Path) -> None:
    """`xxx` in the table; `-m` in the same file has the name, and with it the soc_version."""
    table = output("910B3_driver_26.1").replace("910B3", "xxx  ")
    npu = npu_smi_calls.parse_info(table).chips[0].npu_id
    mapping = f"\tNPU ID   Chip ID   Chip Logic ID   Chip Name\n\t{npu}   0   0   Ascend 910B3\n"
    (tmp_path / "saved.txt").write_text(f"{table}\n$ npu-smi info -m\n{mapping}")
    chip = npu_smi_calls.read_devices(tmp_path / "saved.txt").chips[0]
    assert ("Ascend 910B3", "Ascend910B3", 0) == (chip.name, chip.soc_version, chip.device_id)


@pytest.mark.parametrize("masked", ["0000:xx:00.0", "****:**:**.*", "XXXX:XX:XX.X"])
def test_a_bus_id_that_was_masked_is_still_one(output: Callable[[str], str], tmp_path: Path, masked: str) -> None:
    """A table that somebody masked before showing it has all its chips, with their memory."""
    table = output("910B3_driver_26.1")
    (tmp_path / "saved.txt").write_text(re.sub(r"[0-9A-F]{4}:[0-9A-F]{2}:[0-9A-F]{2}\.\d", masked, table))
    chips = npu_smi_calls.read_devices(tmp_path / "saved.txt").chips
    assert [replace(chip, bus_id=masked) for chip in npu_smi_calls.parse_info(table).chips] == list(chips)
    assert all(chip.memory_total_mb for chip in chips)


def test_two_calls_of_one_user_do_not_meet(fake_smi: Fake, tmp_path: Path) -> None:
    """The sampler's and a stage's: a small board would refuse the second."""
    flag = tmp_path / "at work"
    fake_smi(
        f"import os\nif os.path.exists({str(flag)!r}): print('met'); sys.exit(1)\n"
        f"open({str(flag)!r}, 'w').close(); time.sleep(0.2); os.unlink({str(flag)!r}); print('alone')"
    )
    said: list[str] = []
    threads = [
        threading.Thread(target=lambda: said.append(npu_smi_calls.call(("info",)).text.strip())) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ["alone"] * 3 == said
