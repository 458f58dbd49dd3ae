"""Groups of cores as devices."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backends.monitor import cpu_groups


def test_cores_are_shared_out_in_equal_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only those that this process may use; every core once."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {2, 3, 5, 7, 8})
    assert [("cpu:0", (2, 3, 5, 7, 8))] == [(g.id, g.cores) for g in cpu_groups.cpu_devices()]
    assert [("cpu:0", (2, 3)), ("cpu:1", (5, 7, 8))] == [(g.id, g.cores) for g in cpu_groups.cpu_devices((0, 1))]


def test_more_devices_than_cores_share_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """No device is without a core."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {4})
    assert [(4,), (4,), (4,)] == [g.cores for g in cpu_groups.cpu_devices((0, 1, 2))]


def test_the_load_is_that_between_two_readings(tmp_path: Path) -> None:
    """Idle and waiting for disks count as idle; guest time, which user time holds already, is not counted twice."""
    (tmp_path / "stat").write_text("cpu  9 9 9 9\ncpu0 10 0 10 70 10 0 0 0 5 0\ncpu1 0 0 0 100 0 0 0 0 0 0\nintr 1\n")
    before = cpu_groups.read_ticks(tmp_path)
    assert {0: (20, 100), 1: (0, 100)} == before
    (tmp_path / "stat").write_text("cpu0 60 0 10 110 20 0 0 0 55 0\ncpu1 0 0 0 200 0 0 0 0 0 0\n")
    after = cpu_groups.read_ticks(tmp_path)
    assert 50.0 == cpu_groups.busy_percent((0,), before, after)
    assert 25.0 == cpu_groups.busy_percent((0, 1), before, after)


def test_a_load_that_cannot_be_told_is_none() -> None:
    """No time between the readings, a core that was taken away, no /proc."""
    assert cpu_groups.busy_percent((0,), {0: (1, 2)}, {0: (1, 2)}) is None
    assert cpu_groups.busy_percent((0, 1), {0: (1, 2), 1: (1, 2)}, {0: (2, 4)}) is None
    assert {} == cpu_groups.read_ticks(Path("/nowhere"))


def test_memory_is_what_is_not_available(tmp_path: Path) -> None:
    """In MiB; None where the kernel does not say."""
    (tmp_path / "meminfo").write_text("MemTotal:        4096000 kB\nMemFree: 1 kB\nMemAvailable:    1024000 kB\n")
    assert (3000, 4000) == cpu_groups.memory_mb(tmp_path)
    assert (None, None) == cpu_groups.memory_mb(tmp_path / "none")


def test_the_processor_is_named_on_x86_and_on_arm(tmp_path: Path) -> None:
    """The kernel's own words, else the architecture."""
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Some  CPU @ 2.0\n")
    assert "Some CPU @ 2.0" == cpu_groups.processor(tmp_path)
    assert os.uname().machine == cpu_groups.processor(tmp_path / "none")


def test_only_the_processors_sensors_are_read(tmp_path: Path) -> None:
    """The warmest of them; a disk's does not count; none is None."""
    for name, kind, value in (("hwmon0", "nvme", "90000"), ("hwmon1", "coretemp", "51500")):
        folder = tmp_path / "class" / "hwmon" / name
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{kind}\n")
        (folder / "temp1_input").write_text(f"{value}\n")
    assert 51.5 == cpu_groups.temperature(tmp_path)
    assert cpu_groups.temperature(tmp_path / "none") is None


def test_a_sampler_reads_this_machine() -> None:
    """Every group at once, of one time, with a name and memory."""
    sampler = cpu_groups.CpuSampler(cpu_groups.cpu_devices((0, 1)))
    first, second = sampler.sample()
    assert ("cpu:0", "cpu:1") == (first.device, second.device)
    assert first.at == second.at
    assert first.name
    assert first.power_w is None
    assert first.memory_total_mb is None or first.memory_total_mb > 0
