"""The sampler and its file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from backends.ascend.npu_names import parse_mapping, with_mapping
from backends.ascend.npu_smi import parse_info
from backends.core.device_samples import read_samples
from backends.core.processes import child_environment
from backends.core.values import DeviceTable, ToolFailure
from backends.monitor.sampler import NpuSampler, npu_samples, period


def test_chips_become_samples_with_their_processes(output: Callable[[str], str]) -> None:
    """Named by logic id; what the tool does not say stays None; an ill chip says so; others are left out."""
    table = parse_info(output("310P3_duo_driver_24.1"))
    first, second, third = npu_samples(table, None, (), 5.0)
    assert ("npu:0", "npu:1", "npu:2") == (first.device, second.device, third.device)
    assert (None, 36.0, 0.0, 16302, 44280, 2) == (
        first.power_w,
        first.temp_c,
        first.busy_percent,
        first.memory_used_mb,
        first.memory_total_mb,
        first.processes,
    )
    assert "npu-smi reports Alarm" == str(third.trouble)
    assert ["npu:1"] == [s.device for s in npu_samples(table, frozenset({1}), (), 5.0)]


def test_the_power_of_a_card_is_told_of_each_of_its_chips(output: Callable[[str], str]) -> None:
    """An A3 prints it on the first chip only, which need not be in the run; a chip's own power is no card's."""
    table = with_mapping(parse_info(output("A3_driver_25.3")), parse_mapping(output("mapping_logic_phy")))
    assert [("npu:0", 166.9, 166.9), ("npu:1", None, 166.9)] == [
        (s.device, s.power_w, s.card_power_w) for s in npu_samples(table, None, (), 5.0)
    ]
    assert [("npu:1", 166.9)] == [(s.device, s.card_power_w) for s in npu_samples(table, frozenset({1}), (), 5.0)]
    for name in ("310_driver_20.2", "310P3_duo_driver_24.1", "910x_driver_24.1"):
        assert {None} == {s.card_power_w for s in npu_samples(parse_info(output(name)), None, (), 5.0)}


def test_a_failing_tool_leaves_devices_unknown_with_the_reason(output: Callable[[str], str]) -> None:
    """Each device that was known is told, without figures; a chip that vanished too."""
    table = parse_info(output("310P3_duo_driver_24.1"))
    known = npu_samples(table, None, (), 5.0)
    broken = npu_samples(DeviceTable("live", ToolFailure("timeout", "no answer")), None, known, 6.0)
    assert [("npu:0", None), ("npu:1", None), ("npu:2", None)] == [(s.device, s.temp_c) for s in broken]
    assert "npu-smi: no answer" == str(broken[0].trouble)
    fewer = npu_samples(replace(table, chips=table.chips[:2]), None, known, 7.0)
    assert "does not list this chip" in str(fewer[2].trouble)
    assert ["npu"] == [s.device for s in npu_samples(DeviceTable("live", ToolFailure(None, "gone")), None, (), 8.0)]


def test_a_tool_that_comes_back_is_read_again(fake_smi: Callable[[str], Path], tmp_path: Path) -> None:
    """One failure is a reading without figures, not the end."""
    flag = tmp_path / "broken"
    fake_smi(
        f"import os\nif os.path.exists({str(flag)!r}): print('dcmi module initialize failed. ret is -8005')\n"
        "else: show('310P3_driver_22.0')"
    )
    sampler = NpuSampler(None)
    assert [50.0] == [s.temp_c for s in sampler.sample()]
    flag.touch()
    (broken,) = sampler.sample()
    assert ("npu:0", None) == (broken.device, broken.temp_c)
    assert "HwHiAiUser" in str(broken.trouble)
    flag.unlink()
    assert [50.0] == [s.temp_c for s in sampler.sample()]


def _start(path: Path, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "backends.monitor.sampler", *arguments, str(path)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, env=child_environment(path.parent), start_new_session=True)


def _wait(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 20
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_the_process_samples_until_its_lifeline_is_cut(tmp_path: Path) -> None:
    """It writes readings by itself, and ends when its standard input does."""
    path = tmp_path / "samples.jsonl"
    process = _start(path, "--target", "cpu", "--devices", "0,1")
    try:
        assert _wait(lambda: any(s.busy_percent is not None for s in read_samples(path)))
        assert process.stdin is not None
        process.stdin.close()
        assert -signal.SIGKILL == process.wait(10)
    finally:
        process.kill()
        process.wait()
    assert ["cpu:0", "cpu:1"] == [s.device for s in read_samples(path)]


def test_a_hanging_tool_ends_with_the_process(fake_smi: Callable[[str], Path], tmp_path: Path) -> None:
    """npu-smi is in the sampler's group, so nothing stays when that is killed."""
    pid = tmp_path / "pid"
    fake_smi(f"import os\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)")
    process = _start(tmp_path / "samples.jsonl", "--target", "ascend")
    try:
        assert _wait(lambda: pid.exists() and pid.read_text() != "")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        child = Path(f"/proc/{pid.read_text()}/stat")
        assert _wait(lambda: not child.exists() or child.read_text().rpartition(")")[2].split()[0] == "Z")
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.kill()
        process.wait()


def test_a_console_that_is_left_open_reads_the_chips_less_often() -> None:
    """Every 4 s in the first minute, then every 12; a run is sampled at its own pace from start to end."""
    assert [4.0, 4.0, 12.0, 12.0] == [period("ascend", done, watched=True) for done in (1, 14, 15, 900)]
    assert [2.0, 2.0] == [period("ascend", done, watched=False) for done in (1, 900)]
    assert 1.0 == period("cpu", 900, watched=False)
