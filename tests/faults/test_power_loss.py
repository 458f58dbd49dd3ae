"""The power goes at any moment: whatever was acknowledged is there, and nothing is there that was never written."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backends.data.clip_store import ClipStore
from backends.data.clip_writer import ClipWriter
from backends.data.score_rows import RowsWriter
from backends.engine.journal import Journal, JournalReader
from tests.faults import acknowledging
from tests.faults.powerloss import Op, disk_after, read_log
from tests.whole_rows import read_rows

HERE = Path(__file__).resolve().parent
SEED = 20261123
STEPS = 24


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Op]]:
    """What a process that writes rows, clips, a journal and files did, under a library that records it."""
    if sys.platform != "linux" or shutil.which("gcc") is None:
        pytest.skip("it needs Linux and gcc to record what a process writes")
    place = tmp_path_factory.mktemp("power")
    root, shim = place / "disk", place / "powerloss.so"
    root.mkdir()
    build = ["gcc", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(shim), str(HERE / "powerloss.c"), "-ldl"]
    subprocess.run(build, check=True)
    environment = {
        **os.environ,
        "LD_PRELOAD": str(shim),
        "R3D_POWERLOSS_ROOT": str(root),
        "R3D_POWERLOSS_LOG": str(place / "log"),
        "PYTHONPATH": str(HERE.parents[1]),
    }
    command = [sys.executable, "-m", "tests.faults.acknowledging", str(root), str(STEPS)]
    subprocess.run(command, env=environment, check=True, cwd=HERE.parents[1])
    return root, read_log(place / "log")


def acknowledged(ops: list[Op]) -> dict[str, int]:
    """The last number of each kind that was said aloud."""
    said = b"".join(op.data for op in ops if op.path.endswith("/acks")).decode().split()
    return dict(zip(said[::2], map(int, said[1::2]), strict=True))


def lay_out(content: dict[str, bytes], root: Path, place: Path) -> None:
    """The disk as it was found; SQLite's index in memory is not on it."""
    shutil.rmtree(place, ignore_errors=True)
    (place / "store").mkdir(parents=True)
    for path, data in content.items():
        if not path.endswith(("-shm", "/acks")):
            (place / Path(path).relative_to(root)).write_bytes(data)


def check(acks: dict[str, int], place: Path) -> None:
    """Everything acknowledged is there and right; what is there besides is right, too."""
    if "journal" in acks:
        reader_state = Journal(place / "journal.db")
        state = reader_state.state()
        reader_state.close(finished=False)
        reader = JournalReader(place / "journal.db")
        count = sum(1 for _ in reader.events())
        reader.close()
        assert count >= acks["journal"]
        assert state is not None
        assert count - 1 == len(state.notes)
    rows = RowsWriter.open_or_resume(place / "rows.bin", 5, "toy")
    assert [n for n in range(acks.get("rows", 0)) if n not in rows] == []
    rows.close()
    numbers, logits = read_rows(place / "rows.bin")
    expected = np.array([acknowledging.logits(n) for n in numbers], np.float32).reshape(-1, 5)
    assert np.array_equal(expected, logits)
    if "finished" in acks:
        store = ClipStore.open(place / "store")
        assert 2 * STEPS == store.clip_count == len([store.clip(n) for n in range(store.clip_count)])
    else:
        with ClipWriter.open_or_resume(place / "store", acknowledging.HEADER) as writer:
            assert [n for n in range(acks.get("clips", 0)) if writer.get(f"v{n}") is None] == []
    if "whole" in acks:
        assert json.loads((place / "whole.json").read_bytes())["step"] >= acks["whole"]


def losses(recorded: tuple[Path, list[Op]], place: Path, times: int, seed: int) -> list[str]:
    """What was lost or wrong, of `times` random moments at which the power goes."""
    root, ops = recorded
    chance = random.Random(seed)
    found = []
    for _ in range(times):
        cut = chance.randint(0, len(ops))
        lay_out(disk_after(ops[:cut], chance), root, place)
        try:
            check(acknowledged(ops[:cut]), place)
        except Exception as error:  # noqa: BLE001 - a reader that raises has lost what it was to read
            found.append(f"power lost after {cut} of {len(ops)} steps, seed {seed}: {error!r}")
    return found


def test_no_acknowledged_row_event_or_clip_is_lost(recorded: tuple[Path, list[Op]], tmp_path: Path) -> None:
    """At 60 random moments, with whatever was not synced lost, torn or there."""
    assert [] == losses(recorded, tmp_path / "d", 60, SEED)


@pytest.mark.soak
def test_no_acknowledged_row_event_or_clip_is_lost_at_2000_moments(
    recorded: tuple[Path, list[Op]], tmp_path: Path
) -> None:
    """The same, for long."""
    assert [] == losses(recorded, tmp_path / "d", 2000, SEED + 1)


def test_the_simulation_does_lose_what_was_not_synced(recorded: tuple[Path, list[Op]], tmp_path: Path) -> None:
    """Without the syncs of the record the same check fails: the test can fail."""
    root, ops = recorded
    careless = [op for op in ops if op.kind != "S"]
    assert [] != losses((root, careless), tmp_path / "d", 30, SEED)
