"""infer beside preprocess: rows of a store that is still being written are those of the finished one."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from backends.core.codec import encode
from backends.core.events import Outcome, StageNote
from backends.core.messages import Stopped
from backends.core.stage_request import Upstream
from backends.data.clip_store import ClipStore
from backends.data.clip_writer import ClipWriter
from backends.device.clip_format import INDEX, ClipHeader, shard_path
from backends.inference import followed_store
from backends.inference.followed_store import RECORD
from backends.inference.infer import run
from backends.worker.job import Job
from tests.inference.rig import CLASSES, CLIPS, VIDEOS, Rig

PARAMS = {"entry": "tests.inference.faulty:Faulty", "runtime": "faulty", "batch": 4, "options": {"classes": CLASSES}}
TUNING = {"devices": [0, 1], "sync_s": 0.02}
ALL = tuple(range(len(VIDEOS)))
Write = Callable[[Path, Job], None]


class Growing:
    """The stage beside a thread that writes the store, and settles it in the end as the engine does."""

    def __init__(self, rig: Rig, whole: Path) -> None:
        self.rig, self.source = rig, ClipStore.open(whole)
        self.store = rig.folder / "growing" / "store"
        self.notes: list[str] = []

    def infer(self, write: Write, params: Mapping[str, Any] = PARAMS) -> Outcome:
        """The stage's outcome; the thread has ended by then, and what it raised is raised."""
        request = self.rig.request(params, TUNING)
        grows = Upstream(self.store.parent, Outcome(outputs={"store": "store"}), is_growing=True)
        request = replace(request, upstream={**request.upstream, "preprocess": grows})
        job = Job(request, lambda event: self.notes.append(str(event.text)) if isinstance(event, StageNote) else None)
        errors: list[BaseException] = []

        def writing() -> None:
            try:
                write(self.store, job)
                job.obey(
                    {"command": "settled", "stage": "preprocess", "upstream": encode(replace(grows, is_growing=False))}
                )
            except BaseException as error:  # noqa: BLE001 - raised below
                errors.append(error)
                job.obey({"command": "stop"})

        thread = threading.Thread(target=writing)
        thread.start()
        try:
            return job.complete(run(job))
        finally:
            thread.join()
            assert errors == []

    def wait_for_rows(self, rows: int) -> None:
        """Wait until so many scores are in the file."""
        path, until = self.rig.folder / "out" / "rows.bin", time.monotonic() + 60
        while not (path.exists() and path.stat().st_size > rows * (12 + 4 * CLASSES)):
            assert time.monotonic() < until, "no rows came"
            time.sleep(0.02)

    def append(self, writer: ClipWriter, videos: Sequence[int], pause: float = 0.0) -> None:
        """Videos of the whole store, one after the other."""
        for number in videos:
            time.sleep(pause)
            place = self.source.videos[number]
            clips = np.stack([self.source.clip(clip) for clip in place.numbers])
            writer.append(place.id, place.label, place.segment, place.clips, clips.data)

    def write(self, videos: Sequence[int] = ALL, pause: float = 0.05, *, finish: bool = True) -> Write:
        """A function that writes these videos, in this order, and finishes the store."""

        def write(folder: Path, job: Job) -> None:
            with ClipWriter.open_or_resume(folder, ClipHeader()) as writer:
                self.append(writer, [n for n in videos if writer.get(f"video {n}") is None], pause)
                if finish:
                    writer.finish([f"video {n}" for n in sorted(videos)])
                else:
                    self.wait_for_rows(8)
                    job.obey({"command": "stop"})

        return write


@pytest.fixture
def growing(rig: Rig, store: Path, monkeypatch: pytest.MonkeyPatch) -> Growing:
    """The stage with bursts of one batch a device."""
    monkeypatch.setattr(followed_store, "BURST", 1)
    return Growing(rig, store)


def expected(rig: Rig, store: Path) -> dict[int, bytes]:
    """The rows of a run over a finished store."""
    one = Rig(rig.folder / "finished", store, rig.model)
    one.infer(PARAMS, TUNING)
    return one.rows


def test_rows_are_those_of_the_finished_store(growing: Growing, rig: Rig, store: Path) -> None:
    """The same digest; each device was opened once; the time without work is not in the rate."""
    outcome = growing.infer(growing.write(pause=0.2))
    assert expected(rig, store) == rig.rows
    assert (CLIPS, 0, "packed") == tuple(outcome.figures[name] for name in ("clips", "clips_taken_up", "layout"))
    waited, rate = outcome.figures["waited_seconds"], outcome.figures["clips_per_s"]
    assert isinstance(waited, float)
    assert isinstance(rate, float)
    assert waited > 0.2


def test_a_rate_of_the_cpu_beside_preprocess_is_labelled(growing: Growing, rig: Rig) -> None:
    """Decoding took the same cores; alone, the same clips have a rate without a label."""
    assert "preprocess" == growing.infer(growing.write(pause=0.1)).figures["clips_per_s_beside"]
    (rig.folder / "out" / "rows.bin").unlink()
    assert rig.infer(PARAMS, TUNING).figures.get("clips_per_s_beside") is None


