"""Which chip a name stands for, and which logic id a chip has: names, `-t board` and `-m`."""

import os
import re
from collections.abc import Mapping as Environ
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from backends.core.values import Chip, DeviceTable

_DIRECT = re.compile(
    r"(?:310|310P[0-9]+|310B[0-9]+|910A|910B|910Pro[AB]|910PremiumA|910B[0-9]+(?:C|-[0-9]+)?|"
    r"910_9[0-9A-Za-z]{3}|950(?:PR|DT)_[0-9A-Za-z]{4})"
)
"""Names to which `Ascend` is put in front. Plain 910B and 910ProB are of the 910A generation and keep their names."""
_FAMILY = re.compile(r"Ascend(?:910|950(?:PR|DT))")
"""Names that only `-t board` makes whole: Ascend910 is every A3, Ascend950PR every 950PR."""
_SUFFIX = re.compile(r"[0-9][0-9A-Za-z]{2,5}")
_BOARD = re.compile(r"-t board(?=.*-i ([0-9]+))(?:.*-c ([0-9]+))?")
"""The command above an answer, for drivers whose answer has no ids."""
_COLUMNS = re.compile(r"NPU ID|Slot ID|Chip Logic ID|Logic ID|Chip Phy-?\s?ID|Phy-?\s?ID|Chip ID|Chip Name")
_FIRST = {"pid": "pid:[4026531836]", "uts": "uts:[4026531838]"}
"""The kernel's own namespaces, by their fixed numbers; a container has others."""
_MARKS = (".dockerenv", "run/.containerenv", "run/systemd/container")
_VARIABLES = ("KUBERNETES_SERVICE_HOST", "container")


def soc_version(name: str | None) -> str | None:
    """atc's `--soc_version` for a chip name of `npu-smi info`, where the name alone gives it; None otherwise.

    None for A3 (`Ascend910`) and 950 (ask `-t board`), for virtual NPUs (`310Pvir01`) and for masked names (`xxx`).
    """
    if name is None:
        return None
    short = re.sub(r"\s+", "", name)
    if _FAMILY.fullmatch(short):
        return None
    short = short.removeprefix("Ascend")
    return f"Ascend{short}" if _DIRECT.fullmatch(short) else None


def needs_board(name: str | None) -> bool:
    """Whether `npu-smi info -t board` must be asked for this chip's soc_version."""
    return name is not None and _FAMILY.fullmatch(re.sub(r"\s+", "", name)) is not None


def is_masked(name: str | None) -> bool:
    """Whether whoever saved the output took the name out (`xxx`); every name of a chip has a digit."""
    return name is None or not any(sign.isdecimal() for sign in name)


def parse_fields(text: str) -> dict[str, str]:
    """The first `Key : value` of each key of `-t board` or `-t common`; a later block (the mcu's) does not count."""
    fields: dict[str, str] = {}
    for row in text.splitlines():
        key, colon, value = row.partition(":")
        if colon and key.strip():
            fields.setdefault(key.strip(), value.strip())
    return fields


def soc_from_board(text: str) -> str | None:
    """soc_version from `-t board`: `Chip Name`, an underscore, `NPU Name`, such as Ascend910_9392."""
    fields = parse_fields(text)
    chip, npu = re.sub(r"\s+", "", fields.get("Chip Name", "")), fields.get("NPU Name", "")
    if _FAMILY.fullmatch(chip) and _SUFFIX.fullmatch(npu):
        return f"{chip}_{npu}"
    return soc_version(chip or None)


def socs_from_boards(text: str) -> dict[tuple[int, int | None], str]:
    """soc_version by (NPU id, chip id) of each answer of `-t board` that a text holds; chip None where it has none."""
    found: dict[tuple[int, int | None], str] = {}
    for block in re.split(r"(?m)^(?=[ \t]*NPU ID[ \t]*:|.*npu-smi info .*\bboard\b)", text)[1:]:
        fields, soc = parse_fields(block), soc_from_board(block)
        asked = _BOARD.search(block)
        npu, chip = fields.get("NPU ID", asked[1] if asked else ""), fields.get("Chip ID", (asked and asked[2]) or "")
        if npu.isdecimal() and soc is not None:
            found.setdefault((int(npu), int(chip) if chip.isdecimal() else None), soc)
    return found


