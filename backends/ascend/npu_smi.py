"""What `npu-smi info` printed, read into chips: every layout from drivers 20.2 to 26.1, chips 310 to 950.

A chip takes two rows. Row 1 holds the NPU's id, the chip's name, health, power, temperature and hugepages; row 2 the
chip's id, its bus id, the load and the memories. Rows are known by their cells, never by the lines between them,
and a cell counts only once its closing bar was printed, so that a table cut off anywhere gives no half number.
What the text does not have is None. It runs no tool.
"""

import re
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from backends.ascend.npu_names import soc_version
from backends.ascend.npu_smi_errors import failure
from backends.ascend.npu_text import Cells, rows
from backends.core.codec import encode
from backends.core.values import Chip, ChipProcess, DeviceTable

_NOTHING = {"", "NA", "N/A", "-", "--"}
_BUS = re.compile(r"[0-9A-Fa-fXx*]{4,8}:[0-9A-Fa-fXx*]{2,8}:[0-9A-Fa-fXx*]{2,8}\.[0-9A-Fa-fXx*]+")
"""Also where a person masked parts of it before showing the table."""
_ID = re.compile(r"[0-9]{1,9}")
_NPU_AND_NAME = re.compile(r"([0-9]{1,9})(?:\s+(\S.*))?")
_CHIP_AND_OTHER = re.compile(r"([0-9]{1,9})(?:\s+([0-9]{1,9}))?")
_VALUE = r"-?[0-9]+(?:\.[0-9]+)?|NA|N/A|-+"
_PAIR = r"(?:(-?[0-9]+|NA|N/A|-+)\s*/\s*(-?[0-9]+|NA|N/A|-+))"
_STATUS = re.compile(rf"({_VALUE})\s+({_VALUE})(?:\s.*)?")
"""Power, temperature; the hugepages that may follow are no memory."""
_HEALTH = re.compile(r"[^\W\d_][^\d:]*")
_LOAD = re.compile(rf"({_VALUE})(?:\s+(?:{_PAIR}|(NA|N/A|-+)))?(?:\s+(?:{_PAIR}|(NA|N/A|-+)))?")
ABSENT_TEMP_C = -200.0
"""What the tool prints of a temperature that it could not read."""
_VERSION = re.compile(r"npu-smi\b.*?\bVersion:\s*([0-9A-Za-z][0-9A-Za-z._+-]*)")


class _Reading(Struct):
    headed: bool = False
    """A heading of chips was seen: a row cut short is then still a chip's."""
    own_cell: bool = False
    """The heading is the 950's, whose rows 2 begin with empty cells."""
    processes_begun: bool = False
    other_id: str = ""
    """What row 2's second number is: "Device", "Phy-I", or "" where no heading has it."""
    hbm: bool = False
    """A heading has an HBM column, or a row had two memories."""
    pending: Chip | None = None
    """Row 1 of a chip whose row 2 has not come yet."""
    version: str | None = None
    chips: list[Chip] = field(default_factory=list)
    processes: list[ChipProcess] = field(default_factory=list)


def parse_info(text: str, source: str = "text") -> DeviceTable:
    """The chips and processes of one output of `npu-smi info`, in print order.

    Where it holds no chip, `error` is what the text holds instead. Never raises: the text is foreign.
    """
    reading = _Reading()
    for cells in rows(text):
        _read(reading, cells)
    _flush(reading)
    error = None if reading.chips else failure(text)
    return DeviceTable(source, error, reading.version, tuple(reading.chips), tuple(reading.processes))


def _read(reading: _Reading, cells: Cells) -> None:
    joined = " ".join(cells)
    if version := _VERSION.match(joined):
        _begin(reading, version[1])
    elif _heads_processes(reading, cells):
        _flush(reading)
        reading.processes_begun = True
    elif re.match(r"NPU\b", cells[0]):
        if reading.chips or reading.pending or reading.processes_begun:
            _begin(reading, None)
        reading.headed, reading.own_cell = True, cells[0] == "NPU ID"
    elif any(cell.lower() == "bus-id" for cell in cells):
        reading.hbm = "HBM-Usage" in joined
        reading.other_id = next((name for name in ("Device", "Phy-I") if name.lower() in cells[0].lower()), "")
    elif reading.processes_begun or _is_process(cells):
        _read_process(reading, cells)
    else:
        _read_chip(reading, cells)


def _heads_processes(reading: _Reading, cells: Cells) -> bool:
    """The heading of the processes; cut short, it may be no more than the 950's `NPU ID`, which heads the chips too."""
    if len(cells) > 1 and cells[1].lower().startswith("process id"):
        return True
    again = cells == ("NPU ID",) and bool(reading.chips or reading.pending)
    return again or (len(cells) == 1 and re.fullmatch(r"NPU\s+Chip", cells[0]) is not None)


def _begin(reading: _Reading, version: str | None) -> None:
    """The line with the versions, or a second heading: a text may hold several outputs, and the last one counts."""
    reading.version, reading.pending = version, None
    reading.chips, reading.processes = [], []
    reading.headed = reading.processes_begun = reading.own_cell = False
    reading.hbm, reading.other_id = False, ""


