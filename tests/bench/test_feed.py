"""The bench of feeding: what it feeds is what a store holds. Equality is tested here, speed is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backends.data.clip_store import ClipStore
from backends.data.clip_writer import ClipWriter
from backends.device.clip_format import ClipHeader
from bench.feed import Around, Cost, cores_needed, read_costs, run_chips
from bench.null_loop import PUBLISHED, sample


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Twelve clips of noise."""
    header = ClipHeader()
    noise = np.random.default_rng(0).integers(0, 256, (12, *header.shape)).astype(np.uint8)
    with ClipWriter.open_or_resume(tmp_path / "store", header) as writer:
        writer.append("noise", "wave", (1, 193), 12, noise.data)
        writer.finish(["noise"])
    return tmp_path / "store"


def test_a_small_store_is_read_round_and_round(store: Path) -> None:
    """Clip n is the store's clip n modulo its clips, and there are as many as HMDB51 would have."""
    around = Around.open(store / "checked-20")
    assert sum(sample(20)) == around.clip_count == around.videos[-1].first + around.videos[-1].clips
    out = np.empty((3, *around.header.shape), np.uint8)
    around.batch([1, 12, 25], out)
    whole = ClipStore.open(store)
    assert all(np.array_equal(whole.clip(number), out[place]) for place, number in enumerate((1, 0, 1)))


def test_a_damaged_clip_is_found_only_where_it_is_looked_for(store: Path) -> None:
    """The two ways of reading that are compared differ in the checksums and in nothing else."""
    shard = store / "clips-00000.u8"
    with shard.open("r+b") as file:
        file.write(b"\xff\xff\xff\xff")
    out = np.empty((1, 3, 16, 112, 112), np.uint8)
    Around.open(store / "unchecked-1").batch([0], out)
    assert [255] * 4 == out.reshape(-1)[:4].tolist()
    with pytest.raises(Exception, match="does not match its checksum"):
        Around.open(store / "checked-1").batch([0], out)


@pytest.mark.parametrize("through", ["null", "acl"])
@pytest.mark.parametrize("kind", ["float32", "uint8"])
def test_chips_are_fed_through_the_stage_itself(store: Path, kind: str, through: str) -> None:
    """Every clip is read, computed and counted, floats and bytes alike; pyACL's stand-in saw no wrong call."""
    if through == "acl":
        pytest.importorskip("onnxruntime")
    run = run_chips(store, "310P", 2, kind, True, through, seconds=0.05)  # type: ignore[arg-type]
    assert (2, sum(sample(run.videos))) == (run.devices, run.clips)
    assert run.batches == -(-run.clips // 10)
    assert 0 < run.busy <= 1
    assert run.busy_at_work is not None
    assert 0 < run.busy_at_work < 1.1


def test_costs_are_said_as_cores(store: Path) -> None:
    """A clip of a millisecond at the published rate."""
    costs = read_costs(store, rounds=1)
    assert ["batches", "batches_unchecked", "bytes", "bytes_unchecked"] == [cost.name for cost in costs]
    cost = Cost("x", costs[0].what, 0.001)
    assert 1000 == cost.clips_per_core_s
    assert pytest.approx(8 * PUBLISHED["310"] / 1000) == cores_needed(0.001, "310", 8)