class Mapping(Struct, frozen=True):
    """One chip of `npu-smi info -m`."""

    npu_id: int
    chip_id: int | None = None
    device_id: int | None = None
    """Logic id."""
    phy_id: int | None = None
    name: str | None = None


def parse_mapping(text: str) -> tuple[Mapping, ...]:
    """The chips of `npu-smi info -m` under any of its three headings; management controllers (Mcu) are left out.

    Never raises; a row that does not fit its heading is passed over.
    """
    columns: list[str] = []
    found: list[Mapping] = []
    for row in text.splitlines():
        if "NPU ID" in row and "Chip" in row and "|" not in row:
            columns = _COLUMNS.findall(row)
            continue
        cells = row.split(None, len(columns) - 1) if columns else []
        if len(cells) != len(columns) or len(columns) < 3 or "|" in row:
            continue
        mapping = _mapping(dict(zip(columns, cells, strict=True)))
        if mapping:
            found.append(mapping)
    return tuple(found)


def _mapping(row: dict[str, str]) -> Mapping | None:
    ids: dict[str, int | None] = {}
    for column, cell in row.items():
        if column == "Chip Name":
            continue
        if not re.fullmatch(r"[0-9]{1,9}|-|NA", cell):
            return None
        ids[column] = int(cell) if cell.isdigit() else None
    npu = ids.get("NPU ID")
    device = ids.get("Chip Logic ID", ids.get("Logic ID"))
    phy = next((value for column, value in ids.items() if "Phy" in column), None)
    if npu is None or (device is None and phy is None):
        return None
    return Mapping(npu, ids.get("Chip ID"), device, phy, row.get("Chip Name", "").strip() or None)


def with_mapping(table: DeviceTable, mappings: Sequence[Mapping]) -> DeviceTable:
    """The table with the ids that it lacks, from `-m`. A chip without an id is found by its NPU alone."""
    return replace(table, chips=tuple(_mapped(chip, table.chips, mappings) for chip in table.chips))


def _mapped(chip: Chip, chips: Sequence[Chip], mappings: Sequence[Mapping]) -> Chip:
    same = [entry for entry in mappings if entry.npu_id == chip.npu_id]
    if chip.chip_id is not None:
        same = [entry for entry in same if entry.chip_id == chip.chip_id]
    elif sum(other.npu_id == chip.npu_id for other in chips) != 1:
        return chip
    if len(same) != 1:
        return chip
    entry = same[0]
    if is_masked(chip.name) and not is_masked(entry.name):
        chip = replace(chip, name=entry.name, soc_version=soc_version(entry.name))
    return replace(
        chip,
        device_id=entry.device_id if chip.device_id is None else chip.device_id,
        phy_id=entry.phy_id if chip.phy_id is None else chip.phy_id,
    )


def live_ids(table: DeviceTable, mappings: Sequence[Mapping], *, host: bool | None = None) -> DeviceTable:
    """A live table with the ids of `-m`; where that has physical ones only, these outside a container.

    Where neither the table nor `-m` prints logic ids, as on the 950, nothing is guessed inside a container. CANN's
    documentation of `aclrtGetLogicDevIdByPhyDevId`: outside a container a chip's logic id is its physical id; inside
    one the chips are counted again, and only the user knows which they are.
    `host` says whether this is outside of one; None: found out where it matters.
    """
    table = with_mapping(table, mappings)
    physical = [chip.phy_id for chip in table.chips]
    known = any(chip.device_id is not None for chip in table.chips)
    if known or None in physical or len(set(physical)) != len(physical):
        return table
    if not (outside_containers() if host is None else host):
        return table
    return replace(table, chips=tuple(replace(chip, device_id=chip.phy_id) for chip in table.chips))


def outside_containers(root: Path = Path("/"), environment: Environ[str, str] | None = None) -> bool:
    """Whether nothing points to a container; False where that is not known."""
    environment = os.environ if environment is None else environment
    if any((root / mark).exists() for mark in _MARKS) or any(environment.get(name) for name in _VARIABLES):
        return False
    try:
        return all(str((root / "proc/self/ns" / kind).readlink()) == number for kind, number in _FIRST.items())
    except OSError:
        return False