def test_rows_of_a_followed_store_count_for_no_other_one(growing: Growing, rig: Rig, store: Path) -> None:
    """The engine died before the folder had its place, and the store was made again in another order."""
    growing.infer(growing.write((3, 1, 0, 2, *ALL[4:]), pause=0.0))
    made = rig.rows
    outcome = rig.infer(PARAMS, TUNING)
    assert expected(rig, store) == rig.rows != made
    assert 0 == outcome.figures["clips_taken_up"]
    assert not (rig.folder / "out" / RECORD).exists()


def test_batches_go_out_in_bursts(growing: Growing, rig: Rig, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than there are clips for: all go out at the end."""
    monkeypatch.setattr(followed_store, "BURST", 8)
    assert growing.infer(growing.write(pause=0.1)).figures["waited_seconds"]
    assert expected(rig, store) == rig.rows


def test_a_store_that_is_whole_at_once_is_no_different(growing: Growing, rig: Rig, store: Path) -> None:
    """The end comes before, or just after, the stage begins to follow."""
    growing.infer(growing.write(pause=0.0))
    assert expected(rig, store) == rig.rows


def test_what_takes_the_whole_store_waits_for_it(growing: Growing, rig: Rig) -> None:
    """The guide's layout, for one, has nothing to do with a store that grows."""
    outcome = growing.infer(growing.write(pause=0.1), {**PARAMS, "layout": "guide"})
    assert CLIPS == len(rig.rows)
    assert outcome.figures["waited_seconds"] is None


def test_a_stop_keeps_the_rows_and_the_next_attempt_resumes(growing: Growing, rig: Rig, store: Path) -> None:
    """Half of the videos, a stop, then the rest: no clip is computed twice."""
    with pytest.raises(Stopped):
        growing.infer(growing.write(ALL[:4], finish=False))
    outcome = growing.infer(growing.write())
    assert outcome.figures["clips_taken_up"] in (8, 12)  # of 13 clips the full batches, one by one or together
    assert expected(rig, store) == rig.rows


def test_a_store_in_another_order_costs_all_rows(growing: Growing, rig: Rig, store: Path) -> None:
    """What an earlier attempt worked by is no part of the finished store: every clip is computed again."""
    with pytest.raises(Stopped):
        growing.infer(growing.write((1, 0, 2), finish=False))
    shutil.rmtree(growing.store)
    outcome = growing.infer(growing.write())
    assert 0 == outcome.figures["clips_taken_up"]
    assert any("computed again" in note for note in growing.notes)
    assert expected(rig, store) == rig.rows


def test_rows_without_a_record_count_for_nothing(growing: Growing, rig: Rig, store: Path) -> None:
    """Nobody knows which clips they are of."""
    with pytest.raises(Stopped):
        growing.infer(growing.write((1, 0, 2), finish=False))
    (rig.folder / "out" / RECORD).unlink()
    shutil.rmtree(growing.store)
    assert 0 == growing.infer(growing.write()).figures["clips_taken_up"]
    assert expected(rig, store) == rig.rows


def test_a_damaged_record_costs_time_alone(growing: Growing, rig: Rig, store: Path) -> None:
    """One flipped bit in it: all rows are computed again; a torn end is cut off."""
    for damage in (lambda data: bytes([data[0] ^ 4]) + data[1:], lambda data: data + b'{"id":"video 9'):
        with pytest.raises(Stopped):
            growing.infer(growing.write((0, 1, 2), finish=False))
        record = rig.folder / "out" / RECORD
        record.write_bytes(damage(record.read_bytes()))
        growing.infer(growing.write())
        assert expected(rig, store) == rig.rows
        shutil.rmtree(rig.folder)


def test_clips_that_could_not_be_read_are_read_once_the_store_is_whole(growing: Growing, rig: Rig, store: Path) -> None:
    """A clip that is damaged while the store grows, and was repaired by its end, is not skipped."""

    def write(folder: Path, job: Job) -> None:
        with ClipWriter.open_or_resume(folder, ClipHeader()) as writer:
            growing.append(writer, ALL[:3])
            shard = shard_path(folder, 0)
            whole = shard.read_bytes()
            shard.write_bytes(bytes(2000) + whole[2000:])
            time.sleep(2.0)
            shard.write_bytes(whole)
            growing.append(writer, ALL[3:])
            writer.finish([f"video {n}" for n in ALL])

    outcome = growing.infer(write)
    assert (0, CLIPS) == (outcome.set_aside_count, outcome.figures["clips"])
    assert expected(rig, store) == rig.rows


def test_an_index_that_is_replaced_is_read_on(growing: Growing, rig: Rig, store: Path) -> None:
    """Preprocess was killed and began again: its lines stand in a new file, and the same ones are known."""

    def write(folder: Path, job: Job) -> None:
        with ClipWriter.open_or_resume(folder, ClipHeader()) as writer:
            growing.append(writer, ALL[:3])
        time.sleep(0.6)
        with (folder / INDEX).open("ab") as index:
            index.write(b'{"id":"video 3","label"')
        time.sleep(0.3)
        growing.write()(folder, job)

    outcome = growing.infer(write)
    assert (CLIPS, 0) == (outcome.figures["clips"], outcome.figures["clips_taken_up"])
    assert expected(rig, store) == rig.rows
