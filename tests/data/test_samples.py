"""The file of device samples."""

from __future__ import annotations

import itertools
from pathlib import Path

from backends.core.device_samples import SampleFile, SampleTail, read_history, read_samples
from backends.core.values import DeviceSample


def _reading(at: float, *devices: str) -> list[DeviceSample]:
    return [DeviceSample(device, at, name="x" * 40, busy_percent=at % 100) for device in devices]


def test_the_latest_reading_of_each_device_is_given(tmp_path: Path) -> None:
    """In the writer's order, without what is being written."""
    path = tmp_path / "samples.jsonl"
    assert () == read_samples(path)
    file = SampleFile(path)
    for at in (1.0, 2.0, 3.0):
        file.append(_reading(at, "cpu:1", "cpu:0"))
    file.close()
    with path.open("a") as tail:
        tail.write('{"device":"cpu:9","at":4')
    assert [("cpu:1", 3.0), ("cpu:0", 3.0)] == [(s.device, s.at) for s in read_samples(path)]
    assert [2.0, 2.0, 3.0, 3.0] == [s.at for s in read_history(path, since=1.0)]


def test_a_file_with_a_torn_end_is_gone_on_with(tmp_path: Path) -> None:
    """A writer that was killed inside a line costs that line only."""
    path = tmp_path / "samples.jsonl"
    path.write_text('{"device":"cpu:0","at":1.0}\n{"device":"cpu:0","a')
    file = SampleFile(path)
    file.append(_reading(2.0, "cpu:0"))
    file.close()
    assert [1.0, 2.0] == [s.at for s in read_history(path)]


def test_the_file_stays_bounded_and_keeps_the_whole_run(tmp_path: Path) -> None:
    """The older, the coarser; the newest readings are all there; every reading is whole."""
    path = tmp_path / "samples.jsonl"
    file = SampleFile(path, limit=50_000)
    for at in range(3000):
        file.append(_reading(float(at), "npu:0", "npu:1"))
        assert path.stat().st_size <= 50_000
    file.close()
    times = [s.at for s in read_history(path, since=-1.0)]
    assert all(times.count(at) == 2 for at in set(times))
    assert times[-40:] == [float(at) for at in range(2980, 3000) for _ in (0, 1)]
    assert 1.0 >= times[0]
    assert max(later - earlier for earlier, later in itertools.pairwise(times)) < 200


def test_a_limit_below_one_reading_is_no_endless_loop(tmp_path: Path) -> None:
    """Hundreds of devices and a small limit: the newest reading is there."""
    path = tmp_path / "samples.jsonl"
    file = SampleFile(path, limit=1_000)
    for at in range(20):
        file.append(_reading(float(at), *(f"npu:{n}" for n in range(64))))
    file.close()
    assert {19.0} == {s.at for s in read_samples(path)}


def test_a_tail_gives_each_reading_once(tmp_path: Path) -> None:
    """What was written before it began is passed over; a line in the making is given once it is whole."""
    path = tmp_path / "samples.jsonl"
    file = SampleFile(path)
    file.append(_reading(1.0, "npu:0"))
    tail = SampleTail(path)
    assert [] == tail.new()
    file.append(_reading(2.0, "npu:0", "npu:1"))
    with path.open("a") as half:
        half.write('{"device":"npu:0","at":3')
    assert [("npu:0", 2.0), ("npu:1", 2.0)] == [(s.device, s.at) for s in tail.new()]
    with path.open("a") as half:
        half.write(".0}\n")
    assert [("npu:0", 3.0)] == [(s.device, s.at) for s in tail.new()]
    assert [] == tail.new()


def test_a_tail_survives_a_file_that_is_not_there_and_one_that_is_thinned(tmp_path: Path) -> None:
    """It waits for the file; a file that was replaced is read from its beginning, without what was given already."""
    path = tmp_path / "samples.jsonl"
    tail = SampleTail(path)
    assert [] == tail.new()
    file = SampleFile(path, limit=5_000)
    given: list[float] = []
    for at in range(200):
        file.append(_reading(float(at), "npu:0"))
        given += [sample.at for sample in tail.new()]
    assert [float(at) for at in range(200)] == given
