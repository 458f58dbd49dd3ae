"""Groups of cores as devices: which cores, what processor, how busy, from Linux's /proc and /sys; None where silent.

A group's memory is the whole machine's, for cores have none of their own.
"""

import os
import platform
import re
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

from backends.core.messages import InputError, Line, Scalar, line
from backends.core.values import DeviceSample
from backends.device.model_runtime import DeviceSpec

PROC = Path("/proc")
SYS = Path("/sys")
_PROCESSOR_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal")

Ticks = Mapping[int, tuple[int, int]]
"""Core number to (busy, all) clock ticks since boot."""


def cpu_devices(
    wanted: Sequence[int] | None = None, options: Mapping[str, str | float | int | None] | None = None
) -> tuple[DeviceSpec, ...]:
    """`cpu:<n>` for each of the ids `wanted` (None: one of all cores): the cores this process may use, in equal runs.

    Where there are more devices than cores they share. InputError where none is wanted.
    """
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    ids = tuple(dict.fromkeys(wanted if wanted is not None else (0,)))
    if not ids:
        raise InputError("infer.devices is empty", hint="give ids such as [0, 1], or leave it out")
    groups = [tuple(cores[i * len(cores) // len(ids) : (i + 1) * len(cores) // len(ids)]) for i in range(len(ids))]
    return tuple(
        DeviceSpec(f"cpu:{number}", number, group or (cores[place % len(cores)],), options or {})
        for place, (number, group) in enumerate(zip(ids, groups, strict=True))
    )


def processor(proc: Path = PROC) -> str:
    """The processor's model as the kernel names it, else the machine's architecture."""
    text = _read(proc / "cpuinfo")
    found = re.search(r"^(?:model name|Hardware|Model)\s*:\s*(\S.*?)\s*$", text, re.MULTILINE)
    return re.sub(r"\s+", " ", found[1]) if found else platform.machine() or "cpu"


def read_ticks(proc: Path = PROC) -> dict[int, tuple[int, int]]:
    """Clock ticks of each core since boot; waiting for disks counts as idle, a guest's time once."""
    ticks: dict[int, tuple[int, int]] = {}
    for name, rest in re.findall(r"^cpu([0-9]{1,9}) ([0-9 ]+)$", _read(proc / "stat"), re.MULTILINE):
        values = [int(value[:18]) for value in rest.split()[:8]]  # guest time is in user time already
        if len(values) >= 4:
            idle = values[3] + (values[4] if len(values) > 4 else 0)
            ticks[int(name)] = (sum(values) - idle, sum(values))
    return ticks


def busy_percent(cores: tuple[int, ...], before: Ticks, after: Ticks) -> float | None:
    """Share of the cores' time in use between two readings, 0 to 100; None where no time passed or a core is gone."""
    if any(core not in before or core not in after for core in cores):
        return None
    busy = sum(after[core][0] - before[core][0] for core in cores)
    total = sum(after[core][1] - before[core][1] for core in cores)
    return min(100.0, max(0.0, 100.0 * busy / total)) if total > 0 else None


def memory_mb(proc: Path = PROC) -> tuple[int | None, int | None]:
    """(used, total) of the machine in MiB; used is what new programs cannot have."""
    fields = dict(re.findall(r"^(\w+):\s+([0-9]+) kB$", _read(proc / "meminfo"), re.MULTILINE))
    total, free = fields.get("MemTotal"), fields.get("MemAvailable")
    if total is None or free is None:
        return None, None if total is None else int(total) // 1024
    return (int(total) - int(free)) // 1024, int(total) // 1024


def temperature(sys: Path = SYS) -> float | None:
    """The warmest of the processor's sensors in degrees Celsius."""
    found = []
    for folder in sorted((sys / "class" / "hwmon").glob("hwmon*")):
        if _read(folder / "name").strip() in _PROCESSOR_SENSORS:
            found += [int(text) for path in folder.glob("temp*_input") if (text := _read(path).strip()).isdigit()]
    return max(found) / 1000 if found else None


class CpuSampler:
    """Readings of groups of cores; the load is that since the reading before, so the first has none."""

    def __init__(self, devices: Sequence[DeviceSpec]) -> None:
        self._devices, self._name = devices, processor()
        self._ticks: Ticks = read_ticks()

    def sample(self) -> tuple[DeviceSample, ...]:
        """One reading of each group, all of one time."""
        before, self._ticks = self._ticks, read_ticks()
        (used, total), temp, at = memory_mb(), temperature(), time.time()
        return tuple(
            DeviceSample(
                device=device.id,
                at=at,
                name=self._name,
                temp_c=temp,
                busy_percent=busy_percent(device.cores, before, self._ticks),
                memory_used_mb=used,
                memory_total_mb=total,
            )
            for device in self._devices
        )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def load_note(found: Mapping[str, Scalar]) -> tuple[Line, ...]:
    """A note where the machine had other work before the measurement began."""
    load, cores = found["load_before"], found["cores"]
    if not isinstance(load, float) or not isinstance(cores, int) or load < cores / 2:
        return ()
    return (
        line(
            "other work ran on this machine (load {load} on {cores} cores): times are too long", load=load, cores=cores
        ),
    )


def machine() -> dict[str, Scalar]:
    """What was measured on. A value that the system does not give is None."""
    _, memory = memory_mb()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "cpu": processor(),
        "cores": len(cpu_devices()[0].cores),
        "memory_mb": memory,
        "load_before": None if load is None else round(load, 2),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Of Python, of us, and of those packages that are installed."""
    found = {"python": platform.python_version()}
    for name in ("r3d-tui", *packages):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
