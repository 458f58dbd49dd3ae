"""Tables of `npu-smi info`, one of each layout."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.ascend.npu_smi import devices_document, parse_info
from backends.core.values import Chip, ChipProcess, DeviceTable

OUTPUTS = Path(__file__).parent / "outputs"
TABLES = sorted(path.stem for path in OUTPUTS.glob("*_driver_*.txt"))
NUMBERS = ("npu_id", "chip_id", "device_id", "phy_id", "power_w", "temp_c", "aicore_percent")
MEMORIES = tuple(f"{kind}_{end}_mb" for kind in ("memory", "ddr", "hbm") for end in ("used", "total"))


def _ddr(
    npu: int, chip: int, device: int, name: str, *rest: object, soc: str | None = None, health: str = "OK"
) -> Chip:
    """A chip with one memory: bus, power, temperature, AICore, used, total."""
    bus, power, temp, aicore, used, total = rest
    return Chip(npu, chip, device, None, name, soc, health, bus, power, temp, aicore, used, total, used, total)  # type: ignore[arg-type]


def _hbm(
    npu: int, chip: int | None, phy: int | None, name: str, *rest: object, soc: str | None = None, health: str = "OK"
) -> Chip:
    """A chip with HBM: bus, power, temperature, AICore, memory used and total, HBM used and total."""
    bus, power, temp, aicore, used, total, hbm, hbm_total = rest
    memory = (hbm, hbm_total, used, total, hbm, hbm_total)
    return Chip(npu, chip, None, phy, name, soc, health, bus, power, temp, aicore, *memory)  # type: ignore[arg-type]


EXPECTED: dict[str, tuple[str, list[Chip], list[ChipProcess]]] = {
    "310_driver_20.2": (
        "20.2.2",
        [
            _ddr(2048, 0, 0, "310", "0000:81:00.0", 12.8, 46, 0, 2621, 8192, soc="Ascend310"),
            _ddr(2048, 1, 1, "310", "0000:82:00.0", 12.8, 47, 37, 2621, 8192, soc="Ascend310"),
            _ddr(2144, 0, 4, "310", None, 0.0, 0, 0, 0, 8192, soc="Ascend310", health="Warning"),
        ],
        [],
    ),
    "310P3_driver_22.0": (
        "22.0.2",
        [_ddr(0, 0, 0, "310P3", "0000:86:00.0", 16.0, 50, 0, 4066, 21534, soc="Ascend310P3")],
        [],
    ),
    "310P3_duo_driver_24.1": (
        "24.1.rc2",
        [
            _ddr(1, 0, 0, "310P3", "0000:07:00.0", None, 36, 0, 16302, 44280, soc="Ascend310P3"),
            _ddr(1, 1, 1, "310P3", "0000:07:00.0", None, 37, 61, 1041, 43693, soc="Ascend310P3"),
            _ddr(4, 0, 2, "310P3", "0000:09:00.0", None, 71, 0, None, 44280, soc="Ascend310P3", health="Alarm"),
        ],
        [
            ChipProcess(1, 0, 4242, "python3", 14480),
            ChipProcess(1, 0, 4243, "/opt/app/run", 12),
            ChipProcess(1, 1, 4242, "python3", 90),
        ],
    ),
    "310B4_driver_23.0": (
        "23.0.rc3",
        [_ddr(0, 0, 0, "310B4", None, 7.2, 37, 0, 1797, 3513, soc="Ascend310B4")],
        [],
    ),
    "310Pvir01_driver_22.0": ("22.0.4", [_ddr(24, 0, 0, "310Pvir01", "0000:00:07.0", None, 28, 0, 249, 2690)], []),
    "910A_driver_20.2": (
        "20.2.2.spc001",
        [_hbm(0, 0, None, "910A", "0000:C1:00.0", 68.6, 36, 0, 591, 14795, 0, 32768, soc="Ascend910A")],
        [],
    ),
    "910B_driver_22.0": (
        "22.0.4.1",
        [_hbm(0, 0, None, "910B", "0000:81:00.0", 79.4, 82, 0, 1979, 15039, 0, 32768, soc="Ascend910B")],
        [],
    ),
    "910x_driver_24.1": (
        "24.1.0",
        [
            _hbm(0, 0, None, "910ProB", "0000:C1:00.0", 78.0, 38, 0, 2387, 13553, 18, 32768, soc="Ascend910ProB"),
            _hbm(2, 0, None, "910 B4", "0000:01:00.0", 86.0, 40, 12, 0, 0, 61258, 65536, soc="Ascend910B4"),
            _hbm(5, 0, None, "910B4-1", "0000:C2:00.0", 88.6, 40, 0, 0, 0, 2841, 65536, soc="Ascend910B4-1"),
        ],
        [ChipProcess(2, 0, 1333928, "", 37709)],
    ),
    "A3_driver_25.3": (
        "25.3.rc1",
        [
            _hbm(4, 0, 8, "Ascend910", "0000:9D:00.0", 166.9, 38, 0, 0, 0, 46536, 65536),
            _hbm(4, 1, 9, "Ascend910", "0000:9F:00.0", None, 37, 5, 0, 0, 3187, 65536),
        ],
        [ChipProcess(4, 0, 3328327, "", 133), ChipProcess(4, 1, 3328327, "", 50119)],
    ),
    "A3_driver_26.0_quoted": (
        "26.0.0",
        [
            _hbm(0, 0, 0, "xxx", "0000:9D:00.0", 157.3, 32, 0, 0, 0, 3130, 65536),
            _hbm(0, 1, 1, "xxx", "0000:9F:00.0", None, 32, 0, 0, 0, 3131, 65536),
        ],
        [],
    ),
    "910B3_driver_26.1": (
        "26.1.0",
        [_hbm(16, 0, None, "910B3", "0000:41:00.0", 97.8, 49, 7, 0, 0, 53984, 65536, soc="Ascend910B3")],
        [ChipProcess(16, 0, 1712733, "a_name_cut_shor", 48954)],
    ),
    "950PR_driver_25.7": (
        "25.7.rc1",
        [
            _hbm(0, None, None, "Ascend950PR", "0000:01:00.0", 187.1, 46, 100, 0, 0, 6620, 131072),
            _hbm(3, None, None, "Ascend950PR", "0000:11:00.0", 197.9, 48, 0, 0, 0, 6056, 131072, health="Alarm"),
        ],
        [ChipProcess(0, None, 1648703, "VLLMWorker", 316)],
    ),
    "950DT_driver_25.6": (
        "25.6.rc1.b169",
        [_hbm(6, None, None, "Ascend950DT", None, 381.1, 50, 5, 0, 0, 6711, 86016)],
        [ChipProcess(6, None, 1002, "python", 512)],
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_each_layout_is_read_field_by_field(output: Callable[[str], str], name: str) -> None:
    """Every chip and process of the file, in print order, and nothing that the file does not say."""
    version, chips, processes = EXPECTED[name]
    assert DeviceTable("x", None, version, tuple(chips), tuple(processes)) == parse_info(output(name), "x")


def test_the_guides_own_table_is_found_in_the_guide(shared: Path) -> None:
    """The whole document, with its other tables, gives the two chips of its example and no more."""
    table = parse_info((shared / "guide" / "3d_resnet_guide.md").read_text())
    assert [(0, 0, 15.8, 1074), (1, 1, 15.4, 1070)] == [
        (c.npu_id, c.device_id, c.power_w, c.memory_used_mb) for c in table.chips
    ]
    assert {"Ascend310P3"} == {chip.soc_version for chip in table.chips}


def _without_heading(text: str) -> str:
    return "\n".join(row for row in text.splitlines() if not re.match(r"\W*(NPU|Chip|npu-smi)\b|\W*Bus-Id", row))


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "   \n"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "".join(f"    {row}\n" for row in text.splitlines()),
        lambda text: "".join(f"# {row}\n" for row in text.splitlines()),
        lambda text: text.replace("|", "\\|"),
        lambda text: re.sub(r"^\W*[+=]+\W*$", "", text, flags=re.MULTILINE).replace("=", "-"),
        lambda text: re.sub(r"[+=-]{20,}", "", text),
        lambda text: f"$ npu-smi info\nDrvMngGetConsoleLogLevel failed. (ret=4)\n\n{text}\n$ ",
        lambda text: f"{text}\n{text}",
        _without_heading,
    ],
    ids=["blanks", "crlf", "indented", "comment", "escaped", "dashes", "bare", "prompt", "twice", "headless"],
)
def test_how_a_table_was_pasted_does_not_matter(
    output: Callable[[str], str], name: str, change: Callable[[str], str]
) -> None:
    """Trailing blanks, line ends, marks before the rows, other or no lines between them, warnings, no heading."""
    table, changed = parse_info(output(name)), parse_info(change(output(name)))
    assert table.chips == changed.chips
    assert table.processes == changed.processes


@pytest.mark.parametrize("name", TABLES)
def test_a_table_cut_off_anywhere_says_nothing_wrong(output: Callable[[str], str], name: str) -> None:
    """At every character: each field is that of the whole table, or None. No half number."""
    text = output(name)
    whole = parse_info(text)
    for end in range(len(text)):
        part = parse_info(text[:end])
        assert part.driver_version in (None, whole.driver_version)
        for chip, full in zip(part.chips, whole.chips, strict=False):
            for field in msgspec.structs.fields(Chip):
                assert getattr(chip, field.name) in (None, getattr(full, field.name)), (text[:end], field.name)
        for process, entire in zip(part.processes, whole.processes, strict=False):
            assert process in (entire, msgspec.structs.replace(entire, memory_mb=None))
        assert len(part.chips) <= len(whole.chips)


def test_a_chip_whose_second_row_is_lost_is_still_listed(output: Callable[[str], str]) -> None:
    """Its NPU, name, health, power and temperature stand in row 1."""
    rows = [row for row in output("310P3_driver_22.0").splitlines() if "0000:86" not in row]
    chip = parse_info("\n".join(rows)).chips[0]
    assert (0, "310P3", "OK", 16.0, None, None) == (
        chip.npu_id,
        chip.name,
        chip.health,
        chip.power_w,
        chip.chip_id,
        chip.aicore_percent,
    )


def _numbers(text: str) -> set[float]:
    return {float(number) for number in re.findall(r"\d+(?:\.\d+)?", text)}


def _invented(text: str) -> list[object]:
    """Numbers of what was parsed that the text does not hold."""
    table = parse_info(text)
    printed = _numbers(text)
    chips = [getattr(chip, name) for chip in table.chips for name in (*NUMBERS, *MEMORIES)]
    processes = [(one.npu_id, one.chip_id, one.pid, one.memory_mb) for one in table.processes]
    numbers = [*chips, *itertools.chain.from_iterable(processes)]
    return [value for value in numbers if value is not None and abs(value) not in printed]


def _is_chips_or_error(text: str) -> bool:
    """Whether it has either chips or an error, in the table and in the document made of it."""
    table = parse_info(text)
    document = devices_document(table)
    return (table.error is None) == bool(table.chips) and bool(document["chips"]) == (document["error"] is None)


@given(st.text())
def test_any_text_is_survived(text: str) -> None:
    """No crash, no invented number."""
    assert [] == _invented(text)
    assert _is_chips_or_error(text)


_CELLS = st.one_of(
    st.sampled_from(["", "NA", "-", "OK", "0", "0 0", "0       310P3", "0000:82:00.0", "15.8 42 0 / 0", "0 1 / 2"]),
    st.sampled_from(["xxx", "Ascend910", "NPU ID", "Process id", "Bus-Id", "Chip Phy-ID", "0 NA / 5 7/ 9", "-1 -"]),
    st.text("0123456789 /.-NAOK|:", max_size=20),
)


@given(st.lists(st.lists(_CELLS, max_size=6), max_size=12))
def test_rows_of_any_cells_are_survived(rows: list[list[str]]) -> None:
    """No crash, no invented number, whatever stands between the bars."""
    text = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
    assert [] == _invented(text)
    assert _is_chips_or_error(text)


@given(st.sampled_from(TABLES), st.data())
def test_damaged_tables_are_survived(name: str, data: st.DataObject) -> None:
    """Characters replaced, taken out and put in at random places."""
    text = (OUTPUTS / f"{name}.txt").read_text()
    for _ in range(data.draw(st.integers(1, 6))):
        at, width = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, 40))
        text = text[:at] + data.draw(st.text("|+0 .\n/NA-", max_size=8)) + text[at + width :]
    assert [] == _invented(text)
    assert _is_chips_or_error(text)


def test_the_document_has_every_key_and_null_for_what_is_not_reported(output: Callable[[str], str]) -> None:
    """The keys are those that scripts depend on; zero is only where the tool printed it."""
    document = devices_document(parse_info(output("A3_driver_25.3"), "a.txt"))
    assert ["source", "error", "driver_version", "chips", "processes"] == list(document)
    keys = [
        "npu_id",
        "chip_id",
        "device_id",
        "phy_id",
        "name",
        "soc_version",
        "health",
        "bus_id",
        "power_w",
        "temp_c",
        "aicore_percent",
    ]
    assert [*keys, *MEMORIES] == list(document["chips"][0])
    assert document["chips"][1]["power_w"] is None
    assert document["chips"][1]["device_id"] is None
    assert 0 == document["chips"][1]["ddr_used_mb"]
    wanted = {"npu_id": 4, "chip_id": 0, "pid": 3328327, "name": None, "memory_mb": 133}
    assert wanted == document["processes"][0]
    assert ("a.txt", None, "25.3.rc1") == (document["source"], document["error"], document["driver_version"])


@pytest.mark.parametrize(
    ("text", "code", "cause"),
    [
        ("dcmi module initialize failed. ret is -8005\n", "-8005", "HwHiAiUser"),
        ("dcmi model initialized failed, because the device is used. ret is -8020", "-8020", "container"),
        ("npu get board type failed. ret is -9005", "-9005", "board"),
        ("Failed to execute npu-smi info. ret is -8255.", "-8255", "support"),
        ("something failed. ret is -8999", "-8999", "error"),
        ("bash: npu-smi: command not found", None, "not installed"),
        ("-bash: npu-smi：未找到命令", None, "not installed"),
        ("bash: /usr/local/bin/npu-smi: 没有那个文件或目录", None, "not installed"),
        ("zsh: command not found: npu-smi", None, "not installed"),
        ("fish: Unknown command: npu-smi", None, "not installed"),
        ('OCI runtime exec failed: exec: "npu-smi": executable file not found in $PATH', None, "not installed"),
        ("-bash: /usr/local/sbin/npu-smi: 权限不够", None, "may not run"),
        ("There is no NPU card on this server.", None, "no card"),
        ("DrvMngGetConsoleLogLevel failed. (g_conLogLevel=3)", None, "not loaded"),
        ("npu-smi: error while loading shared libraries: libx.so: cannot open shared object file", None, "libx.so"),
        ("bash: /usr/local/sbin/npu-smi: Permission denied", None, "may not run"),
        ("dcmi module initialize failed. ret is -8005\n", "-8005", "another container"),
        (
            (
                "DrvMngGetConsoleLogLevel failed. (g_conLogLevel=3)\n"
                "dcmi model initialized failed, because the device is used. ret is -8020\n"
                "npu get board type failed. ret is -9005"
            ),
            "-8020",
            "container",
        ),
        ("Please check whether the driver is loaded.", None, "not loaded"),
        ("bash: /usr/local/bin/npu-smi: Is a directory", None, "a folder"),
        ("bash: /usr/local/bin/npu-smi: cannot execute binary file: Exec format error", None, "another processor"),
        ("npu-smi: /lib64/libc.so.6: version `GLIBC_2.34' not found (required by npu-smi)", None, "glibc"),
        ("This device does not support querying common.", None, "does not answer"),
        ("Segmentation fault (core dumped)", None, "crashed"),
        ("Please run the command as the root user.", None, "root"),
        ("No NPU device is found.", None, "no card"),
        ("", None, "no output"),
        (
            (
                "NpuID(Idx)  ChipId(Idx) Pwr(W)      Temp(C)     AI Core(%)\n"
                "0           0           8.1         41          0\n"
            ),
            None,
            "not the table",
        ),
        ("hello", None, "not the table"),
    ],
)
def test_a_failure_is_reported_with_cause_and_fix(text: str, code: str | None, cause: str) -> None:
    """What the tool says on standard output instead of a table."""
    table = parse_info(text)
    assert table.error is not None
    assert code == table.error.code
    assert cause in str(table.error.cause)
    assert str(table.error.fix)
    document = devices_document(table)["error"]
    assert ["code", "message", "cause", "fix"] == list(document)
    assert not text or document["message"] in text.splitlines()
