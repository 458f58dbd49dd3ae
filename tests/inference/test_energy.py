"""Energy a clip, from readings of power and times at work."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from backends.core.device_samples import SampleFile
from backends.core.events import DeviceProgress
from backends.core.values import DeviceSample
from backends.device.model_runtime import DeviceSpec
from backends.monitor.energy import Energy, EnergyMeter
from tests.inference.rig import CLASSES, CLIPS, Rig


def _readings(device: str, watts: Sequence[float | None], begin: float = 0.0, step: float = 2.0, **more: float | None):
    return [
        DeviceSample(device, begin + step * place, power_w=value, temp_c=40.0, **more)  # type: ignore[arg-type]
        for place, value in enumerate(watts)
    ]


def test_power_is_integrated_over_the_time_at_work() -> None:
    """Readings before and after it do not count; the first in it is held back to its begin, the last on to its end."""
    energy = Energy({"npu:0": None})
    energy.state("npu:0", "loading", 0.0)
    energy.state("npu:0", "working", 3.0)
    energy.state("npu:0", "done", 9.0)
    energy.read(_readings("npu:0", (500.0, 500.0, 10.0, 20.0, 30.0, 500.0)))  # at 0, 2, 4, 6, 8, 10 s
    joules = 10.0 * 1 + 15.0 * 2 + 25.0 * 2 + 30.0 * 1
    assert {"joules": joules, "joules_per_clip": joules / 60, "energy": "measured"} == energy.figures({"npu:0": 60}, 99)
    assert joules / 60 == energy.per_clip("npu:0", {"npu:0": 60}, 99)


def test_a_figure_stands_while_the_run_goes_on() -> None:
    """The last reading is held on to now."""
    energy = Energy({"npu:0": None})
    energy.state("npu:0", "working", 0.0)
    energy.state("npu:0", "idle", 3.0)
    energy.read(_readings("npu:0", (10.0, 20.0)))
    assert 30.0 + 20.0 * 1 == energy.figures({"npu:0": 1}, 3.0)["joules"]


def test_a_chip_without_power_gives_no_figure() -> None:
    """What npu-smi does not print is not measured, and the reason is said."""
    energy = Energy({"npu:0": "1"})
    energy.state("npu:0", "working", 0.0)
    energy.read(_readings("npu:0", (None, None, None)))
    assert {"joules": None, "joules_per_clip": None, "energy": "no_power"} == energy.figures({"npu:0": 5}, 6.0)
    assert energy.per_clip("npu:0", {"npu:0": 5}, 6.0) is None


def test_one_chip_without_power_among_others_gives_no_total() -> None:
    """A sum that leaves a chip out would be too small; the others keep their own figures."""
    energy = Energy({"npu:0": "1", "npu:1": "2"})
    for device in ("npu:0", "npu:1"):
        energy.state(device, "working", 0.0)
    energy.read([*_readings("npu:0", (10.0, 10.0)), *_readings("npu:1", (None, None))])
    clips = {"npu:0": 4, "npu:1": 4}
    assert {"joules": None, "joules_per_clip": None, "energy": "no_power"} == energy.figures(clips, 2.0)
    assert 5.0 == energy.per_clip("npu:0", clips, 2.0)
    assert energy.per_clip("npu:1", clips, 2.0) is None


def test_a_card_with_one_reading_counts_once() -> None:
    """Its chips share its energy by their clips; it counts while either works; both samples repeat the one reading."""
    energy = Energy({"npu:0": "5", "npu:1": "5"})
    energy.state("npu:0", "working", 0.0)
    energy.state("npu:1", "working", 2.0)
    energy.state("npu:0", "retired", 4.0)
    for at, watts in ((0.0, 100.0), (2.0, 200.0), (4.0, 200.0), (6.0, 200.0)):
        energy.read([DeviceSample("npu:0", at, power_w=watts, card_power_w=watts)])
        energy.read([DeviceSample("npu:1", at, card_power_w=watts)])
    clips, joules = {"npu:0": 10, "npu:1": 40}, 300.0 + 400.0 + 400.0
    assert {"joules": joules, "joules_per_clip": joules / 50, "energy": "measured"} == energy.figures(clips, 6.0)
    assert [joules / 50] * 2 == [energy.per_clip(device, clips, 6.0) for device in clips]


def test_time_out_of_the_run_does_not_count() -> None:
    """A chip that was taken out and put back costs the run nothing between."""
    energy = Energy({"npu:0": None})
    for state, at in (("working", 0.0), ("out", 4.0), ("loading", 100.0), ("working", 101.0), ("done", 105.0)):
        energy.state("npu:0", state, at)
    energy.read(_readings("npu:0", (10.0,) * 60))
    assert 10.0 * (4 + 4) == pytest.approx(energy.figures({"npu:0": 1}, 200.0)["joules"])


@pytest.mark.parametrize(
    ("times", "basis"), [((1.0,), "few_readings"), ((), "few_readings"), ((1.0, 58.0), "gaps"), ((1, 14, 28), "gaps")]
)
def test_too_few_readings_give_no_figure(times: Sequence[float], basis: str) -> None:
    """A hanging npu-smi leaves times that nobody measured."""
    energy = Energy({"npu:0": None})
    energy.state("npu:0", "working", 0.0)
    energy.read([DeviceSample("npu:0", at, power_w=10.0) for at in times])
    assert {"joules": None, "joules_per_clip": None, "energy": basis} == energy.figures({"npu:0": 9}, 60.0)


def test_the_meter_follows_the_sampler_s_file(tmp_path: Path) -> None:
    """Readings of before do not count; without a file there is no figure."""
    path = tmp_path / "samples.jsonl"
    file = SampleFile(path)
    file.append([DeviceSample("npu:0", time.time(), power_w=999.0)])
    meter, none = (EnergyMeter(given, [DeviceSpec("npu:0")]) for given in (path, None))
    for one in (meter, none):
        one.state("npu:0", "working")
    begun = time.time()
    for _ in range(3):
        file.append([DeviceSample("npu:0", time.time(), power_w=100.0)])
        time.sleep(0.01)
    found = meter.figures({"npu:0": 2})
    assert "measured" == found["energy"]
    assert 0.0 < float(found["joules"] or 0) <= 100.0 * (time.time() - begun)
    assert meter.per_clip("npu:0", {"npu:0": 2}) is not None
    assert "few_readings" == none.figures({"npu:0": 2})["energy"]


class _Powered(Rig):
    def request(self, params, tuning=None):
        return replace(super().request(params, tuning), samples=self.folder / "samples.jsonl")


@pytest.mark.parametrize("loops", [1, 3])
def test_a_run_gives_energy_a_clip(tmp_path: Path, store: Path, model: Path, loops: int) -> None:
    """Live and at the end, of each device and of all, where its sampler reads power; clips of every loop count."""
    rig, over = _Powered(tmp_path / "stage", store, model), threading.Event()
    file = SampleFile(rig.folder / "samples.jsonl")

    def sample() -> None:
        while not over.wait(0.005):
            file.append([DeviceSample(f"cpu:{n}", time.time(), power_w=50.0, temp_c=40.0) for n in (0, 1)])

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        params = {"entry": "tests.inference.faulty:Faulty", "runtime": "faulty", "batch": 2}
        params["options"] = {"classes": CLASSES, "latency_s": 0.05}
        figures = rig.infer(params, {"devices": [0, 1], "sync_s": 0.02, "loops": loops}).figures
    finally:
        over.set()
        thread.join()
    assert "measured" == figures["energy"]
    assert figures["joules_per_clip"] == pytest.approx(float(figures["joules"] or 0) / CLIPS / loops)
    assert 0 < float(figures["joules"] or 0) < 2 * 50.0 * float(figures["seconds"] or 0) * 1.2
    last = {event.device: event for event in rig.events if isinstance(event, DeviceProgress)}
    assert all(tick.joules_per_clip for tick in last.values() if tick.clips)
    assert "measured" == rig.progress[-1].figures["energy"]