def _read_chip(reading: _Reading, cells: Cells) -> None:
    """A row 1 or a row 2; anything else is passed over."""
    if reading.pending and _is_second(cells) and not (reading.own_cell and cells[0]):
        reading.chips.append(_second(reading, reading.pending, cells))
        reading.pending = None
        return
    if len(cells) > 1 and _ID.fullmatch(cells[0]) and not _is_health(cells[1]):
        cells = (f"{cells[0]} {cells[1]}", *cells[2:])  # the 950's: NPU ID and Name in two cells
    whole = len(cells) == 3 and _is_health(cells[1]) and _STATUS.fullmatch(cells[2])
    cut = reading.headed and len(cells) < 3 and all(map(_is_health, cells[1:]))
    if _NPU_AND_NAME.fullmatch(cells[0]) and (whole or cut):
        _flush(reading)
        reading.pending = _first(cells)


def _is_second(cells: Cells) -> bool:
    if cells[:2] == ("", ""):
        return len(cells) > 2 and (_is_bus(cells[2]) or cells[2] in _NOTHING)
    if not _CHIP_AND_OTHER.fullmatch(cells[0]):
        return False
    return len(cells) == 1 or _is_bus(cells[1]) or cells[1] in _NOTHING


def _is_bus(cell: str) -> bool:
    return _BUS.fullmatch(cell) is not None


def _is_health(cell: str) -> bool:
    """Health is a word: OK, Warning, Alarm, Critical, UNKNOWN. A name holds a digit, or is the mask `xxx`."""
    return (_HEALTH.fullmatch(cell) is not None and cell.lower() != "xxx") or cell in _NOTHING


def _first(cells: Cells) -> Chip | None:
    found = _NPU_AND_NAME.fullmatch(cells[0])
    if found is None:
        return None
    name = found[2] or None
    chip = Chip(npu_id=int(found[1]), name=name, soc_version=soc_version(name))
    if len(cells) > 1:
        chip = replace(chip, health=_text(cells[1]))
    status = _STATUS.fullmatch(cells[2]) if len(cells) > 2 else None
    if status is None:
        return chip
    return replace(chip, power_w=_number(status[1], least=0.0), temp_c=_number(status[2], least=ABSENT_TEMP_C + 1))


def _second(reading: _Reading, chip: Chip, cells: Cells) -> Chip:
    if cells[:2] == ("", ""):
        ids, rest = None, cells[2:]
    else:
        ids, rest = _CHIP_AND_OTHER.fullmatch(cells[0]), cells[1:]
    load = _LOAD.fullmatch(rest[1]) if len(rest) == 2 else None  # a bar too many may have cut a number
    bus = _text(rest[0]) if rest else None
    chip = replace(chip, chip_id=int(ids[1]) if ids else None, bus_id=bus)
    both = load is not None and (load[5] is not None or load[7] is not None)
    hbm = both or reading.hbm
    if ids and ids[2] and (reading.other_id or load):
        phy = reading.other_id == "Phy-I" or (not reading.other_id and hbm)  # only tables with HBM print Phy-ID
        chip = replace(chip, phy_id=int(ids[2])) if phy else replace(chip, device_id=int(ids[2]))
    if load is None:
        return chip
    chip = replace(chip, aicore_percent=_number(load[1], least=0.0, most=100.0))
    if hbm and not both:
        return chip  # one memory of two: which one is not known
    chip = replace(chip, ddr_used_mb=_whole(load[2]), ddr_total_mb=_whole(load[3]))
    if hbm:
        chip = replace(chip, hbm_used_mb=_whole(load[5]), hbm_total_mb=_whole(load[6]))
        return replace(chip, memory_used_mb=chip.hbm_used_mb, memory_total_mb=chip.hbm_total_mb)
    return replace(chip, memory_used_mb=chip.ddr_used_mb, memory_total_mb=chip.ddr_total_mb)


def _flush(reading: _Reading) -> None:
    """A row 1 whose row 2 never came still shows that the NPU is there."""
    if reading.pending:
        reading.chips.append(reading.pending)
        reading.pending = None


def _is_process(cells: Cells) -> bool:
    """`NPU Chip | pid | name | MB`, recognised where a table has lost its heading."""
    return (
        len(cells) >= 4
        and _CHIP_AND_OTHER.fullmatch(cells[0]) is not None
        and _ID.fullmatch(cells[1]) is not None
        and (_ID.fullmatch(cells[3]) is not None or cells[3] in _NOTHING)
    )


def _read_process(reading: _Reading, cells: Cells) -> None:
    ids = _CHIP_AND_OTHER.fullmatch(cells[0])
    if ids is None or len(cells) < 3 or not _ID.fullmatch(cells[1]):
        return
    memory = _whole(cells[3]) if len(cells) > 3 else None
    chip = int(ids[2]) if ids[2] else None
    reading.processes.append(ChipProcess(int(ids[1]), chip, int(cells[1]), cells[2], memory))


def _text(cell: str) -> str | None:
    return None if cell in _NOTHING else cell


def _number(text: str | None, least: float = float("-inf"), most: float = float("inf")) -> float | None:
    """A number; None where the tool has none: its driver gave none where it prints -0.1 W, -200 °C, 4294967295 %."""
    if text is None or text in _NOTHING or text.strip("-") == "":
        return None
    value = float(text)
    return value if least <= value <= most else None


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,12}", text) else None


def devices_document(table: DeviceTable) -> dict[str, Any]:
    """The document of `devices --json`: every key of every chip and process; what the tool does not report is None."""
    error = table.error
    return {
        "source": table.source,
        "error": error
        and {name: str(getattr(error, name) or "") or None for name in ("code", "message", "cause", "fix")},
        "driver_version": table.driver_version,
        "chips": [{name: encode(getattr(chip, name)) for name in Chip.__struct_fields__} for chip in table.chips],
        "processes": [
            {**{name: getattr(one, name) for name in ChipProcess.__struct_fields__}, "name": one.name or None}
            for one in table.processes
        ],
    }
