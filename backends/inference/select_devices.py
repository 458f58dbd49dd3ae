"""Which chips a run takes: by a reading of `npu-smi` and the user's wish, with a reason for each one left out. Pure."""

from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from backends.ascend.chip_query import why_not_taken
from backends.core.messages import N_, InputError, Line, NeedError, line
from backends.core.values import Chip, ChipProcess, DeviceTable
from backends.device.model_runtime import DeviceSpec

VISIBLE = "ASCEND_RT_VISIBLE_DEVICES"
"""Environment variable by which a scheduler shows a process some chips only, counted again from 0."""


class Choice(Struct, frozen=True):
    devices: tuple[DeviceSpec, ...] = ()
    """Those that can be opened, in the table's order."""
    left_out: Mapping[str, Line] = field(default_factory=dict)
    """Of `devices`, those that are not taken, and why; the user may still put them in."""
    unusable: Mapping[str, Line] = field(default_factory=dict)
    """Chips that cannot be opened, and why."""

    @property
    def taken(self) -> int:
        return len(self.devices) - len(self.left_out)


def choose_chips(
    table: DeviceTable,
    wanted: Sequence[int] | None,
    visible: str | None = None,
    options: Mapping[str, str | float | int | None] | None = None,
) -> Choice:
    """The chips of `table` by the logic ids `wanted`; None: all that are healthy and free.

    A chip that is named is taken though it is ill or busy, and though npu-smi does not say its id.
    `visible` is the value of ASCEND_RT_VISIBLE_DEVICES.
    Raises NeedError where there are no chips, InputError where one is named that is not there.
    """
    _refuse(table, wanted)
    places = _places(visible)
    named = _named(table, wanted)
    devices: list[DeviceSpec] = []
    left_out: dict[str, Line] = {}
    unusable: dict[str, Line] = {}
    for chip in table.chips:
        name, number = chip.device, chip.device_id
        if number is None:
            if not named:
                unusable[name] = line("npu-smi does not say its device id: name it under [infer] devices, such as [0]")
        elif places is not None and number not in places:
            unusable[name] = line("{variable} does not show it", variable=VISIBLE)
        else:
            index = number if places is None else places[number]
            devices.append(DeviceSpec(name, index, (), options or {}, chip.name or "", str(chip.npu_id)))
            if reason := _reason(chip, table.processes, wanted):
                left_out[name] = reason
    for number in named:
        if places is not None and number not in places:
            unusable[f"npu:{number}"] = line("{variable} does not show it", variable=VISIBLE)
        else:
            index = number if places is None else places[number]
            devices.append(DeviceSpec(f"npu:{number}", index, (), options or {}, _name(table)))
    return Choice(tuple(devices), left_out, unusable)


def _named(table: DeviceTable, wanted: Sequence[int] | None) -> list[int]:
    """Ids that the user names for chips that npu-smi gives none, in that order; `_refuse` has counted them."""
    known = {chip.device_id for chip in table.chips}
    return [number for number in dict.fromkeys(wanted or ()) if number not in known]


def _name(table: DeviceTable) -> str:
    """What the chips without an id are, where they are all of one name."""
    names = {chip.name or "" for chip in table.chips if chip.device_id is None}
    return names.pop() if len(names) == 1 else ""


def none_taken(choice: Choice) -> NeedError:
    """What to raise where a run would begin with no chip."""
    out = {**choice.left_out, **choice.unusable}
    reasons = tuple(line("{device}: {reason}", device=name, reason=reason) for name, reason in out.items())
    hint = N_("end what runs there, or name chips under [infer] devices to take them as they are")
    return NeedError("no chip is free: {reasons}", hint=hint, reasons=reasons)


def _refuse(table: DeviceTable, wanted: Sequence[int] | None) -> None:
    if not table.chips:
        cause = table.error.cause if table.error else line("npu-smi lists none")
        hint = table.error.fix.template if table.error else N_("see `npu-smi info`")
        raise NeedError("no chips: {cause}", hint=hint, cause=cause, **(table.error.fix.facts if table.error else {}))
    known = [chip.device_id for chip in table.chips if chip.device_id is not None]
    absent = sorted(set(wanted or ()) - set(known))
    if len(absent) > len(table.chips) - len(known):  # those without an id may be the ones that are named
        hint = N_("under [infer] devices, name some of {known}")
        ids, there = tuple(absent), tuple(sorted(known)) or line("none")
        raise InputError("there is no chip with the device id {ids}", hint=hint, ids=ids, known=there)


def _places(visible: str | None) -> dict[int, int] | None:
    """Device id to the number that CANN counts it by, under ASCEND_RT_VISIBLE_DEVICES; None where it is not set."""
    if not visible:
        return None
    listed = [int(part) for part in visible.split(",") if part.strip().isdigit()]
    return {number: place for place, number in enumerate(listed)}


def _reason(chip: Chip, processes: Sequence[ChipProcess], wanted: Sequence[int] | None) -> Line | None:
    if wanted is not None:
        return None if chip.device_id in wanted else line("not among infer.devices")
    return why_not_taken(chip, processes)
