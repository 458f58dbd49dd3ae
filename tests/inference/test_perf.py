"""Pure inference measured: what it says is what the devices took. Equality is tested here, speed is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backends.core.messages import InputError, NeedError, StageError
from backends.core.processes import leftovers
from backends.device.model_runtime import DeviceSpec, RuntimeInfo
from backends.inference.pure_inference import WARM, measure, measure_tool, percentile
from backends.inference.runtime_registry import Chosen
from tests.inference.ais_rig import AisRig, make_om
from tests.inference.rig import CLASSES, CLIPS

NULL = "backends.inference.runtimes.null:Null"


def known(name: str, entry: str) -> Chosen:
    """A runtime as a run chooses it."""
    return Chosen(RuntimeInfo(name, entry, "", ("cpu",)))


def devices(count: int, **options: Any) -> list[DeviceSpec]:
    return [DeviceSpec(f"cpu:{n}", n, (), {"classes": CLASSES, **options}) for n in range(count)]


def null(tmp_path: Path, count: int = 1, loop: int = 5, **more: Any) -> Any:
    found = measure(known("null", NULL), tmp_path, devices(count, latency_s=0.02), tmp_path, batch=2, loop=loop, **more)
    assert [] == list(leftovers(tmp_path))
    return found


def test_each_device_alone_and_all_together(tmp_path: Path) -> None:
    """Every device gives `loop` batches, and no batch is faster than the device."""
    perf = null(tmp_path, 2)
    assert ["cpu:0", "cpu:1"] == [row.device for row in perf.alone] == [row.device for row in perf.together]
    for row in (*perf.alone, *perf.together):
        assert 5 == row.batches
        assert 20 <= row.median_ms <= row.p95_ms
        assert pytest.approx(2000 / row.mean_ms) == row.compute_clips_per_s
        assert row.clips_per_s is not None
        assert row.clips_per_s <= 100
    assert ("null 1", (), None) == (perf.version, perf.end_to_end, perf.total(perf.end_to_end))
    assert pytest.approx(sum(row.clips_per_s for row in perf.together)) == perf.total(perf.together)


def test_one_device_is_measured_once(tmp_path: Path) -> None:
    """Alone and together are the same."""
    perf = null(tmp_path)
    assert perf.alone is perf.together or perf.alone == perf.together


def test_the_warm_up_does_not_count(tmp_path: Path) -> None:
    """The first batches of a measurement are slow as the first ones are; they are in no figure."""
    perf = null(tmp_path, loop=1)
    assert (1, perf.alone[0].median_ms) == (perf.alone[0].batches, perf.alone[0].p95_ms)
    assert WARM >= 1


def test_end_to_end_reads_the_store(tmp_path: Path, store: Path) -> None:
    """Real clips, round and round where the store is small."""
    perf = null(tmp_path, 2, loop=15, store=store, clips=CLIPS)
    assert [15, 15] == [row.batches for row in perf.end_to_end]


def test_a_real_runtime_is_measured_like_any_other(tmp_path: Path, model: Path) -> None:
    """ONNX Runtime on a model of its own."""
    pytest.importorskip("onnxruntime")
    entry = "backends.inference.runtimes.onnxruntime:OnnxRuntime"
    perf = measure(known("onnxruntime", entry), model, [DeviceSpec("cpu:0", 0, (0,))], tmp_path, batch=10, loop=3)
    assert perf.version.startswith("onnxruntime ")
    assert perf.alone[0].median_ms > 0


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"fault": "error", "at": 3}, StageError, "cpu:0: .*aicore exception"),
        ({"fault": "exit", "at": 3}, StageError, "exit code 9"),
        ({"fault": "input"}, InputError, "not a model"),
        ({"fault": "open"}, StageError, "the device is busy"),
    ],
    ids=lambda value: value["fault"] if isinstance(value, dict) else "",
)
def test_a_device_that_fails_is_told_and_nothing_is_left(
    tmp_path: Path, options: dict[str, Any], kind: type[Exception], words: str
) -> None:
    """In one line, with the device; the others are ended too."""
    with pytest.raises(kind, match=words):
        measure(
            known("faulty", "tests.inference.faulty:Faulty"), tmp_path, devices(2, **options), tmp_path, batch=2, loop=5
        )
    assert [] == list(leftovers(tmp_path))


def test_the_percentile_is_a_value_that_was_measured() -> None:
    """No interpolation."""
    assert 19 == percentile(list(range(20)), 0.95)
    assert 5 == percentile([5], 0.95)


def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, generation: str = "E", **environment: str) -> AisRig:
    made = AisRig(tmp_path / "stage", tmp_path, tmp_path).use(monkeypatch, generation, **environment)
    make_om(tmp_path / "model.om")
    return made


@pytest.mark.parametrize("generation", ["A", "E"])
def test_the_tool_measures_itself_by_the_guides_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, generation: str
) -> None:
    """`--loop`, no input, each chip alone, then all together; the figures are the tool's own."""
    made = rig(tmp_path, monkeypatch, generation, LATENCY="0.01")
    chips = [DeviceSpec(f"npu:{n}", n, (), {}, "310P3") for n in range(2)]
    perf = measure_tool(tmp_path / "model.om", chips, tmp_path, given=made.ais_bench, batch=2, loop=20)
    assert [20] * 4 == [row.batches for row in (*perf.alone, *perf.together)]
    assert all(row.median_ms >= 10 for row in perf.together)
    assert {generation == "A"} == {row.p95_ms is None for row in perf.alone}
    assert pytest.approx(2000 / perf.alone[0].mean_ms) == perf.alone[0].compute_clips_per_s
    assert [0, 0, 1, 1] == sorted(int(call["argv"][call["argv"].index("--device") + 1]) for call in made.calls)
    assert all("--input" not in call["argv"] for call in made.calls)
    assert [] == list(leftovers(tmp_path))


def test_a_tool_that_fails_is_told_with_its_chip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own words and the fix; without the tool it is a need."""
    made = rig(tmp_path, monkeypatch)
    made.faults({"kind": "load", "device": 1})
    chips = [DeviceSpec(f"npu:{n}", n) for n in range(2)]
    with pytest.raises(StageError, match="npu:1: the model cannot be loaded"):
        measure_tool(tmp_path / "model.om", chips, tmp_path, given=made.ais_bench, batch=2)
    monkeypatch.delenv("PYTHONPATH")
    with pytest.raises(NeedError, match="ais_bench does not run"):
        measure_tool(tmp_path / "model.om", chips, tmp_path, batch=2)
