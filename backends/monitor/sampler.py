"""`python -m backends.monitor.sampler --target T [--devices 0,1] FILE`: sample the devices of a run until it ends.

A companion of the engine, in a process of its own, so that a hanging npu-smi holds nothing else up. Its standard
input is its lifeline: at the end of it, it ends with its group. It is the only one to poll npu-smi.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from backends.ascend.chip_query import processes_of, used_by, why_not_taken
from backends.ascend.npu_names import live_ids, parse_mapping
from backends.ascend.npu_smi_calls import call, read_table
from backends.core.codec import dumps, loads
from backends.core.device_samples import SampleFile
from backends.core.messages import Line, line
from backends.core.processes import die_with_parent, end_group_with
from backends.core.values import Chip, ChipProcess, DeviceSample, DeviceTable
from backends.monitor.cpu_groups import CpuSampler, cpu_devices

PERIOD_S = {"cpu": 1.0, "ascend": 2.0}
"""Between the beginnings of two readings."""
CALM_S = 4.0
"""The same where only somebody looks at the chips and nothing runs."""
RESTING_S, RESTING_AFTER = 12.0, 15
"""The same once so many readings were shown to somebody: a console that is left open must cost the machine little."""
LIMIT_S = 10.0
"""For one npu-smi; a full report of eight chips was seen to take 5.4 s."""


def npu_samples(
    table: DeviceTable, wanted: frozenset[int] | None, known: Sequence[DeviceSample], at: float
) -> tuple[DeviceSample, ...]:
    """A reading of each wanted chip. What the last readings had and this one lacks is given with the reason."""
    cards = _card_powers(table.chips)
    found = [
        _chip_sample(chip, table.processes, at, cards.get(chip.npu_id))
        for chip in table.chips
        if wanted is None or chip.device_id is None or chip.device_id in wanted
    ]
    here = {sample.device for sample in found}
    lost = [sample for sample in known if sample.device not in here]
    if table.error:
        cause = table.error.cause if table.error.cause.template else table.error.message
        trouble = line("npu-smi: {cause}", cause=cause)
        lost = lost or ([] if found else [DeviceSample("npu", at)])
    else:
        trouble = line("npu-smi does not list this chip any more")
    return (*found, *(DeviceSample(sample.device, at, sample.name, trouble=trouble) for sample in lost))


def _card_powers(chips: Sequence[Chip]) -> dict[int, float]:
    """Watts by NPU where only some of its chips have a reading: an A3's first chip has the card's, its second `-`."""
    found: dict[int, float] = {}
    for npu in {chip.npu_id for chip in chips}:
        powers = [chip.power_w for chip in chips if chip.npu_id == npu]
        told = [power for power in powers if power is not None]
        if told and len(told) < len(powers):
            found[npu] = sum(told)
    return found


def _chip_sample(
    chip: Chip, processes: Sequence[ChipProcess], at: float, card_power_w: float | None = None
) -> DeviceSample:
    mine = processes_of(chip, processes)
    bad = chip.health is not None and chip.health != "OK"
    return DeviceSample(
        device=chip.device,
        at=at,
        name=chip.name or "",
        health=chip.health,
        power_w=chip.power_w,
        card_power_w=card_power_w,
        temp_c=chip.temp_c,
        busy_percent=chip.aicore_percent,
        memory_used_mb=chip.memory_used_mb,
        memory_total_mb=chip.memory_total_mb,
        processes=len({entry.pid for entry in mine}),
        trouble=line("npu-smi reports {health}", health=chip.health) if bad else Line(""),
        used_by=used_by(chip, processes),
        not_taken=why_not_taken(chip, processes) or Line(""),
    )


class NpuSampler:
    """Readings of chips by one npu-smi after the other; never raises."""

    def __init__(self, devices: tuple[int, ...] | None) -> None:
        self._wanted = None if devices is None else frozenset(devices)
        self._mapping = parse_mapping("")
        self._asked = False
        self._last: tuple[DeviceSample, ...] = ()

    def sample(self) -> tuple[DeviceSample, ...]:
        """One reading of each chip, all of one time: that at which npu-smi had answered."""
        table = read_table(LIMIT_S, own_group=False)
        if not self._asked and any(chip.device_id is None for chip in table.chips):
            self._mapping = parse_mapping(call(("info", "-m"), LIMIT_S, own_group=False).text)
            self._asked = True
        table = live_ids(table, self._mapping)
        known = tuple(sample for sample in self._last if sample.device != "npu")
        self._last = npu_samples(table, self._wanted, known, time.time())
        return self._last


class LineOutput:
    """Writes each reading as one line on standard output, for a front end that shows the devices before any run."""

    def append(self, samples: Sequence[DeviceSample]) -> None:
        """One reading of all devices. BrokenPipeError where nobody reads any more."""
        sys.stdout.write(dumps(tuple(samples)) + "\n")
        sys.stdout.flush()


def from_line(text: bytes) -> tuple[DeviceSample, ...]:
    """The reading that `LineOutput` wrote."""
    return loads(tuple[DeviceSample, ...], text)


def period(target: str, done: int, *, watched: bool) -> float:
    """Seconds to the next reading; `watched`: for a front end that shows the devices while nothing runs."""
    if not watched:
        return PERIOD_S[target]
    return CALM_S if done < RESTING_AFTER else RESTING_S


def follow(
    file: SampleFile | LineOutput,
    sample: Callable[[], Sequence[DeviceSample]],
    period_s: Callable[[int], float],
    rounds: int = 0,
) -> None:
    """Write a reading each period; `rounds` of them, or without end. A slow reading delays the next, none piles up."""
    due = time.monotonic()
    done = 0
    while not rounds or done < rounds:
        file.append(sample())
        done += 1
        due = max(due + period_s(done), time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="backends.monitor.sampler")
    parser.add_argument("--target", choices=tuple(PERIOD_S), default="cpu")
    parser.add_argument("--devices", default=None, help="ids, such as 0,1")
    parser.add_argument("file", type=Path, help="- for lines on standard output")
    given = parser.parse_args(arguments)
    devices = tuple(int(number) for number in given.devices.split(",")) if given.devices else None
    die_with_parent()
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)  # the lifeline ends the group that this process leads
    end_group_with(sys.stdin.buffer)
    sampler = CpuSampler(cpu_devices(devices)) if given.target == "cpu" else NpuSampler(devices)
    output = LineOutput() if str(given.file) == "-" else SampleFile(given.file)
    follow(output, sampler.sample, partial(period, given.target, watched=isinstance(output, LineOutput)))
    return 0


if __name__ == "__main__":
    os.nice(5)
    sys.exit(main())
